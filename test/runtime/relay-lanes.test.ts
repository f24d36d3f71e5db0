/** The relay's lanes where something in the log can't go on: what is held back, what flows, and what is seen of it. */
import { afterEach, beforeAll, beforeEach, describe, it } from "vitest";
import { OUTBOX_RETENTION_MS, UNREADABLE_PARK_MS } from "../../src/config.ts";
import { as, env, quiet, startWorld, until } from "../support/harness.ts";
import { holdRelayPoll, runRelayAlarm } from "../support/relay.ts";
import { openSocket, type TestSocket } from "../support/socket.ts";
import { deafRelays } from "../support/bindings.ts";
import { levelOf, sent, updateInventory } from "../support/stock.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
beforeEach(async () => {
  await quiet();
  await holdRelayPoll();
});
afterEach(() => wrapBindings({}));

const change = (sku: string) => sent("warehouse-01", updateInventory("warehouse-01", sku, 1, "Bin-L-01"));
const subject = (sku: string) => `stock/${sku}@warehouse-01`;
const heard = (socket: TestSocket, sku: string) =>
  socket.events.filter(({ event }) => event.subject === subject(sku)).map(({ event }) => event.sequence);
const outbox = async () => (await as("ops", "GET", "/api/outbox")).body;

/** Rows of the log by hand: what a broken writer, or a newer version, would leave there. */
async function rowsOf(sku: string) {
  const { results } = await env.DB.prepare(
    "SELECT seq, event_id, done, want, parked_at, error FROM outbox WHERE subject = ? ORDER BY seq",
  )
    .bind(subject(sku))
    .all<{
      seq: number;
      event_id: string;
      done: number;
      want: number;
      parked_at: string | null;
      error: string | null;
    }>();
  return results;
}

/** Two changes of a part that are committed and not yet sent, the first of which is then spoilt. */
async function spoiltPair(sku: string, spoil: string): Promise<void> {
  const before = (await rowsOf(sku)).length;
  wrapBindings({ HUB: () => unreachable, EVENTS_QUEUE: () => deadQueue });
  await change(sku);
  await change(sku);
  wrapBindings({});
  const row = (await rowsOf(sku))[before];
  await env.DB.prepare(`UPDATE outbox SET event = ${spoil}, lease_until = '', attempts = 0 WHERE seq = ?`)
    .bind(row?.seq)
    .run();
}

const fail = () => Promise.reject(new Error("unreachable"));
const unreachable = { idFromName: (name: string) => env.HUB.idFromName(name), get: () => ({ deliver: fail }) } as never;
const deadQueue = { send: fail, sendBatch: fail } as never;

/** What the spoilt event should have said, from the one after it; then it is let go. */
async function mend(sku: string): Promise<void> {
  const [spoilt, next] = (await rowsOf(sku)).slice(-2);
  await env.DB.prepare(
    `UPDATE outbox SET parked_at = NULL, lease_until = '', attempts = 0, event = (SELECT json_set(n.event,
       '$.id', outbox.event_id, '$.sequence', n.sequence - 1) FROM outbox n WHERE n.seq = ?1) WHERE seq = ?2`,
  )
    .bind(next?.seq, spoilt?.seq)
    .run();
}

describe("scenario 12: a poison row", () => {
  it.for([
    ["of no shape that is known", "PUMP-008", "'42'"],
    ["of a newer version", "PUMP-010", "json_set(event, '$.type', 'InventoryRecounted')"],
  ] as const)(
    "%s is parked in sight once no deployment can be under way; its subject stops in order on the hub lane, others flow",
    async ([, sku, spoil], { expect }) => {
      const socket = await openSocket("truck-001");
      await socket.frame("welcome");
      await spoiltPair(sku, spoil);
      await change("PUMP-009");
      await runRelayAlarm();
      await socket.event("InventoryUpdated", (event) => event.subject === subject("PUMP-009"));
      expect(heard(socket, sku)).toEqual([]);
      // Only the hub's order waits: the queue's subscribers of the next one have had theirs.
      await until("the next one's other subscribers are done", async () => {
        const row = (await rowsOf(sku)).at(-1);
        return row && (row.want & ~row.done) === 1;
      });
      expect((await rowsOf(sku)).at(-2)?.parked_at).toBeNull();

      moveClock(UNREADABLE_PARK_MS);
      await runRelayAlarm();
      const [parked, held] = (await rowsOf(sku)).slice(-2);
      expect([parked?.parked_at === null, held?.parked_at]).toEqual([false, null]);
      expect((await outbox()).parked).toBeGreaterThanOrEqual(1);
      const { data } = await socket.event("ErrorOccurred", (event) => event.data["id"] === parked?.event_id);
      expect(data).toMatchObject({ code: "EVENT_PARKED", kind: "event" });
      expect(heard(socket, sku)).toEqual([]);

      await mend(sku);
      await runRelayAlarm();
      await until("both are heard", async () => heard(socket, sku).length === 2);
      const { version } = await levelOf(sku, "warehouse-01");
      expect(heard(socket, sku)).toEqual([version - 1, version]);
      socket.close();
    },
  );
});

it("trouble with the news of trouble is parked and makes no further news", async ({ expect }) => {
  const errors = () =>
    env.DB.prepare("SELECT COUNT(*) AS n FROM outbox WHERE type = 'ErrorOccurred'").first<number>("n");
  const before = await errors();
  const old = new Date(testClock.now() - UNREADABLE_PARK_MS - 1).toISOString();
  await env.DB.prepare(
    `INSERT INTO outbox(event_id, bucket, type, subject, region, event, created_at, want)
     VALUES ('evt_news', 0, 'ErrorOccurred', 'event/evt_x', 'north', '42', ?, 1)`,
  )
    .bind(old)
    .run();
  for (let polls = 0; polls < 3; polls++) await runRelayAlarm();
  const parked = env.DB.prepare(
    "SELECT COUNT(*) AS n FROM outbox WHERE event_id = 'evt_news' AND parked_at IS NOT NULL",
  );
  expect([await parked.first<number>("n"), (await errors()) ?? 0]).toEqual([1, (before ?? 0) + 1]);
  await env.DB.prepare("DELETE FROM outbox WHERE event_id = 'evt_news'").run();
});

describe("retention", () => {
  it("deletes what was finished 14 days ago, never what is open or parked, and never the newest place", async ({
    expect,
  }) => {
    for (let times = 0; times < 4; times++) await change("PUMP-012");
    await quiet();
    const [parked] = (await rowsOf("PUMP-012")).slice(-2);
    await env.DB.prepare("UPDATE outbox SET done = 0, parked_at = created_at WHERE seq = ?").bind(parked?.seq).run();
    const count = (where: string) =>
      env.DB.prepare(`SELECT COUNT(*) AS n FROM outbox WHERE ${where}`).first<number>("n");
    const open = await count("done <> want");
    expect(open).toBe(1);
    moveClock(OUTBOX_RETENTION_MS - 60_000);
    await runRelayAlarm();
    expect(await count("done = want")).toBeGreaterThan(1);
    moveClock(24 * 60 * 60 * 1000);
    await until("what was finished is gone", async () => {
      await runRelayAlarm();
      const old = new Date(testClock.now() - OUTBOX_RETENTION_MS).toISOString();
      return (await count(`done = want AND created_at < '${old}' AND seq < (SELECT MAX(seq) FROM outbox)`)) === 0;
    });
    expect(await count("done <> want")).toBe(1);
    const last = await env.DB.prepare("SELECT MAX(seq) AS n FROM outbox").first<number>("n");
    await change("PUMP-012");
    expect(await env.DB.prepare("SELECT MAX(seq) AS n FROM outbox").first<number>("n")).toBeGreaterThan(last ?? 0);
    await env.DB.prepare("UPDATE outbox SET done = want, parked_at = NULL WHERE seq = ?").bind(parked?.seq).run();
    await runRelayAlarm();
  });
});

describe("the second drop of the cache", () => {
  const inCache = async (sku: string) => (await env.CACHE.get(`parts:${sku}`)) !== null;

  it("comes though every message of the first was lost and no kick was heard", async ({ expect }) => {
    await until("it is cached", async () => {
      await as("ops", "GET", "/api/parts/RADI-002");
      return inCache("RADI-002");
    });
    await quiet();
    wrapBindings({ RELAY: deafRelays, EVENTS_QUEUE: () => deadQueue });
    const location = (
      await as("warehouse-01", "POST", "/api/commands", updateInventory("warehouse-01", "RADI-002", 1, "Bin-L-01"))
    ).headers.get("location");
    await runRelayAlarm();
    await until(
      "it is applied",
      async () => (await as("warehouse-01", "GET", location ?? "")).body.state === "applied",
    );
    await runRelayAlarm();
    expect(await inCache("RADI-002")).toBe(true);
    moveClock(121_000);
    await runRelayAlarm();
    expect(await inCache("RADI-002")).toBe(false);
    wrapBindings({});
    await runRelayAlarm();
  });

  it("is made once: later polls leave what was cached since alone", async ({ expect }) => {
    await until("it is cached again", async () => {
      await as("ops", "GET", "/api/parts/RADI-002");
      return inCache("RADI-002");
    });
    moveClock(121_000);
    for (let polls = 0; polls < 3; polls++) await runRelayAlarm();
    expect(await inCache("RADI-002")).toBe(true);
  });
});
