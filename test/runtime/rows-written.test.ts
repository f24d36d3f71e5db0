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
import { meterRows, type Rows } from "../support/row-meter.ts";
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
    `${numbers} INSERT INTO requests(id, request_number, device_id, requester, region, destination, status, created_at, updated_at)
       SELECT ${id("req_fill")}, 'fill-' || i, 'truck-003', 'truck-003', 'north', 'truck-003', 'completed', '${now}', '${now}' FROM n`,
    `${numbers} INSERT INTO request_lines(request_id, line, sku, quantity) SELECT ${id("req_fill")}, 1, 'PUMP-003', 1 FROM n`,
    `${numbers} INSERT INTO uploads(id, object_key, request_id, device_id, content_type, bytes, created_at)
       SELECT ${id("upl_fill")}, 'uploads/fill-' || i, ${id("req_fill")}, 'truck-003', 'text/csv', 1, '${now}' FROM n`,
    `${numbers} INSERT INTO agent_runs(id, request_id, started_at) SELECT ${id("run_fill")}, ${id("req_fill")}, '${now}' FROM n`,
    `${numbers} INSERT INTO agent_steps(run_id, step, agent, engine, input_hash, advice, rule_hits, final, at)
       SELECT ${id("run_fill")}, 1, 'fill', 'rules', '', '{}', '[]', '{}', '${now}' FROM n`,
    `${numbers} INSERT INTO orders(id, request_id, requester, device_id, region, destination, status, step, total, currency, created_at, updated_at)
       SELECT ${id("ord_fill")}, ${id("req_fill")}, 'truck-003', 'truck-003', 'north', 'truck-003', 'Completed', 'ended', 0, 'USD', '${now}', '${now}' FROM n`,
    `${numbers} INSERT INTO order_lines(order_id, line, sku, quantity, source, location, order_quantity, unit_price, available_on, reason)
       SELECT ${id("ord_fill")}, 1, 'PUMP-003', 1, 'stock', 'warehouse-02', 1, 1, '${now}', '' FROM n`,
    `${numbers} INSERT INTO reservations(order_id, sku, location, quantity, state, expires_at)
       SELECT ${id("ord_fill")}, 'PUMP-003', 'warehouse-02', 1, 'used', '${now}' FROM n`,
    `${numbers} INSERT INTO responses(id, request_id, outcome, body, created_at) SELECT ${id("res_fill")}, ${id("req_fill")}, 'completed', '{}', '${now}' FROM n`,
    `${numbers} INSERT INTO cloud_uploads(response_id, store, path, state, due_at, updated_at)
       SELECT ${id("res_fill")}, 'archive', 'fill', 'stored', '${now}', '${now}' FROM n`,
    `${numbers} INSERT INTO inbox(scope, id, body_hash, at) SELECT 'saga', ${id("fill")}, '', '${now}' FROM n`,
    `${numbers} INSERT INTO notifications(id, recipient, event_id, title, created_at)
       SELECT ${id("ntf_fill")}, 'truck-003', ${id("evt_fill")}, 'filled', '${now}' FROM n`,
  ]) {
    await env.DB.prepare(sql).run();
  }
}

/** Rows read and written by one flow, the mean of `times`, with an empty poll behind each. */
async function rowsOf(times: number, flow: () => Promise<unknown>): Promise<Rows> {
  const meter = meterRows();
  for (let time = 0; time < times; time++) {
    await flow();
    await settled();
    await runRelayAlarm();
  }
  const rows = meter.taken();
  wrapBindings({});
  return { read: rows.read / times, written: rows.written / times };
}

async function rowsOfFlows(): Promise<Readonly<Record<string, Rows>>> {
  return {
    "an update of the inventory": await rowsOf(10, () =>
      sent("warehouse-01", updateInventory("warehouse-01", "PUMP-001", 1, "Bin-W-01")),
    ),
    "a request from stock": await rowsOf(5, async () => {
      await requestIs(await uploadLines("truck-001", "truck-001", [["THER-001", 1]]), "completed");
    }),
  };
}

it(
  `stay flat while the tables grow from 1,000 to ${FULL ? "1,000,000" : "20,000"} rows`,
  { timeout: 600_000 },
  async ({ expect }) => {
    await settled();
    await fill(1_000);
    await runRelayAlarm();
    const small = await rowsOfFlows();
    await env.DB.batch([
      env.DB.prepare("DELETE FROM outbox WHERE event_id LIKE 'evt_fill%'"),
      env.DB.prepare("DELETE FROM commands WHERE id LIKE 'cmd_fill%'"),
      ...[
        "order_lines WHERE order_id",
        "reservations WHERE order_id",
        "orders WHERE id",
        "agent_steps WHERE run_id",
        "agent_runs WHERE id",
      ].map((what) => env.DB.prepare(`DELETE FROM ${what} LIKE '%fill%'`)),
      ...[
        "request_lines WHERE request_id",
        "uploads WHERE id",
        "requests WHERE id",
        "responses WHERE id",
        "cloud_uploads WHERE response_id",
      ].map((what) => env.DB.prepare(`DELETE FROM ${what} LIKE '%fill%'`)),
      env.DB.prepare("DELETE FROM stock_movements WHERE id LIKE 'mov_fill%'"),
      env.DB.prepare("DELETE FROM inbox WHERE id LIKE 'fill%'"),
      env.DB.prepare("DELETE FROM notifications WHERE id LIKE 'ntf_fill%'"),
    ]);
    const rows = FULL ? 1_000_000 : 20_000;
    await fill(rows);
    await runRelayAlarm();
    const large = await rowsOfFlows();
    for (const [name, { read, written }] of Object.entries(small)) {
      const grown = large[name];
      figure(`${name} with ${rows} rows in each table`, {
        read: grown?.read ?? 0,
        read_at_1000: read,
        written: grown?.written ?? 0,
        written_at_1000: written,
      });
      expect(grown?.written).toBeLessThanOrEqual(written + 0.5);
      expect(grown?.read).toBeLessThanOrEqual(read * 1.1 + 2);
    }
  },
);
