/** `GET /api/audit/verify`: every way to tamper with the trail, its seals or their copies is found and named. */
import { afterEach, beforeAll, describe, it } from "vitest";
import type { Finding } from "../../src/domain/audit-findings.ts";
import type { SealCopy } from "../../src/domain/audit-seal.ts";
import { copyKeyOf, keepTrail, listSeals, readCopy, seal, sealTrail, tamper, writeTrail } from "../support/audit.ts";
import { as, env, startWorld } from "../support/harness.ts";
import { expectProblem } from "../support/problem.ts";
import { moveClock } from "../support/world.ts";

let restore: () => Promise<void>;

/** Three seals, of rows 1–100, 101–200 and 201–250, each with its copy; then five rows that no seal covers. */
beforeAll(async () => {
  await startWorld();
  await sealTrail(250);
  await seal();
  await writeTrail(5);
  moveClock(60_001); // a head without its copy is no longer one that was just made
  restore = await keepTrail();
});

async function verify(
  query = "",
): Promise<{ data: Finding[]; meta: Record<string, unknown>; unsealed: { age_s: number } }> {
  const { status, body } = await as("ops", "GET", `/api/audit/verify${query}`);
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body;
}

/** What was found, as `kind from–to`. */
const found = async () => (await verify()).data.map((f) => `${f.kind} ${f.from_seq}–${f.to_seq}`);

async function bendCopy(toSeq: number, change: (copy: SealCopy) => SealCopy): Promise<void> {
  const copy = await readCopy({ to_seq: toSeq });
  if (!copy) throw new Error(`no copy of ${toSeq}`);
  await env.ARCHIVE.put(copyKeyOf(copy.seal), JSON.stringify(change(copy)));
}

const dropCopy = (toSeq: number) => env.ARCHIVE.delete(copyKeyOf({ to_seq: toSeq }));

it("finds nothing in a trail that nobody touched, and tells what is yet unsealed and how old that is", async ({
  expect,
}) => {
  const verified = await verify();
  expect(verified).toEqual({
    data: [],
    meta: { ok: true, seals: 3, rows: 250, next: null },
    unsealed: { rows: 5, from_seq: 251, age_s: expect.any(Number) },
  });
  expect(verified.unsealed.age_s).toBeGreaterThanOrEqual(60);
  expect(verified.unsealed.age_s).toBeLessThan(120);
});

describe("tampering that is found", () => {
  afterEach(() => restore());

  const SWAP = `UPDATE audit SET (at, actor, actor_kind, action, subject, before, after, reason, trace) =
    (SELECT k.at, k.actor, k.actor_kind, k.action, k.subject, k.before, k.after, k.reason, k.trace FROM kept_audit k
     WHERE k.seq = CASE audit.seq WHEN 57 THEN 60 ELSE 57 END) WHERE seq IN (57, 60)`;
  const ROW = "at, actor, actor_kind, action, subject, before, after, reason, trace";

  it.for<readonly [what: string, statements: readonly string[], findings: readonly string[]]>([
    ["an edited row", ["UPDATE audit SET actor = 'nobody' WHERE seq = 57"], ["edited 57–57"]],
    ["an emptied value", ["UPDATE audit SET after = NULL WHERE seq = 1"], ["edited 1–1"]],
    [
      "edited rows of several seals",
      ["UPDATE audit SET reason = '' WHERE seq IN (3, 4, 5, 150)"],
      ["edited 3–5", "edited 150–150"],
    ],
    ["a deleted row", ["DELETE FROM audit WHERE seq = 120"], ["deleted 120–120"]],
    [
      "deleted rows over the edge of a seal",
      ["DELETE FROM audit WHERE seq BETWEEN 99 AND 102"],
      ["deleted 99–100", "deleted 101–102"],
    ],
    ["all rows of a seal deleted", ["DELETE FROM audit WHERE seq BETWEEN 101 AND 200"], ["deleted 101–200"]],
    ["two rows swapped", [SWAP], ["swapped 57–60"]],
    [
      "a row inserted below the first",
      [`INSERT INTO audit(seq, ${ROW}) SELECT 0, ${ROW} FROM audit WHERE seq = 9`],
      ["inserted 0–0"],
    ],
    [
      "a row inserted below the first, with a seal of its own that nobody signed",
      [
        `INSERT INTO audit(seq, ${ROW}) SELECT 0, ${ROW} FROM audit WHERE seq = 9`,
        `INSERT INTO audit_seals(from_seq, to_seq, row_count, prev, hash, sealed_at, key_id, signature)
         SELECT 0, 0, 1, prev, '${"0".repeat(64)}', sealed_at, key_id, 'none' FROM audit_seals WHERE to_seq = 100`,
      ],
      ["seal_edited 0–0", "inserted 0–0"],
    ],
    [
      "a row inserted between others, which make room for it",
      [
        "UPDATE audit SET seq = -seq - 1 WHERE seq >= 230",
        "UPDATE audit SET seq = -seq WHERE seq < 0",
        `INSERT INTO audit(seq, ${ROW}) SELECT 230, at, 'nobody', actor_kind, action, subject, before, after, reason, trace FROM audit WHERE seq = 9`,
      ],
      ["inserted 230–230", "swapped 231–249", "edited 250–250"],
    ],
    ["the end of the trail cut", ["DELETE FROM audit WHERE seq > 240"], ["cut 241–250"]],
    [
      "the end of the trail cut, with its seal",
      ["DELETE FROM audit WHERE seq > 200", "DELETE FROM audit_seals WHERE to_seq > 200"],
      ["seal_cut 201–250", "cut 201–250"],
    ],
    [
      "all rows and all seals cut",
      ["DELETE FROM audit", "DELETE FROM audit_seals"],
      ["seal_cut 1–100", "cut 1–100", "seal_cut 101–200", "cut 101–200", "seal_cut 201–250", "cut 201–250"],
    ],
    ["a deleted seal", ["DELETE FROM audit_seals WHERE to_seq = 200"], ["seal_deleted 101–200"]],
    ["an edited seal", ["UPDATE audit_seals SET hash = prev WHERE to_seq = 200"], ["seal_edited 101–200"]],
    ["a seal of another time", ["UPDATE audit_seals SET sealed_at = '2020' WHERE to_seq = 100"], ["seal_edited 1–100"]],
    [
      "a seal that says another key made it",
      ["UPDATE audit_seals SET key_id = 'another' WHERE to_seq = 250"],
      ["unknown_key 201–250"],
    ],
    [
      "an edited row, and its seal with it",
      ["UPDATE audit SET actor = 'nobody' WHERE seq = 57", "UPDATE audit_seals SET hash = prev WHERE to_seq = 100"],
      ["seal_edited 1–100", "edited 57–57"],
    ],
  ])("%s", async ([, statements, findings], { expect }) => {
    await tamper(...statements);
    expect(await found()).toEqual(findings);
  });

  it("a cut end whose numbers were given again, and sealed again", async ({ expect }) => {
    await tamper("DELETE FROM audit WHERE seq > 245", "DELETE FROM audit_seals WHERE to_seq > 200");
    await writeTrail(5);
    expect(await env.DB.prepare("SELECT MAX(seq) FROM audit").first("MAX(seq)")).toBe(250);
    moveClock(60_001);
    await seal();
    await seal();
    // The new seal is a good one, of the same range; the copy of the one before it gives it away.
    expect(await found()).toEqual(["seal_edited 201–250", "edited 246–250"]);
  });

  it("a cut end that grew on, with seals of other ranges in place of the old", async ({ expect }) => {
    await tamper("DELETE FROM audit WHERE seq > 230", "DELETE FROM audit_seals WHERE to_seq > 200");
    await sealTrail(3);
    await sealTrail(50);
    await seal();
    expect((await listSeals()).map(({ to_seq: seq }) => seq)).toEqual([100, 200, 233, 283]);
    expect(await found()).toEqual(["seal_deleted 201–250", "edited 231–250"]);
  });

  it("rows that were deleted before they were sealed, by the numbers that are missing", async ({ expect }) => {
    await tamper("DELETE FROM audit WHERE seq IN (252, 253)");
    await sealTrail(1);
    await seal();
    expect(await found()).toEqual(["gone_before_seal 251–256"]);
    expect((await verify()).data[0]?.detail).toMatch(/^2 rows/);
  });

  it("a deleted copy", async ({ expect }) => {
    await dropCopy(200);
    expect(await found()).toEqual(["copy_missing 101–200"]);
  });

  it("a copy that is none, one whose seal was edited, and one whose digests were", async ({ expect }) => {
    await env.ARCHIVE.put(copyKeyOf({ to_seq: 100 }), "{");
    await bendCopy(200, (copy) => ({ ...copy, seal: { ...copy.seal, row_count: 99 } }));
    await bendCopy(250, (copy) => ({ ...copy, digests: copy.digests.slice(1) }));
    expect(await found()).toEqual(["copy_edited 1–100", "copy_edited 101–200", "copy_edited 201–250"]);
  });

  it("without its copy an edited row is known by its range, a deleted one still by its number", async ({ expect }) => {
    await dropCopy(100);
    await dropCopy(200);
    await tamper("UPDATE audit SET actor = 'nobody' WHERE seq = 57", "DELETE FROM audit WHERE seq = 120");
    expect(await found()).toEqual(["copy_missing 1–100", "edited 1–100", "copy_missing 101–200", "deleted 120–120"]);
  });

  it("a seal that is gone with its copy leaves rows that nothing covers", async ({ expect }) => {
    await dropCopy(200);
    await tamper("DELETE FROM audit_seals WHERE to_seq = 200");
    expect(await found()).toEqual(["seal_deleted 101–200"]);
  });
});

it("goes through a long chain in steps, and tells in each where the next begins", async ({ expect }) => {
  await tamper("DELETE FROM audit_seals WHERE to_seq = 200", "UPDATE audit SET actor = 'nobody' WHERE seq = 230");
  const first = await verify("?limit=1");
  const second = await verify(`?limit=1&after=${String(first.meta["next"])}`);
  const third = await verify(`?limit=1&after=${String(second.meta["next"])}`);
  await restore();
  expect(first).toMatchObject({ data: [], meta: { ok: true, seals: 1, rows: 100, next: 100 } });
  expect(second).toMatchObject({ data: [{ kind: "seal_deleted" }], meta: { ok: false, seals: 1, next: 200 } });
  expect(third).toMatchObject({ data: [{ kind: "edited", from_seq: 230 }], meta: { ok: false, seals: 1, rows: 50 } });
});

it("is for those whose work is every region's", async ({ expect }) => {
  for (const who of ["manager-north", "manager-national", "tech-north", "truck-001"]) {
    expectProblem(expect, await as(who, "GET", "/api/audit/verify"), 403, "FORBIDDEN");
  }
  await env.DB.prepare("UPDATE people SET region = 'north' WHERE id = 'admin'").run();
  expectProblem(expect, await as("admin", "GET", "/api/audit/verify"), 403, "FORBIDDEN");
  await env.DB.prepare("UPDATE people SET region = NULL WHERE id = 'admin'").run();
});

it.for(["?after=-1", "?after=x", "?limit=0", "?limit=101", "?after=1e300", "?more=1"])(
  "refuses %s",
  async (query, { expect }) => {
    expectProblem(expect, await as("ops", "GET", `/api/audit/verify${query}`), 422, "VALIDATION");
  },
);

it("a manager sees the trail of their own region's subjects, and of nothing else", async ({ expect }) => {
  const asked = await as("truck-001", "POST", "/api/requests", {
    request_number: "SCOPE-1",
    device_id: "truck-001",
    lines: [{ sku: "PUMP-001", quantity: 1 }],
  });
  const own = `/api/audit?subject=request/${asked.body.request_id}`;
  expect((await as("manager-north", "GET", own)).body.data[0].action).toBe("request.uploaded");
  await env.DB.prepare("UPDATE requests SET region = 'south' WHERE id = ?").bind(asked.body.request_id).run();
  for (const subject of [`request/${asked.body.request_id}`, "request/req_none", "part/PUMP-001", "nonsense", "/"]) {
    const refused = await as("manager-north", "GET", `/api/audit?subject=${subject}`);
    expectProblem(expect, refused, 403, "FORBIDDEN");
  }
  expect((await as("manager-national", "GET", own)).body.meta.count).toBeGreaterThan(0);
});
