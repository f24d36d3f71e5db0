/** The sealing job: when it seals, what a crash or a second sealer does to the chain, and that the trail is append-only. */
import { beforeAll, it } from "vitest";
import { NO_SEAL_BEFORE } from "../../src/domain/audit-seal.ts";
import { copyKeyOf, listCopyKeys, listSeals, readCopy, seal, sealTrail, writeTrail } from "../support/audit.ts";
import { faultyD1 } from "../support/faulty-d1.ts";
import { env, startWorld } from "../support/harness.ts";
import { runRelayAlarm } from "../support/relay.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);

const head = async () => (await listSeals()).at(-1);
const highest = () => env.DB.prepare("SELECT MAX(seq) AS seq FROM audit").first<number>("seq");

/** What is wrong with the chain: each seal goes on where the one before ended, and all have their copy. */
async function gaps(): Promise<string[]> {
  const seals = await listSeals();
  const wrong = seals.flatMap((one, at) => {
    const before = seals[at - 1];
    const fits = one.from_seq === (before?.to_seq ?? 0) + 1 && one.prev === (before?.hash ?? NO_SEAL_BEFORE);
    return fits ? [] : [`seal ${one.to_seq} doesn't go on`];
  });
  const copies = JSON.stringify(await listCopyKeys()) === JSON.stringify(seals.map(copyKeyOf)) ? [] : ["copies differ"];
  return [...wrong, ...copies];
}

it("seals nothing while the rows are few and young, and the rest when the oldest is a minute old", async ({
  expect,
}) => {
  await writeTrail(3);
  await seal();
  expect(await listSeals()).toEqual([]);
  moveClock(60_001);
  await writeTrail(1);
  await seal();
  expect(await listSeals()).toMatchObject([{ from_seq: 1, to_seq: 4, row_count: 4, prev: NO_SEAL_BEFORE }]);
});

it("seals a hundred rows at once without waiting for the minute, as many seals as there are hundreds", async ({
  expect,
}) => {
  await writeTrail(250);
  await seal();
  expect((await listSeals()).map(({ from_seq, to_seq }) => [from_seq, to_seq])).toEqual([
    [1, 4],
    [5, 104],
    [105, 204],
  ]);
  moveClock(60_001);
  await seal();
  await seal();
  expect((await head())?.to_seq).toBe(254);
  expect(await gaps()).toEqual([]);
});

it("keeps a copy of each seal outside of the database, with a digest of each row", async ({ expect }) => {
  const last = await head();
  const copy = last && (await readCopy(last));
  expect(copy?.seal).toEqual(last);
  expect(copy?.digests.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, at) => 205 + at));
  expect(copy?.digests.every(({ digest }) => /^[0-9a-f]{64}$/.test(digest))).toBe(true);
});

it("leaves large rows to seals of their own, so that a seal's rows fit in memory", async ({ expect }) => {
  await env.DB.prepare(
    `INSERT INTO audit(at, actor, actor_kind, action, subject, after, trace)
     SELECT '2026-01-01', 'ops', 'person', 'thing.changed', 'large', hex(zeroblob(450000)), '' FROM json_each('[1,2,3,4,5]')`,
  ).run();
  await seal();
  await seal();
  expect((await listSeals()).slice(-3).map(({ row_count }) => row_count)).toEqual([2, 2, 1]);
  expect(await gaps()).toEqual([]);
});

it("two sealers at once make one chain", async ({ expect }) => {
  const before = (await listSeals()).length;
  await writeTrail(300);
  await Promise.all([seal(), seal(), seal()]);
  await seal();
  expect((await listSeals()).length).toBe(before + 3);
  expect((await head())?.to_seq).toBe(await highest());
  expect(await gaps()).toEqual([]);
});

it.for(["before", "after"] as const)(
  "a seal whose commit is cut off (%s it landed) is there once after the next run",
  async (kind, { expect }) => {
    const last = await head();
    const faults = faultyD1({ marker: last?.hash ?? "", kind, times: 1 });
    await writeTrail(2);
    moveClock(60_001);
    wrapBindings({ DB: faults.wrap });
    await expect(seal()).rejects.toThrow("commit failed");
    wrapBindings({});
    expect(faults.hits(last?.hash ?? "")).toBe(1);
    await seal();
    await seal();
    expect((await head())?.to_seq).toBe(await highest());
    expect(await gaps()).toEqual([]);
  },
);

it("a seal that lands late, after another sealer's, is refused: the chain doesn't fork", async ({ expect }) => {
  const last = await head();
  const faults = faultyD1({ marker: last?.hash ?? "", kind: "held", times: 1 });
  await writeTrail(2);
  moveClock(60_001);
  wrapBindings({ DB: faults.wrap });
  await expect(seal()).rejects.toThrow("commit failed");
  wrapBindings({});
  await sealTrail(1);
  expect(await faults.release(env.DB)).toEqual([expect.stringContaining("CONFLICT")]);
  await seal();
  expect(await gaps()).toEqual([]);
});

it("while the archive takes no copy the chain waits, and then catches up: nothing stays unsealed or without a copy", async ({
  expect,
}) => {
  await sealTrail(1);
  const sealed = (await listSeals()).length;
  wrapBindings({
    ARCHIVE: (real) =>
      new Proxy(real, {
        get(target, key) {
          if (key === "put") return () => Promise.reject(new Error("the archive is down"));
          const value: unknown = Reflect.get(target, key);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      }),
  });
  await writeTrail(250);
  await expect(seal()).rejects.toThrow("the archive is down");
  await expect(seal()).rejects.toThrow("the archive is down");
  expect((await listSeals()).length).toBe(sealed + 1); // one may be without its copy, not more
  wrapBindings({});
  moveClock(60_001);
  await seal();
  await seal();
  expect((await head())?.to_seq).toBe(await highest());
  expect(await gaps()).toEqual([]);
});

it("never replaces a copy that is there", async ({ expect }) => {
  const next = { to_seq: ((await highest()) ?? 0) + 1 };
  await env.ARCHIVE.put(copyKeyOf(next), "was here before");
  await sealTrail(1);
  await seal();
  expect((await head())?.to_seq).toBe(next.to_seq);
  expect(await (await env.ARCHIVE.get(copyKeyOf(next)))?.text()).toBe("was here before");
});

it.for([
  "UPDATE audit SET actor = 'nobody' WHERE seq = 1",
  "DELETE FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)",
  "UPDATE audit_seals SET hash = 'x'",
  "DELETE FROM audit_seals",
])("the database refuses: %s", async (statement, { expect }) => {
  await expect(env.DB.prepare(statement).run()).rejects.toThrow("AUDIT_APPEND_ONLY");
});

it("is done by the relay on its alarm", async ({ expect }) => {
  await env.RELAY.get(env.RELAY.idFromName("relay:0")).kick(0);
  await writeTrail(1);
  moveClock(60_001);
  await runRelayAlarm();
  expect((await head())?.to_seq).toBe(await highest());
});
