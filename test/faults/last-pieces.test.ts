import { afterEach, beforeAll, it } from "vitest";
import { createContainer } from "../../src/container.ts";
import { findOrder } from "../../src/db/queries/orders.ts";
import { runStep } from "../../src/services/order-steps.ts";
import { stepDeps } from "../../src/wiring/saga.ts";
import { aroundQueue } from "../support/bindings.ts";
import { as, env, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { proved, sizeOf } from "../support/proof.ts";
import { deliverMessages } from "../support/relay.ts";
import { giveSelfLimit, MANAGER, orderView, seedPart, settled } from "../support/saga-world.ts";
import { accepted, levelOf, updateInventory } from "../support/stock.ts";
import { wrapBindings } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});
afterEach(() => wrapBindings({}));

const CALLERS = sizeOf(200, 1_000);
const PIECES = CALLERS / 10;
const SHELF = { "Bin-1": PIECES * 0.4, "Bin-2": PIECES * 0.35, "Bin-3": PIECES * 0.25 };

const shelves = (bins: Readonly<Record<string, number>>) =>
  Object.entries(bins).map(([bin, quantity]) => ({ location: "warehouse-03", bin, quantity }));

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

/** The pieces of an array, `size` long each. */
function cut<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size));
}

it("commands at once for a tenth as many pieces in three bins: each piece goes once, the others end with INSUFFICIENT_STOCK", async ({
  expect,
}) => {
  await seedPart("LAST-C", { shelves: shelves(SHELF), price: 100 });
  const held: { command_id: string }[] = [];
  wrapBindings({
    COMMANDS_QUEUE: (real) =>
      aroundQueue(real, async (_, bodies) => void held.push(...(bodies as { command_id: string }[]))),
  });
  const bins = Object.keys(SHELF);
  const took = await seconds(async () => {
    const numbers = Array.from({ length: CALLERS }, (_, caller) => caller);
    for (const some of cut(numbers, 100)) {
      await Promise.all(
        some.map((caller) =>
          accepted("warehouse-03", updateInventory("warehouse-03", "LAST-C", -1, bins[caller % 3] ?? "")),
        ),
      );
    }
    await until("all are on the queue", async () => held.length >= CALLERS);
    await Promise.all(cut(held, 25).map((batch) => deliverMessages("commands", batch)));
  });

  const { results } = await env.DB.prepare(
    `SELECT state, result ->> '$.code' AS code, COUNT(*) AS n FROM commands
     WHERE type = 'UpdateInventory' AND data ->> '$.sku' = 'LAST-C' GROUP BY 1, 2 ORDER BY 1`,
  ).all();
  expect(results).toEqual([
    { state: "applied", code: null, n: PIECES },
    { state: "rejected", code: "INSUFFICIENT_STOCK", n: CALLERS - PIECES },
  ]);
  expect(await levelOf("LAST-C", "warehouse-03")).toMatchObject({
    on_hand: 0,
    reserved: 0,
    version: 1 + PIECES,
    bins: { "Bin-1": 0, "Bin-2": 0, "Bin-3": 0 },
  });
  expect(await violations(env.DB, { allowUnfinished: true })).toEqual([]);
  proved("commands for the last pieces in three bins", {
    callers: CALLERS,
    won: PIECES,
    refused: CALLERS - PIECES,
    seconds: took,
  });
}, 60_000);

/** Orders of one piece each, accepted and not begun: nothing but their reservation is asked for here. */
async function seedOrders(sku: string): Promise<string[]> {
  const ids = Array.from({ length: CALLERS }, (_, caller) => `ord_last_${String(caller).padStart(4, "0")}`);
  const at = new Date().toISOString();
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const list = JSON.stringify(ids);
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO orders(id, requester, device_id, region, destination, status, step, total, currency, next_wake_at, created_at, updated_at)
       SELECT value, 'manager-north', 'truck-001', 'north', 'truck-001', 'Pending', 'create', 100, 'USD', ?, ?, ? FROM json_each(?)`,
    ).bind(later, at, at, list),
    env.DB.prepare(
      `INSERT INTO order_lines(order_id, line, sku, quantity, source, location, order_quantity, unit_price, available_on, reason)
       SELECT value, 1, ?, 1, 'transfer', 'warehouse-03', 1, 100, '2026-12-01', 'test' FROM json_each(?)`,
    ).bind(sku, list),
    env.DB.prepare(
      `INSERT INTO audit(at, actor, actor_kind, action, subject, trace)
       SELECT ?, 'manager-north', 'person', 'order.placed', 'order/' || value, 'test' FROM json_each(?)`,
    ).bind(at, list),
  ]);
  return ids;
}

it("orders at once for a tenth as many pieces in three bins: each piece is reserved once, the others are refused", async ({
  expect,
}) => {
  await seedPart("LAST-R", { shelves: shelves(SHELF), price: 100 });
  const ids = await seedOrders("LAST-R");
  const outcomes: Record<string, number> = {};
  const reserve = async (id: string): Promise<void> => {
    const background: Promise<unknown>[] = [];
    const container = createContainer(env, { waitUntil: (work) => void background.push(work) });
    const found = await findOrder(container.db, id);
    if (!found) throw new Error(`no order ${id}`);
    const context = {
      ...found,
      fence: 0,
      step: "reserve",
      key: `${id}:reserve:0`,
      trace: container.newTrace(),
    } as const;
    const outcome = await runStep(stepDeps(container), context);
    const name = outcome.kind === "failed" ? outcome.code : outcome.kind;
    outcomes[name] = (outcomes[name] ?? 0) + 1;
    await Promise.all(background);
  };
  const took = await seconds(() => Promise.all(ids.map(reserve)));

  expect(outcomes).toEqual({ done: PIECES, INSUFFICIENT_STOCK: CALLERS - PIECES });
  expect(await levelOf("LAST-R", "warehouse-03")).toMatchObject({
    on_hand: PIECES,
    reserved: PIECES,
    version: 1 + PIECES,
    bins: SHELF,
  });
  const held = await env.DB.prepare(
    "SELECT COUNT(*) AS n FROM reservations WHERE sku = 'LAST-R' AND state = 'open'",
  ).first<number>("n");
  expect(held).toBe(PIECES);
  expect(await violations(env.DB, { allowUnfinished: true })).toEqual([]);
  proved("orders for the last pieces in three bins", {
    callers: CALLERS,
    won: PIECES,
    refused: CALLERS - PIECES,
    seconds: took,
  });
}, 60_000);

it("scenario 26: of 50 orders at once for the last three pieces three are completed, 47 have INSUFFICIENT_STOCK, other parts go on", async ({
  expect,
}) => {
  await seedPart("LAST-3", { shelves: shelves({ "Bin-1": 1, "Bin-2": 1, "Bin-3": 1 }), price: 100 });
  await seedPart("PLENTY", { shelves: shelves({ "Bin-1": 100 }), price: 100 });
  // All are accepted before the first of them begins.
  const held: unknown[] = [];
  wrapBindings({ EVENTS_QUEUE: (real) => aroundQueue(real, async (_, bodies) => void held.push(...bodies)) });
  const order = async (number: string, sku: string): Promise<string> => {
    const body = { order_number: number, device_id: "truck-001", lines: [{ sku, quantity: 1 }] };
    const placed = await as(MANAGER, "POST", "/api/orders", body);
    if (placed.status !== 202) throw new Error(JSON.stringify(placed.body));
    return placed.body.order_id;
  };
  const scarce = await Promise.all(Array.from({ length: 50 }, (_, n) => order(`LAST-${n}`, "LAST-3")));
  const plenty = await Promise.all(Array.from({ length: 10 }, (_, n) => order(`PLENTY-${n}`, "PLENTY")));
  await until("all are on the queue", async () => held.length >= 60);
  wrapBindings({});
  await Promise.all(held.map((body) => deliverMessages("events", [body])));
  const ends = async (ids: readonly string[]) => {
    await until("all have ended", async () => {
      const open =
        "SELECT COUNT(*) AS n FROM orders WHERE status IN ('Pending', 'Cancelling') AND id IN (SELECT value FROM json_each(?))";
      return (await env.DB.prepare(open).bind(JSON.stringify(ids)).first<number>("n")) === 0;
    });
    const orders = await Promise.all(ids.map(orderView));
    return Map.groupBy(orders, (one) => (one.error === null ? one.status : `${one.status}: ${one.error.code}`));
  };
  const ended = await ends(scarce);
  expect(Object.fromEntries([...ended].map(([end, orders]) => [end, orders.length]))).toEqual({
    Completed: 3,
    "Cancelled: INSUFFICIENT_STOCK": 47,
  });
  expect([...(await ends(plenty)).keys()]).toEqual(["Completed"]);
  expect(await levelOf("LAST-3", "warehouse-03")).toMatchObject({ on_hand: 0, reserved: 0 });
  expect(await levelOf("PLENTY", "warehouse-03")).toMatchObject({ on_hand: 90, reserved: 0 });
  await settled();
  expect(await violations(env.DB, { allowUnfinished: true })).toEqual([]);
  proved("50 orders for the last three pieces", { completed: 3, refused: 47 });
}, 60_000);
