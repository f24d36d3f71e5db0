import { globSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it, vi } from "vitest";
import { demoData } from "../../scripts/demo-data.ts";
import { freePort, startWaybill, statusOf, takenPort, temporaryFolder } from "./start-process.ts";

const GONE = { timeout: 10_000, interval: 20 };

/** The rows of every table of the app's database; the runtime must have stopped. */
function tableCounts(state: string): Record<string, number> {
  for (const file of globSync(join(state, "v3/d1/**/*.sqlite"))) {
    const db = new DatabaseSync(file, { readOnly: true });
    const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'").all();
    const names = tables.map(({ name }) => String(name));
    const count = (name: string) => Number(db.prepare(`SELECT count(*) AS n FROM "${name}"`).get()?.["n"]);
    const counts = Object.fromEntries(names.map((name) => [name, count(name)]));
    db.close();
    if ("parts" in counts) return counts;
  }
  throw new Error(`no database in ${state}`);
}

describe("what is wrong is refused with 1 and one line that says what to do", () => {
  it.for([
    ["PORT", "eighty", /^Waybill can't start\. PORT must be a whole number from 1 to 65535, not "eighty"/],
    ["PORT", "0", /PORT must be a whole number from 1 to 65535, not "0"/],
    ["PORT", "65536", /PORT must be a whole number from 1 to 65535/],
    ["HUB_SHARDS", "65", /HUB_SHARDS: must be between 1 and 64/],
    ["RELAY_SHARDS", "0", /RELAY_SHARDS: must be between 1 and 64/],
    ["DOCUMENT_STORE", "dropbox", /DOCUMENT_STORE: Invalid option: expected one of "archive"\|"sharepoint"/],
  ] as const)("%s=%s", async ([name, value, message], { expect }) => {
    const PORT = String(await freePort());
    const { code, stdout, stderr } = await startWaybill({ PORT, WAYBILL_STATE: temporaryFolder(), [name]: value })
      .ended;
    expect(stderr.trimEnd().split("\n")).toEqual([expect.stringMatching(message)]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  });

  it("a port that something else listens on", async ({ expect }) => {
    const { port } = await takenPort();
    const { code, stderr } = await startWaybill({ PORT: String(port), WAYBILL_STATE: temporaryFolder() }).ended;
    expect(code).toBe(1);
    expect(stderr).toBe(
      `Waybill can't start. Port ${port} is in use. Stop what listens there, or choose another: PORT=${port + 1} npm start\n`,
    );
  });

  it("a state folder that is a file", async ({ expect }) => {
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    const { code, stderr } = await startWaybill({ PORT: String(await freePort()), WAYBILL_STATE: file }).ended;
    expect(code).toBe(1);
    expect(stderr).toBe(
      `Waybill can't start. State folder ${file} can't be written (EEXIST). Make it writable. Or choose another: WAYBILL_STATE=folder npm start\n`,
    );
  });

  it.runIf(process.platform === "linux")("a state folder where none can be made", async ({ expect }) => {
    const { code, stderr } = await startWaybill({
      PORT: String(await freePort()),
      WAYBILL_STATE: "/proc/waybill/state",
    }).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^Waybill can't start\. State folder \/proc\/waybill\/state can't be written \(ENOENT\)\. .*\n$/,
    );
  });

  it("a key file that holds no key", async ({ expect }) => {
    const state = temporaryFolder();
    writeFileSync(join(state, "auth-private.jwk"), '{"kty":"EC"');
    const { code, stderr } = await startWaybill({ PORT: String(await freePort()), WAYBILL_STATE: state }).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Waybill can't start\. .*auth-private\.jwk holds no ES256 private key\. Delete it: .*\n$/);
  });
});

it("starts, serves, stops with 0, and starts again on the same state without seeding twice", async ({ expect }) => {
  const state = temporaryFolder();
  const port = await freePort();
  const env = { PORT: String(port), WAYBILL_STATE: state };

  const first = startWaybill(env);
  const { people, devices, parts, stock_movements: movements } = demoData();
  const lines = await first.ready();
  expect(lines[0]).toBe(`Waybill ready http://127.0.0.1:${port} state=${state}`);
  expect(lines.slice(1, 1 + people.length + devices.length)).toEqual([
    ...people.map(({ id, role, region }) => `${id} ${role} ${region ?? "-"}`),
    ...devices.map(({ id, region }) => `${id} device ${region}`),
  ]);
  expect(await statusOf(port, "/health")).toBeTypeOf("number");
  expect(await statusOf(port, "/acme/health", `suppliers.localhost:${port}`)).toBe(200);

  const second = await startWaybill({ PORT: String(await freePort()), WAYBILL_STATE: state }).ended;
  expect(second.code).toBe(1);
  expect(second.stderr).toMatch(
    /^Waybill can't start\. State folder .* is in use by another running Waybill\. Stop that one\..*\n$/,
  );

  first.kill("SIGTERM");
  expect((await first.ended).code).toBe(0);
  await expect(statusOf(port, "/")).rejects.toThrow("ECONNREFUSED");
  const seeded = tableCounts(state);
  expect(seeded).toMatchObject({ parts: parts.length, stock_movements: movements.length, audit: 1 });
  const keys = ["auth-private.jwk", "audit-private.jwk", "supplier.secret"].map((name) => join(state, name));
  const made = keys.map((key) => readFileSync(key, "utf8"));
  for (const key of keys) expect(statSync(key).mode & 0o777).toBe(0o600);
  expect(made[2]).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  for (const text of made.slice(0, 2)) {
    expect(JSON.parse(text)).toMatchObject({ kty: "EC", crv: "P-256", alg: "ES256", d: expect.any(String) });
  }
  expect(new Set(made).size).toBe(3);

  const again = startWaybill(env);
  expect((await again.ready())[0]).toBe(lines[0]);
  again.kill("SIGINT");
  expect((await again.ended).code).toBe(0);
  expect(tableCounts(state)).toEqual(seeded);
  expect(keys.map((key) => readFileSync(key, "utf8"))).toEqual(made);
}, 240_000);

it("a start that is killed with SIGKILL leaves nothing on the port, and the next start takes the folder over", async ({
  expect,
}) => {
  const port = await freePort();
  const env = { PORT: String(port), WAYBILL_STATE: temporaryFolder() };
  const killed = startWaybill(env);
  await killed.ready();
  killed.kill("SIGKILL");
  await vi.waitFor(() => expect(statusOf(port, "/")).rejects.toThrow("ECONNREFUSED"), GONE);
  const next = startWaybill(env);
  await next.ready();
  next.kill("SIGTERM");
  expect((await next.ended).code).toBe(0);
}, 240_000);
