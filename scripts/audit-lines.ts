/**
 * Checks an export of the audit trail without Waybill: it shares no code with the product, only the description in
 * design/audit.md, and needs nothing but Web Crypto.
 */
export interface AuditReport {
  readonly rows: number;
  readonly seals: number;
  /** Rows that no seal of the export covers: nothing can be said of them. */
  readonly unsealed: number;
  /** The keys that signed. Whoever trusts the export only as far as its keys compares these with what they know. */
  readonly keyIds: readonly string[];
  /** The hash of the last seal: the next export's first seal names it as `prev`. */
  readonly head: string | null;
  readonly problems: readonly string[];
}

type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;
type PublicKey = Readonly<Record<"kid" | "kty" | "crv" | "x" | "y", string>>;
type Line = Readonly<Record<string, unknown>>;

export async function checkAuditLines(lines: Iterable<string> | AsyncIterable<string>): Promise<AuditReport> {
  const problems: string[] = [];
  const keys = new Map<string, Key>();
  const signers = new Set<string>();
  let open: Line[] = [];
  let before: Line | undefined;
  let last: Line | undefined;
  let [rows, seals] = [0, 0];

  for await (const text of lines) {
    if (text.trim() === "") continue;
    const line = JSON.parse(text) as Line;
    last = line;
    if (line["type"] === "export") {
      for (const key of line["keys"] as PublicKey[]) keys.set(key.kid, await importKey(key));
    } else if (line["type"] === "row") {
      rows++;
      open.push(line);
    } else if (line["type"] === "seal") {
      seals++;
      const name = `seal ${String(line["from_seq"])}–${String(line["to_seq"])}`;
      const wrong = await problemsOfSeal(line, open, before, keys.get(String(line["key_id"])));
      problems.push(...wrong.map((what) => `${name}: ${what}`));
      signers.add(String(line["key_id"]));
      before = line;
      open = [];
    }
  }
  if (last?.["type"] !== "end") problems.push("the export is incomplete: it has no last line");
  else if (last["rows"] !== rows || last["seals"] !== seals) problems.push("the export has lost lines");
  const head = before === undefined ? null : String(before["hash"]);
  return { rows, seals, unsealed: open.length, keyIds: [...signers], head, problems };
}

async function problemsOfSeal(
  seal: Line,
  rows: readonly Line[],
  before: Line | undefined,
  key: Key | undefined,
): Promise<string[]> {
  const digests = await Promise.all(rows.map(async (row) => `${String(row["seq"])} ${await sha256(rowText(row))}\n`));
  const hash = await sha256(`${String(seal["prev"])}\n${digests.join("")}`);
  const missing = Number(seal["to_seq"]) - Number(seal["from_seq"]) + 1 - Number(seal["row_count"]);
  const goesOn =
    before === undefined || (seal["prev"] === before["hash"] && seal["from_seq"] === Number(before["to_seq"]) + 1);
  return [
    ...(goesOn ? [] : ["doesn't go on from the seal before"]),
    ...(rows.length === seal["row_count"] ? [] : [`has ${rows.length} rows, sealed were ${String(seal["row_count"])}`]),
    ...(hash === seal["hash"] ? [] : ["its rows aren't those that were sealed"]),
    ...(missing === 0 ? [] : [`${missing} rows were gone when it was sealed`]),
    ...(key ? [] : [`no key ${String(seal["key_id"])} is known`]),
    ...(key && !(await isSignedBy(key, seal)) ? ["its signature doesn't fit"] : []),
  ];
}

function rowText(row: Line): string {
  const names = ["at", "actor", "actor_kind", "action", "subject", "before", "after", "reason", "trace"];
  return JSON.stringify(names.map((name) => row[name]));
}

function isSignedBy(key: Key, seal: Line): Promise<boolean> {
  // In the order of the alphabet, without white space.
  const names = ["from_seq", "hash", "key_id", "prev", "row_count", "sealed_at", "to_seq"];
  const signed = JSON.stringify(Object.fromEntries(names.map((name) => [name, seal[name]])));
  const signature = Uint8Array.from(atob(String(seal["signature"]).replaceAll("-", "+").replaceAll("_", "/")), (char) =>
    char.charCodeAt(0),
  );
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, signature, bytes(signed));
}

function importKey({ kty, crv, x, y }: PublicKey): Promise<Key> {
  return crypto.subtle.importKey("jwk", { kty, crv, x, y }, { name: "ECDSA", namedCurve: "P-256" }, true, ["verify"]);
}

async function sha256(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes(text)));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytes(text: string) {
  return new TextEncoder().encode(text);
}
