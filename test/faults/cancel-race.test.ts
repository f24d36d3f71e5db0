/**
 * Orders that are called off at any moment, from before they begin until after they have ended: each has one end, and
 * everybody knows the same one. The moment is a call to the database that names the order, drawn by the seed.
 */
import { afterEach, beforeAll, it } from "vitest";
import { randomFrom } from "../../scripts/demo/random.ts";
import { sha256Hex } from "../../src/container.ts";
import { aroundDatabase } from "../support/bindings.ts";
import { faultyD1, type Fault } from "../support/faulty-d1.ts";
import { as, env, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { driveMany, type Planned } from "../support/many-sagas.ts";
import { proved, seed, sizeOf } from "../support/proof.ts";
import { giveSelfLimit, MANAGER, sagaOf, seedPart, settled } from "../support/saga-world.ts";
import { standInSupplier } from "../support/stand-in-supplier.ts";
import { wrapBindings } from "../support/world.ts";

const ORDERS = sizeOf(24, 1_000);
const AT_ONCE = 30;
const PIECES = 2;
/** Calls to the database that name an order on its way, about; beyond them lies its end. */
const CALLS = 26;
const SUPPLIERS = ["sup-race-a", "sup-race-b"].map(standInSupplier);

interface Race {
  readonly orderId: string;
  readonly number: string;
  /** How many suppliers it buys of. */
  readonly buys: number;
  readonly fault: Fault | null;
}

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000_000);
  const shelf = { location: "warehouse-03", bin: "Bin-R-1", quantity: ORDERS * PIECES };
  await seedPart("RACE-S", { price: 100, shelves: [shelf] });
  for (const { supplier } of SUPPLIERS) await seedPart(boughtOf(supplier), { price: 100, offeredBy: [supplier] });
});
afterEach(() => wrapBindings({}));

const boughtOf = (supplier: string) => `RACE-${supplier}`;
const random = randomFrom(seed);

async function raceOf(index: number): Promise<Race> {
  const number = `RACE-${index}`;
  const orderId = `ord_${(await sha256Hex(`${MANAGER}:${number}`)).slice(0, 32)}`;
  // A step that fails once makes the saga sleep there, so that the cancel meets what was done, or what may have been.
  const step = random.pick(["reserve:0", "move:0", "complete:0", SUPPLIERS[0]?.supplier ?? "", "none", "none", "none"]);
  const fault: Fault = { marker: `${orderId}:${step}`, kind: random.pick(["before", "after"] as const), times: 1 };
  return { orderId, number, buys: random.int(0, 2), fault: step === "none" ? null : fault };
}

async function place({ orderId, number, buys }: Race): Promise<string> {
  const bought = SUPPLIERS.slice(0, buys).map(({ supplier }) => ({ sku: boughtOf(supplier), quantity: 1 }));
  const placed = await as(MANAGER, "POST", "/api/orders", {
    order_number: number,
    device_id: "truck-001",
    lines: [{ sku: "RACE-S", quantity: PIECES }, ...bought],
  });
  if (placed.body.order_id !== orderId) throw new Error(`not the order foreseen: ${JSON.stringify(placed.body)}`);
  return orderId;
}

/** Counts the calls that name each order. That of its moment waits until the cancel is sent, and then both are under way. */
function moments(races: readonly Race[]) {
  const left = new Map(races.map(({ orderId }) => [orderId, random.int(0, CALLS)]));
  const come = new Set<string>();
  return {
    come,
    pass: async (parameters: readonly unknown[]): Promise<void> => {
      const text = parameters.find((one) => typeof one === "string" && /^ord_[0-9a-f]{32}/.test(one));
      const orderId = String(text).slice(0, 36);
      const calls = left.get(orderId);
      if (calls === undefined || calls < 0) return;
      left.set(orderId, calls - 1);
      if (calls > 0) return;
      come.add(orderId);
      while (come.has(orderId)) await scheduler.wait(2);
      left.delete(orderId);
    },
    /** Whose moment never came: they are called off now, after their end. */
    after: () => {
      const rest = [...left.keys()];
      left.clear();
      return rest;
    },
  };
}

/** By the route. True: accepted. 404: the order isn't there yet. */
async function callOffAs(person: string, orderId: string): Promise<readonly [orderId: string, accepted: boolean]> {
  const answer = await as(person, "POST", `/api/orders/${orderId}/cancel`, { reason: "no longer wanted" });
  if (![202, 404, 409].includes(answer.status)) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
  return [orderId, answer.status === 202];
}

it(
  "scenario 24: a cancel at any moment leaves one end, the same for order, saga, events, stock and supplier",
  async ({ expect }) => {
    const races = await Promise.all(Array.from({ length: ORDERS }, (_, index) => raceOf(index)));
    const { come, pass, after } = moments(races);
    const faults = faultyD1(...races.flatMap(({ fault }) => (fault ? [fault] : [])));
    wrapBindings({
      DB: (real) => aroundDatabase(faults.wrap(real), (call, _, parameters) => pass(parameters).then(call)),
    });
    const cancels: Promise<readonly [orderId: string, accepted: boolean]>[] = [];
    const cancel = (orderId: string) => cancels.push(callOffAs("ops", orderId));
    const callOff: Planned = {
      nextAt: () => (come.size > 0 ? 0 : null),
      happen: async () => {
        for (const orderId of come) {
          cancel(orderId);
          come.delete(orderId);
        }
      },
    };
    const began = performance.now();
    const states = await driveMany(
      races.map((race) => () => place(race)),
      { atOnce: AT_ONCE, planned: [callOff], deadlineMs: sizeOf(25_000, 400_000) },
    );
    const whileRunning = cancels.length;
    for (const orderId of after()) cancel(orderId);
    const accepted = new Map(await Promise.all(cancels));
    const seconds = (performance.now() - began) / 1000;
    wrapBindings({});
    await settled();

    const { results: rows } = await env.DB.prepare(
      `SELECT o.id, o.status,
       (SELECT group_concat(event ->> '$.data.status') FROM outbox WHERE type = 'OrderEnded' AND subject = 'order/' || o.id) AS ended,
       (SELECT group_concat(event ->> '$.data.to') FROM outbox WHERE type = 'StatusChanged' AND subject = 'order/' || o.id
          AND event ->> '$.data.to' <> 'Cancelling') AS changed,
       (SELECT COALESCE(-SUM(quantity), 0) FROM stock_movements WHERE source = 'order/' || o.id) AS moved
     FROM orders o WHERE o.id IN (SELECT value FROM json_each(?))`,
    )
      .bind(JSON.stringify(races.map(({ orderId }) => orderId)))
      .all<{ id: string; status: string; ended: string; changed: string; moved: number }>();
    const byId = new Map(rows.map((row) => [row.id, row]));
    const ends: Record<string, number> = { Completed: 0, Cancelled: 0 };
    for (const { orderId, buys } of races) {
      const row = byId.get(orderId);
      const status = row?.status ?? "missing";
      ends[status] = (ends[status] ?? 0) + 1;
      const saga = await sagaOf(orderId).inspect();
      const live = await Promise.all(
        SUPPLIERS.map(async ({ supplier, ordersUnder }) => {
          const placed = await ordersUnder(`${orderId}:${supplier}`);
          return placed.filter((one) => one.status === "accepted").length;
        }),
      );
      const isDone = status === "Completed";
      expect({
        orderId,
        ended: row?.ended,
        changed: row?.changed,
        moved: row?.moved,
        saga: saga?.state.status,
        live,
        accepted: accepted.get(orderId),
      }).toEqual({
        orderId,
        ended: status,
        changed: status,
        moved: isDone ? PIECES : 0,
        saga: status,
        live: SUPPLIERS.map((_, at) => (isDone && at < buys ? 1 : 0)),
        accepted: !isDone, // whoever calls an order off is told the truth
      });
      expect(states.get(orderId)?.status).toBe(status);
    }
    expect(Object.keys(ends).sort()).toEqual(["Cancelled", "Completed"]);
    expect(Math.min(...Object.values(ends))).toBeGreaterThan(0);
    const level = await env.DB.prepare(
      "SELECT on_hand, reserved FROM stock_levels WHERE sku = 'RACE-S' AND location = 'warehouse-03'",
    ).first();
    expect(level).toEqual({ on_hand: PIECES * (ends["Cancelled"] ?? 0), reserved: 0 });
    expect(await violations(env.DB)).toEqual([]);
    proved("cancels racing completion", {
      orders: ORDERS,
      ...ends,
      "called off while they ran": whileRunning,
      seconds,
    });
  },
  sizeOf(60_000, 600_000),
);
