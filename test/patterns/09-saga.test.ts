import { runDurableObjectAlarm } from "cloudflare:test";
import { beforeAll, describe, it } from "vitest";
import { approveAll, as, env, requestIs, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import {
  breakerOf,
  drive,
  giveSelfLimit,
  journalOf,
  MANAGER,
  orderMixed,
  seedMixedParts,
  settled,
  undoneSteps,
  type MixedParts,
} from "../support/saga-world.ts";
import { openSocket } from "../support/socket.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});

const order = async (id: string) => (await as(MANAGER, "GET", `/api/orders/${id}`)).body;
const rows = async (sql: string, ...params: unknown[]) =>
  (
    await env.DB.prepare(sql)
      .bind(...params)
      .all()
  ).results;
const levelOf = async (sku: string, location: string) =>
  (
    await rows(
      "SELECT on_hand, reserved, incoming, in_transit FROM stock_levels WHERE sku = ? AND location = ?",
      sku,
      location,
    )
  )[0];
const UNTOUCHED = { on_hand: 30, reserved: 0, incoming: 0, in_transit: 0 };

/** A request of truck-001 for what orderMixed orders. */
async function requestMixed(number: string, parts: MixedParts): Promise<string> {
  const sent = await as("truck-001", "POST", "/api/requests", {
    request_number: number,
    device_id: "truck-001",
    lines: [
      { sku: parts.stocked, quantity: 25 },
      { sku: parts.bought, quantity: 4 },
    ],
  });
  if (sent.status !== 202) throw new Error(`no request: ${JSON.stringify(sent.body)}`);
  return sent.body.request_id;
}

describe("an order that goes well", () => {
  it("comes from an approved request and is Completed: stock moved, pieces in transit, bought ones incoming", async ({
    expect,
  }) => {
    const parts = await seedMixedParts("REQ");
    const requestId = await requestMixed("SAGA-1", parts);
    expect(await approveAll(requestId)).toEqual([MANAGER]);
    const request = await requestIs(requestId, "completed");
    const done = await order(request.order_id);

    expect(done).toMatchObject({ status: "Completed", step: "ended", error: null, request_id: requestId });
    expect(await levelOf(parts.stocked, "warehouse-03")).toEqual({ ...UNTOUCHED, on_hand: 5 });
    expect(await levelOf(parts.stocked, "truck-001")).toEqual({ on_hand: 0, reserved: 0, incoming: 0, in_transit: 25 });
    expect(await levelOf(parts.bought, "truck-001")).toEqual({ on_hand: 0, reserved: 0, incoming: 4, in_transit: 0 });
    expect(await rows("SELECT state, quantity FROM reservations WHERE order_id = ?", done.order_id)).toEqual([
      { state: "used", quantity: 25 },
    ]);
    expect(
      await rows("SELECT state, from_location, to_location FROM transfers WHERE order_id = ?", done.order_id),
    ).toEqual([{ state: "in_transit", from_location: "warehouse-03", to_location: "truck-001" }]);
    await settled();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("is placed by a manager within their own limit, and bought under the key {order}:{supplier}", async ({
    expect,
  }) => {
    const parts = await seedMixedParts("DIRECT");
    const orderId = await orderMixed(parts);
    await drive(orderId);
    const done = await order(orderId);
    const atSupplier = await parts.supplier.ordersUnder(`${orderId}:${parts.supplier.supplier}`);

    expect(done).toMatchObject({ status: "Completed", request_id: null });
    expect(atSupplier).toEqual([expect.objectContaining({ order_id: orderId, status: "accepted", total: 4_000 })]);
    expect(done.purchase_orders).toEqual([
      expect.objectContaining({
        supplier: parts.supplier.supplier,
        status: "placed",
        reference: atSupplier[0]?.reference,
      }),
    ]);
    const steps = (await journalOf(orderId)).filter(({ state }) => state === "done").map(({ step }) => step);
    expect(steps).toEqual(["create", "reserve", `purchase:${parts.supplier.supplier}`, "move", "complete"]);
  });

  it("isn't placed above the manager's own limit: 403 OVER_LIMIT says where to go instead", async ({ expect }) => {
    const refused = await as("manager-south", "POST", "/api/orders", {
      order_number: "OVER-1",
      device_id: "truck-004",
      lines: [{ sku: "PUMP-001", quantity: 1 }],
    });

    expect(refused).toMatchObject({
      status: 403,
      body: { code: "OVER_LIMIT", detail: expect.stringContaining("send a request instead") },
    });
    expect(await rows("SELECT id FROM orders WHERE requester = 'manager-south'")).toEqual([]);
  });

  it("is told to the device that asked: OrderPlaced, then StatusChanged to Completed", async ({ expect }) => {
    const parts = await seedMixedParts("TOLD");
    const truck = await openSocket("truck-001");
    await truck.frame("welcome");
    const orderId = await orderMixed(parts);
    await drive(orderId);

    const ended = await truck.event(
      "the order's end",
      ({ type, data }) => type === "StatusChanged" && data.id === orderId,
    );
    expect(ended.data).toMatchObject({ kind: "order", from: "Pending", to: "Completed", device_id: "truck-001" });
    truck.close();
  });
});

describe("a supplier that refuses", () => {
  it("leaves a compensated order: Cancelled with step, code and reason, the stock as before, undone in reverse", async ({
    expect,
  }) => {
    const parts = await seedMixedParts("REFUSE");
    await parts.supplier.switchOn({ refuse: true });
    const truck = await openSocket("truck-001");
    await truck.frame("welcome");
    const orderId = await orderMixed(parts);
    await drive(orderId);
    const ended = await order(orderId);

    expect(ended).toMatchObject({
      status: "Cancelled",
      error: {
        step: `purchase:${parts.supplier.supplier}`,
        code: "SUPPLIER_REFUSED",
        reason: expect.stringContaining("We don't deliver to this account"),
      },
      purchase_orders: [],
    });
    expect(await levelOf(parts.stocked, "warehouse-03")).toEqual(UNTOUCHED);
    expect(await rows("SELECT state FROM reservations WHERE order_id = ?", orderId)).toEqual([{ state: "released" }]);
    const journal = await journalOf(orderId);
    expect(undoneSteps(journal)).toEqual([`purchase:${parts.supplier.supplier}`, "reserve", "create"]);
    expect(journal.map(({ step, state }) => `${step} ${state}`).slice(-3)).toEqual([
      "create compensated",
      "close intended",
      "close done",
    ]);

    const told = await truck.event(
      "StatusChanged",
      ({ type, data }) => type === "StatusChanged" && data.id === orderId,
    );
    expect(told.data).toMatchObject({ to: "Cancelled", device_id: "truck-001" });
    const error = await truck.event(
      "ErrorOccurred",
      ({ type, data }) => type === "ErrorOccurred" && data.id === orderId,
    );
    expect(error.data).toMatchObject({ code: "SUPPLIER_REFUSED", kind: "order", device_id: "truck-001" });
    truck.close();
    const listed = await as(MANAGER, "GET", "/api/orders?limit=200");
    expect(listed.body.data.map((one: { order_id: string }) => one.order_id)).not.toContain(orderId);
    const cancelled = await as(MANAGER, "GET", "/api/orders?limit=200&status=Cancelled");
    expect(cancelled.body.data.map((one: { order_id: string }) => one.order_id)).toContain(orderId);
    expect(new Set(cancelled.body.data.map((one: { status: string }) => one.status))).toEqual(new Set(["Cancelled"]));
    const completed = await as(MANAGER, "GET", "/api/orders?limit=200&status=Completed");
    expect(completed.body.data.map((one: { order_id: string }) => one.order_id)).not.toContain(orderId);
    expect((await as(MANAGER, "GET", "/api/orders?status=gone")).status).toBe(422);
    await settled();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("fails the request behind the order, with a response that says why", async ({ expect }) => {
    const parts = await seedMixedParts("FAILREQ");
    await parts.supplier.switchOn({ refuse: true });
    const requestId = await requestMixed("SAGA-2", parts);
    await approveAll(requestId);
    const failed = await requestIs(requestId, "failed");
    const response = await as("truck-001", "GET", `/api/requests/${requestId}/response`);

    expect(failed.reason).toContain("We don't deliver to this account");
    expect(response.body).toMatchObject({
      outcome: "failed",
      order_id: failed.order_id,
      reason: failed.reason,
      total: { amount: 0 },
    });
    expect(response.body.lines.every((line: { granted: number }) => line.granted === 0)).toBe(true);
  });
});

describe("a supplier that is hard to reach", () => {
  it("scenario 18: whose reply is lost after it accepted makes one purchase order: the probe finds it", async ({
    expect,
  }) => {
    const parts = await seedMixedParts("LOST");
    await parts.supplier.switchOn({ lost_reply_next: 1 });
    const orderId = await orderMixed(parts);
    await drive(orderId);
    const { supplier } = parts.supplier;

    expect((await order(orderId)).status).toBe("Completed");
    expect(await parts.supplier.ordersUnder(`${orderId}:${supplier}`)).toHaveLength(1);
    const tries = (await journalOf(orderId)).filter(({ step }) => step === `purchase:${supplier}`);
    expect(tries.map(({ state }) => state)).toEqual(["intended", "unknown", "probing", "done"]);
  });

  it("that fails three times is asked again by alarm after 1, 2 and 4 s, and the order is Completed", async ({
    expect,
  }) => {
    const parts = await seedMixedParts("BUSY");
    await parts.supplier.switchOn({ fail_next: 3 });
    const orderId = await orderMixed(parts);
    await drive(orderId);
    const { supplier } = parts.supplier;

    expect((await order(orderId)).status).toBe("Completed");
    const placed = (await journalOf(orderId)).filter(
      ({ step, state }) => step === `purchase:${supplier}` && state === "intended",
    );
    expect(placed.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
    const gaps = placed.slice(1).map(({ at }, index) => Date.parse(at) - Date.parse(placed[index]?.at ?? ""));
    for (const [index, gap] of gaps.entries()) expect(gap).toBeGreaterThanOrEqual([1_000, 2_000, 4_000][index] ?? 0);
    expect(await parts.supplier.ordersUnder(`${orderId}:${supplier}`)).toHaveLength(1);
  });

  it("that is down is given up after five attempts; nothing is undone in doubt, and once it is back the order is Cancelled", async ({
    expect,
  }) => {
    const parts = await seedMixedParts("DOWN");
    const { supplier } = parts.supplier;
    await parts.supplier.switchOn({ down: true });
    const orderId = await orderMixed(parts);
    const waiting = await drive(orderId, { stop: (state) => state.phase === "compensating" && state.blockedSince > 0 });
    expect(waiting.error).toMatchObject({ step: `purchase:${supplier}`, code: "UNKNOWN_OUTCOME" });
    expect(await order(orderId)).toMatchObject({ status: "Cancelling" });

    await parts.supplier.switchOn({});
    await drive(orderId, { meanwhile: () => runDurableObjectAlarm(breakerOf(supplier)) });
    expect(await order(orderId)).toMatchObject({ status: "Cancelled", error: { code: "UNKNOWN_OUTCOME" } });
    expect(await levelOf(parts.stocked, "warehouse-03")).toEqual(UNTOUCHED);
    expect(await parts.supplier.ordersUnder(`${orderId}:${supplier}`)).toEqual([]);
  });

  it("scenario 28: whose circuit is open costs no attempt: the order sleeps until the health check and is then Completed", async ({
    expect,
  }) => {
    const parts = await seedMixedParts("OPEN");
    const { supplier } = parts.supplier;
    await parts.supplier.switchOn({ down: true });
    const first = await orderMixed(parts);
    await drive(first, { stop: (state) => state.blockedSince > 0 });
    const second = await as(MANAGER, "POST", "/api/orders", {
      order_number: "OPEN-2",
      device_id: "truck-001",
      lines: [{ sku: parts.bought, quantity: 1 }],
    });
    const blocked = await drive(second.body.order_id, { stop: (state) => state.blockedSince > 0 });
    expect(blocked.steps.at(-1)).toMatchObject({ step: `purchase:${supplier}`, attempt: 0 });

    await parts.supplier.switchOn({});
    await drive(second.body.order_id, { meanwhile: () => runDurableObjectAlarm(breakerOf(supplier)) });
    expect((await order(second.body.order_id)).status).toBe("Completed");
    await drive(first);
  });

  it("scenario 19: that accepts late, after the order was given up, has its purchase order found and cancelled", async ({
    expect,
  }) => {
    const parts = await seedMixedParts("LATE");
    const { supplier } = parts.supplier;
    await parts.supplier.switchOn({ accept_late_ms: 24 * 60 * 60 * 1000 });
    const orderId = await orderMixed(parts);
    const isLooking = (state: { steps: readonly { lateChecks: number }[] }) =>
      state.steps.some(({ lateChecks }) => lateChecks > 0);
    await drive(orderId, { stop: isLooking, meanwhile: () => runDurableObjectAlarm(breakerOf(supplier)) });
    await parts.supplier.acceptLateNow();
    expect(await parts.supplier.ordersUnder(`${orderId}:${supplier}`)).toEqual([
      expect.objectContaining({ status: "accepted" }),
    ]);

    await drive(orderId);
    expect((await order(orderId)).status).toBe("Cancelled");
    expect(await parts.supplier.ordersUnder(`${orderId}:${supplier}`)).toEqual([
      expect.objectContaining({ status: "cancelled" }),
    ]);
  });

  it("scenario 21: that accepted and refuses to cancel leaves the order to a person, with everything else undone", async ({
    expect,
  }) => {
    const parts = await seedMixedParts("KEEP");
    const other = await seedMixedParts("KEEPZ");
    await parts.supplier.switchOn({ refuse_to_cancel: true });
    await other.supplier.switchOn({ refuse: true });
    const placed = await as(MANAGER, "POST", "/api/orders", {
      order_number: "KEEP-1",
      device_id: "truck-001",
      lines: [
        { sku: parts.stocked, quantity: 25 },
        { sku: parts.bought, quantity: 4 },
        { sku: other.bought, quantity: 1 },
      ],
    });
    const orderId = placed.body.order_id;
    await drive(orderId);

    expect(await order(orderId)).toMatchObject({ status: "NeedsAttention", error: { code: "SUPPLIER_REFUSED" } });
    expect(await levelOf(parts.stocked, "warehouse-03")).toEqual(UNTOUCHED);
    const journal = await journalOf(orderId);
    expect(undoneSteps(journal)).toEqual([
      `purchase:${other.supplier.supplier}`,
      `purchase:${parts.supplier.supplier}`,
      "reserve",
      "create",
    ]);
    const last = new Map(journal.map(({ step, state }) => [step, state]));
    expect(last.get(`purchase:${parts.supplier.supplier}`)).toBe("compensation_failed");
    expect(last.get("reserve")).toBe("compensated");
  });
});

it("stock that was taken in between fails the reservation: Cancelled, and the reason names part, place and figures", async ({
  expect,
}) => {
  const parts = await seedMixedParts("SHORT");
  const requestId = await requestMixed("SAGA-3", parts);
  await requestIs(requestId, "awaiting_approval");
  await drive(await orderMixed(parts)); // takes 25 of the 30 before the manager has decided
  await approveAll(requestId);
  const failed = await requestIs(requestId, "failed");

  expect(await order(failed.order_id)).toMatchObject({
    status: "Cancelled",
    error: {
      step: "reserve",
      code: "INSUFFICIENT_STOCK",
      reason: `${parts.stocked} at warehouse-03: wanted 25, available 5`,
    },
  });
  expect(await parts.supplier.ordersUnder(`${failed.order_id}:${parts.supplier.supplier}`)).toEqual([]);
});

it("whatever happened above, every invariant holds, and the recount finds no difference", async ({ expect }) => {
  await settled();
  expect(await violations(env.DB)).toEqual([]);
  expect((await as("ops", "GET", "/api/ops/recount")).body.data).toEqual([]);
});
