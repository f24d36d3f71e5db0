/**
 * What a flow costs in rows written, by the database's own count: with index rows and with the retention that deletes
 * them again; object alarms aren't rows of the database. The figures in test/figures/rows-written.json may only fall.
 */
import { afterEach, beforeAll, describe, it } from "vitest";
import { OUTBOX_RETENTION_MS } from "../../src/config.ts";
import ratchet from "../figures/rows-written.json" with { type: "json" };
import { figure } from "../support/figures.ts";
import { approveAll, env, requestIs, startWorld } from "../support/harness.ts";
import { runRelayAlarm } from "../support/relay.ts";
import { meterRows } from "../support/row-meter.ts";
import { seedMixedParts, settled } from "../support/saga-world.ts";
import { sent, updateInventory } from "../support/stock.ts";
import { uploadLines } from "../support/uploading.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
afterEach(() => wrapBindings({}));

const FULL = (env as { readonly SWEEP_FULL?: string }).SWEEP_FULL === "1";

/** Everything has taken effect, its timers have come, and what was finished is deleted: one row of the log is left. */
async function aged(): Promise<void> {
  await settled();
  moveClock(OUTBOX_RETENTION_MS + 24 * 60 * 60 * 1000);
  for (let runs = 0; runs < 3; runs++) {
    await runRelayAlarm();
    await settled();
  }
}

/** Rows written by one flow, from its first call to the end of its retention; the mean of `times`. */
async function writtenBy(flow: (time: number) => Promise<unknown>, times: number) {
  await flow(-1); // the row of the log that stays is one of this flow's
  await aged();
  const meter = meterRows();
  for (let time = 0; time < times; time++) await flow(time);
  await settled();
  const toDone = meter.taken();
  await aged();
  const retention = meter.taken();
  const byAlarm = (toDone.byAlarm + retention.byAlarm) / times;
  return { written: (toDone.written + retention.written) / times, to_done: toDone.written / times, by_alarm: byAlarm };
}

const FLOWS: Readonly<Record<keyof typeof ratchet, () => Promise<(time: number) => Promise<unknown>>>> = {
  UpdateInventory: async () => () => sent("warehouse-01", updateInventory("warehouse-01", "PUMP-001", 1, "Bin-W-01")),
  UpdatePart: async () => (time) =>
    sent("admin", { type: "UpdatePart", data: { sku: "PUMP-002", list_price: 10_000 + time } }),
  "request from stock, no approval": async () => async () => {
    const id = await uploadLines("truck-001", "truck-001", [["THER-001", 1]]);
    await requestIs(id, "completed");
  },
  "request with approval and purchase": async () => {
    const parts = await seedMixedParts("ROWS");
    await env.DB.prepare("UPDATE parts SET list_price = 20000 WHERE sku IN (?, ?)")
      .bind(parts.stocked, parts.bought)
      .run();
    return async () => {
      const lines = [
        [parts.stocked, 5],
        [parts.bought, 4],
      ] as const;
      const id = await uploadLines("truck-001", "truck-001", lines);
      await approveAll(id);
      await requestIs(id, "completed");
    };
  },
};

describe("rows written", () => {
  for (const [name, flow] of Object.entries(FLOWS)) {
    it(`by ${name} are no more than they were`, async ({ expect }) => {
      const { written, to_done, by_alarm } = await writtenBy(await flow(), 5);
      figure(`rows written by ${name}`, {
        written,
        to_done,
        retention: written - to_done,
        by_alarm,
        ratchet: ratchet[name as keyof typeof ratchet],
      });
      expect(written).toBeGreaterThan(0);
      expect(written).toBeLessThanOrEqual(ratchet[name as keyof typeof ratchet]);
    });
  }

  it("by an update of the inventory are at most 16", ({ expect }) => {
    expect(ratchet.UpdateInventory).toBeLessThanOrEqual(16);
  });

  it("by a poll of an empty outbox are none, and it reads next to nothing", async ({ expect }) => {
    await aged();
    const meter = meterRows();
    for (let polls = 0; polls < 5; polls++) await runRelayAlarm();
    const { read, written, byAlarm } = meter.taken();
    figure("an empty poll", { rows_read: read / 5, rows_written: written / 5 });
    expect([written, byAlarm]).toEqual([0, 0]);
    expect(read / 5).toBeLessThan(30);
  });
});

/** Fills the tables that grow for ever with `rows` finished rows each, as months of work would. */
async function fill(rows: number): Promise<void> {
  const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})`;
  const id = (prefix: string) => `printf('${prefix}_%032d', i)`;
  const now = new Date(testClock.now()).toISOString();
  for (const sql of [
    `${numbers} INSERT INTO outbox(event_id, bucket, type, subject, region, event, created_at, want, done)
       SELECT ${id("evt_fill")}, i % 64, 'InventoryUpdated', 'stock/FILL@warehouse-01', 'north', '{}', '${now}', 17, 17 FROM n`,
    `${numbers} INSERT INTO commands(id, bucket, type, data, sender, region, state, traceparent, created_at, finished_at)
       SELECT ${id("cmd_fill")}, i % 64, 'UpdateInventory', '{}', 'device:warehouse-01', 'north', 'applied', '', '${now}', '${now}' FROM n`,
    `${numbers} INSERT INTO audit(at, actor, actor_kind, action, subject, trace)
       SELECT '${now}', 'fill', 'system', 'filled', 'stock/FILL-' || i, '' FROM n`,
    `${numbers} INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at)
       SELECT ${id("mov_fill")}, 'PUMP-003', 'warehouse-02', 'Bin-F', CASE i % 2 WHEN 0 THEN 1 ELSE -1 END, 'adjustment', 'test', '${now}' FROM n`,
    `${numbers} INSERT INTO inbox(scope, id, body_hash, at) SELECT 'saga', ${id("fill")}, '', '${now}' FROM n`,
    `${numbers} INSERT INTO notifications(id, recipient, event_id, title, created_at)
       SELECT ${id("ntf_fill")}, 'truck-003', ${id("evt_fill")}, 'filled', '${now}' FROM n`,
  ]) {
    await env.DB.prepare(sql).run();
  }
}

/** Rows read and written by ten updates of the inventory, accept to done, with an empty poll behind each. */
async function tenUpdates() {
  const meter = meterRows();
  for (let time = 0; time < 10; time++) {
    await sent("warehouse-01", updateInventory("warehouse-01", "PUMP-001", 1, "Bin-W-01"));
    await settled();
    await runRelayAlarm();
  }
  const rows = meter.taken();
  wrapBindings({});
  return { read: rows.read / 10, written: rows.written / 10 };
}

it(
  `stay flat while the tables grow from 1,000 to ${FULL ? "1,000,000" : "20,000"} rows`,
  { timeout: 600_000 },
  async ({ expect }) => {
    await settled();
    await fill(1_000);
    await runRelayAlarm();
    const small = await tenUpdates();
    await env.DB.batch([
      env.DB.prepare("DELETE FROM outbox WHERE event_id LIKE 'evt_fill%'"),
      env.DB.prepare("DELETE FROM commands WHERE id LIKE 'cmd_fill%'"),
      env.DB.prepare("DELETE FROM stock_movements WHERE id LIKE 'mov_fill%'"),
      env.DB.prepare("DELETE FROM inbox WHERE id LIKE 'fill%'"),
      env.DB.prepare("DELETE FROM notifications WHERE id LIKE 'ntf_fill%'"),
    ]);
    const rows = FULL ? 1_000_000 : 20_000;
    await fill(rows);
    await runRelayAlarm();
    const large = await tenUpdates();
    figure(`an update of the inventory with ${rows} rows in each table`, {
      read: large.read,
      read_at_1000: small.read,
      written: large.written,
      written_at_1000: small.written,
    });
    expect(large.written).toBeLessThanOrEqual(small.written + 0.5);
    expect(large.read).toBeLessThanOrEqual(small.read * 1.1 + 2);
  },
);
