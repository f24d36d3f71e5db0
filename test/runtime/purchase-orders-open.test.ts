/** What stays open of a purchase order: back-orders with their dates, what is given up, and what is measured on the way. */
import { afterEach, beforeAll, describe, it } from "vitest";
import { command, expectRefused } from "../support/commands.ts";
import { as, env, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { expectProblem } from "../support/problem.ts";
import { drive, giveSelfLimit, MANAGER, mixedOrder, seedMixedParts, settled } from "../support/saga-world.ts";
import { levelOf, sent } from "../support/stock.ts";
import { moveClock, testClock } from "../support/world.ts";

const DAY_MS = 86_400_000;

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});

afterEach(async ({ expect }) => {
  await settled();
  expect(await violations(env.DB)).toEqual([]);
  expect((await as("ops", "GET", "/api/ops/recount")).body.data).toEqual([]);
});

let names = 0;
const day = (after: number) => new Date(testClock.now() + after * DAY_MS).toISOString().slice(0, 10);

/** 4 of a part of its own are awaited at truck-001, its lead time stated as 2 days. */
async function awaited() {
  const order = await mixedOrder(await seedMixedParts(`OPEN${++names}`));
  await order.place();
  await drive(order.orderId);
  const { body } = await as("ops", "GET", `/api/orders/${order.orderId}`);
  return { order, sku: order.parts.bought, id: body.purchase_orders[0].id as string };
}

/** The purchase order of another 4 of the part for truck-001. */
async function againOf(sku: string): Promise<string> {
  const body = { order_number: `AGAIN-${sku}-${++names}`, device_id: "truck-001", lines: [{ sku, quantity: 4 }] };
  const { order_id: orderId } = (await as(MANAGER, "POST", "/api/orders", body)).body;
  await drive(orderId);
  return (await as("ops", "GET", `/api/orders/${orderId}`)).body.purchase_orders[0].id;
}

const receive = (id: string, lines: readonly object[], more: object = {}) =>
  command("ReceivePurchaseOrder", { device_id: "truck-001", purchase_order_id: id, bin: "Bin-T", lines, ...more });
const close = (id: string, who = "ops", reason = "the supplier can't deliver") =>
  as(who, "POST", `/api/purchase-orders/${id}/close`, { reason });
const viewOf = async (id: string) => (await as("ops", "GET", `/api/purchase-orders/${id}`)).body;

async function incoming(sku: string): Promise<number> {
  return (await as("ops", "GET", `/api/stock?sku=${sku}&location=truck-001`)).body.data[0].incoming;
}

describe("a back-order", () => {
  it("shows what is open and when it is promised now, and keeps the date that was due first", async ({ expect }) => {
    const { sku, id } = await awaited();
    expect((await viewOf(id)).lines).toMatchObject([
      { due_at: day(2), first_due_at: null, open: 4, overdue: false, back_order: null },
    ]);
    await sent("truck-001", receive(id, [{ line: 1, received: 1, due_at: day(3) }]));
    expect((await viewOf(id)).lines).toMatchObject([
      { received: 1, open: 3, due_at: day(3), first_due_at: day(2), back_order: { open: 3, due_at: day(3) } },
    ]);
    await sent("truck-001", receive(id, [{ line: 1, received: 1, rejected: 1, due_at: day(4) }], { reason: "bent" }));
    expect((await viewOf(id)).lines).toMatchObject([
      { open: 1, due_at: day(4), first_due_at: day(2), back_order: { open: 1, due_at: day(4) } },
    ]);
    expect(await incoming(sku)).toBe(1);
    moveClock(5 * DAY_MS);
    expect((await viewOf(id)).lines).toMatchObject([{ overdue: true }]);
    await sent("truck-001", receive(id, [{ line: 1, received: 1, due_at: day(20) }]));
    expect((await viewOf(id)).lines).toMatchObject([{ open: 0, due_at: day(-1), overdue: false, back_order: null }]);
  });

  it("isn't promised for a day that is over", async ({ expect }) => {
    const { id } = await awaited();
    const past = receive(id, [{ line: 1, received: 1, due_at: day(-1) }]);
    await expectRefused(expect, "truck-001", past, [422, "VALIDATION", "/data/lines/0/due_at"]);
  });
});

it("each line is kept once with the supplier's offer as days from placed to its last piece, the latest twenty", async ({
  expect,
}) => {
  const { order, sku, id } = await awaited();
  const { supplier } = order.parts.supplier;
  const arrivals = async () => {
    const query = env.DB.prepare("SELECT arrivals FROM supplier_parts WHERE supplier = ? AND sku = ?");
    return JSON.parse((await query.bind(supplier, sku).first<string>("arrivals")) ?? "null") as number[];
  };
  moveClock(1 * DAY_MS);
  await sent("truck-001", receive(id, [{ line: 1, received: 1 }]));
  moveClock(2 * DAY_MS);
  await sent("truck-001", receive(id, [{ line: 1, received: 0, rejected: 1 }], { reason: "broken" }));
  await sent("truck-001", receive(id, [{ line: 1, received: 1 }]));
  expect(await arrivals()).toEqual([]);
  await sent("truck-001", receive(id, [{ line: 1, received: 1 }]));
  expect(await arrivals()).toEqual([3]);
  const bad = await againOf(sku);
  await sent("truck-001", receive(bad, [{ line: 1, received: 0, rejected: 4 }], { reason: "broken" }));
  expect(await arrivals()).toEqual([3]);
  const next = await againOf(sku);
  const full = JSON.stringify(Array.from({ length: 20 }, (_, at) => at));
  await env.DB.prepare("UPDATE supplier_parts SET arrivals = ? WHERE sku = ?").bind(full, sku).run();
  await sent("truck-001", receive(next, [{ line: 1, received: 4 }]));
  expect(await arrivals()).toEqual([...Array.from({ length: 19 }, (_, at) => at + 1), 0]);
});

describe("closing short", () => {
  it("gives up the rest: no longer incoming, low stock told again, completed with who and why, once", async ({
    expect,
  }) => {
    const { sku, id, order } = await awaited();
    const minimum = { device_id: "truck-001", sku, minimum: 3 };
    expect((await sent("truck-001", command("SetMinimum", minimum))).result).toMatchObject({ low: false });
    await sent("truck-001", receive(id, [{ line: 1, received: 1 }]));
    const key = { "idempotency-key": `close-${id}` };
    const closed = await as(MANAGER, "POST", `/api/purchase-orders/${id}/close`, { reason: "discontinued" }, key);
    expect([closed.status, closed.body]).toEqual([
      200,
      { purchase_order_id: id, status: "completed", lines: [{ line: 1, sku, closed: 3 }] },
    ]);
    const again = await as(MANAGER, "POST", `/api/purchase-orders/${id}/close`, { reason: "discontinued" }, key);
    expect([again.body, again.headers.get("idempotent-replayed")]).toEqual([closed.body, "true"]);

    expect([await incoming(sku), (await levelOf(sku, "truck-001")).on_hand]).toEqual([0, 1]);
    const view = await viewOf(id);
    expect(view).toMatchObject({
      status: "completed",
      closed_short: { by: MANAGER, reason: "discontinued" },
      lines: [{ quantity: 4, received: 1, closed: 3, open: 0, overdue: false, back_order: null }],
    });
    await settled();
    const told = await env.DB.prepare(
      `SELECT type, event ->> '$.data.incoming' AS incoming, event ->> '$.data.lines' AS lines, sequence FROM outbox
       WHERE (type = 'StockBelowMinimum' AND subject = ?) OR (type = 'PurchaseOrderClosed' AND subject = ?) ORDER BY type`,
    )
      .bind(`stock/${sku}@truck-001`, `purchase-order/${id}`)
      .all();
    expect(told.results).toEqual([
      {
        type: "PurchaseOrderClosed",
        incoming: null,
        lines: JSON.stringify([{ line: 1, sku, closed: 3 }]),
        sequence: 4,
      },
      { type: "StockBelowMinimum", incoming: 0, lines: null, sequence: expect.any(Number) },
    ]);
    const trail = (await as("ops", "GET", `/api/audit?subject=purchase-order/${id}`)).body.data;
    expect(trail.filter(({ action }: { action: string }) => action === "purchase order.closed short")).toEqual([
      expect.objectContaining({ actor: MANAGER, reason: "discontinued" }),
    ]);
    expect((await as("ops", "GET", `/api/orders/${order.orderId}`)).body.status).toBe("Completed");
  });

  it("can't be taken back: closing again is a conflict, and what comes later is refused with who closed it", async ({
    expect,
  }) => {
    const { id } = await awaited();
    expect((await close(id)).status).toBe(200);
    const why = `${id} was closed short on ${day(0)} by ops (the supplier can't deliver) and can't be opened again: what comes now is a new purchase`;
    const second = await close(id, MANAGER, "me too");
    expectProblem(expect, second, 409, "CONFLICT");
    expect(second.body).toMatchObject({ detail: why, closed_short: { by: "ops" } });
    const late = await sent("truck-001", receive(id, [{ line: 1, received: 1 }]));
    expect(late).toMatchObject({ state: "rejected", reason: why });
  });

  it("by six at once is once", async ({ expect }) => {
    const { sku, id } = await awaited();
    const all = await Promise.all(Array.from({ length: 6 }, () => close(id)));
    expect(all.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409, 409, 409, 409]);
    expect(await incoming(sku)).toBe(0);
  });

  it("racing a receipt leaves each piece received or given up, never both", async ({ expect }) => {
    for (let round = 0; round < 3; round++) {
      const { sku, id } = await awaited();
      const [, received] = await Promise.all([close(id), sent("truck-001", receive(id, [{ line: 1, received: 2 }]))]);
      const [line] = (await viewOf(id)).lines;
      expect(line.received).toBe(received.state === "applied" ? 2 : 0);
      expect([line.closed, line.open, await incoming(sku)]).toEqual([4 - line.received, 0, 0]);
    }
  });

  it("is refused to whoever may not, of what isn't there, without a reason, and of what awaits nothing", async ({
    expect,
  }) => {
    const { id } = await awaited();
    for (const who of ["truck-001", "tech-north", "keeper-03", "integrator"])
      expectProblem(expect, await close(id, who), 403, "FORBIDDEN");
    await env.DB.prepare("UPDATE people SET region = 'south' WHERE id = ?").bind(MANAGER).run();
    moveClock(16 * 60_000); // the next token says where the manager is now
    expectProblem(expect, await close(id, MANAGER), 404, "NOT_FOUND");
    await env.DB.prepare("UPDATE people SET region = 'north' WHERE id = ?").bind(MANAGER).run();
    moveClock(16 * 60_000);
    expectProblem(expect, await close("po_none"), 404, "NOT_FOUND");
    for (const reason of ["", "   ", 7])
      expectProblem(expect, await close(id, "ops", reason as string), 422, "VALIDATION");
    await sent("truck-001", receive(id, [{ line: 1, received: 4 }]));
    const received = await close(id);
    expectProblem(expect, received, 409, "CONFLICT");
    expect(received.body.detail).toBe(`${id} was received: nothing of it is awaited`);
  });
});
