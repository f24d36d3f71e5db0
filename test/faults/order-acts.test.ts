/** Operators act on orders that need attention: whatever they ask, one end that is whole, and who and why in the trail. */
import { evictDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, describe, it } from "vitest";
import { SUPPLIER_TIMEOUT_MS } from "../../src/config.ts";
import { command } from "../support/commands.ts";
import { faultyD1, type FaultKind } from "../support/faulty-d1.ts";
import { approveAll, as, env, requestIs, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import {
  actsInTrail,
  ask,
  comeBack,
  errorsTold,
  heldUpFor4Hours,
  holdUp,
  purchaseOf,
  statusesTold,
} from "../support/order-acts.ts";
import { expectProblem } from "../support/problem.ts";
import {
  drive,
  giveSelfLimit,
  MANAGER,
  mixedOrder,
  orderView,
  sagaOf,
  seedMixedParts,
  settled,
  watch,
  wrongWith,
  type MixedOrder,
} from "../support/saga-world.ts";
import { levelOf, sent } from "../support/stock.ts";
import { uploadLines } from "../support/uploading.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});
afterEach(async ({ expect }) => {
  wrapBindings({});
  await settled();
  expect(await violations(env.DB)).toEqual([]);
  expect((await as("ops", "GET", "/api/ops/recount")).body.data).toEqual([]);
});

const HOUR = 60 * 60 * 1000;
let names = 0;
const newOrder = async () => mixedOrder(await seedMixedParts(`ACT${++names}`));
const stepOf = ({ parts }: MixedOrder) => `purchase:${parts.supplier.supplier}`;
const sagaView = async (id: string) => (await as("ops", "GET", `/api/orders/${id}/saga`)).body;

/** Its supplier accepted, the order was called off, and the supplier takes nothing back. */
async function leftBehind(): Promise<MixedOrder> {
  const order = await newOrder();
  await order.parts.supplier.switchOn({ refuse_to_cancel: true });
  wrapBindings({ DB: faultyD1({ marker: order.keys.move, kind: "before", times: 1 }).wrap });
  await order.place();
  await drive(order.orderId, {
    stop: ({ steps }) => steps.some(({ step, state }) => step === "move" && state === "unknown"),
  });
  expectAccepted(await ask(MANAGER, order.orderId, "cancel", { reason: "no longer needed" }));
  await drive(order.orderId);
  return order;
}

function expectAccepted(answer: { readonly status: number; readonly body: unknown }): void {
  if (answer.status !== 202) throw new Error(`not accepted: ${answer.status} ${JSON.stringify(answer.body)}`);
}

const receive = (id: string, lines: readonly object[], more: object = {}) =>
  command("ReceivePurchaseOrder", { device_id: "truck-001", purchase_order_id: id, bin: "Bin-T", lines, ...more });

it("an order that was resumed and is held up anew tells so anew", async ({ expect }) => {
  const order = await newOrder();
  await heldUpFor4Hours(order);
  expectAccepted(await ask(MANAGER, order.orderId, "resume", { reason: "they are back" }));
  await drive(order.orderId, { leapMs: HOUR });

  expect((await orderView(order.orderId)).status).toBe("NeedsAttention");
  expect(await errorsTold(order.orderId)).toEqual(["CIRCUIT_OPEN", "CIRCUIT_OPEN"]);
});

describe("an order whose supplier was away for four hours", () => {
  it("is resumed by a manager once it is back: Completed behind the next fence, told and in the trail with the reason", async ({
    expect,
  }) => {
    const order = await newOrder();
    await heldUpFor4Hours(order);
    const before = await sagaView(order.orderId);
    expect(before).toMatchObject({ status: "NeedsAttention", error: { code: "CIRCUIT_OPEN" }, fence: 0 });
    expect(before.possible).toContainEqual({ action: "resume" });
    await comeBack(order);
    const answer = await ask(MANAGER, order.orderId, "resume", { reason: "they are back" });
    expect(answer).toMatchObject({
      status: 202,
      body: { order_id: order.orderId, saga: `/api/orders/${order.orderId}/saga` },
    });
    expect(answer.headers.get("location")).toBe(`/api/orders/${order.orderId}`);
    await drive(order.orderId);

    expect(await orderView(order.orderId)).toMatchObject({ status: "Completed", error: null });
    expect(await wrongWith(order, "Completed")).toEqual([]);
    expect(await actsInTrail(order.orderId)).toEqual([`order.resumed by ${MANAGER}: they are back`]);
    expect(await statusesTold(order.orderId)).toEqual([
      "Pending → NeedsAttention",
      "NeedsAttention → Pending",
      "Pending → Completed",
    ]);
    const view = await sagaView(order.orderId);
    expect(view).toMatchObject({
      fence: 1,
      possible: [],
      acts: [{ action: "resume", by: MANAGER, reason: "they are back" }],
    });
    const takeOver = view.journal.find(
      ({ step, state }: { step: string; state: string }) => step === "take_over" && state === "done",
    );
    expect(takeOver).toMatchObject({ by: MANAGER, key: view.acts[0].id, traceparent: view.acts[0].traceparent });
    expect(view.journal.at(-1)).toMatchObject({ step: "complete", by: "order-saga" });
    expect(view.acts[0].traceparent.slice(0, 35)).not.toBe(view.traceparent.slice(0, 35));
    const own = view.journal.filter(({ step }: { step: string }) => step !== "take_over");
    for (const { traceparent } of own) {
      expect(traceparent.slice(0, 35)).toBe(view.traceparent.slice(0, 35)); // the order's trace
      expect(traceparent).not.toBe(view.traceparent); // a span of its own
    }
  });

  it("lets what was received of another purchase meanwhile count as received when it goes on", async ({ expect }) => {
    const [order, other] = [await newOrder(), await newOrder()];
    await holdUp(other);
    const placed = await as(MANAGER, "POST", "/api/orders", {
      order_number: `ACT-TWO-${names}`,
      device_id: "truck-001",
      lines: [
        { sku: order.parts.bought, quantity: 4 },
        { sku: other.parts.bought, quantity: 1 },
      ],
    });
    const id = placed.body.order_id;
    await drive(id, { leapMs: HOUR });
    expect((await orderView(id)).status).toBe("NeedsAttention");
    const po = (await orderView(id)).purchase_orders[0].id;
    expect(await sent("truck-001", receive(po, [{ line: 1, received: 3 }]))).toMatchObject({ state: "applied" });
    await comeBack(other);
    expectAccepted(await ask("ops", id, "retry", { step: stepOf(other), reason: "they are back" }));
    await drive(id);

    expect((await orderView(id)).status).toBe("Completed");
    expect((await levelOf(order.parts.bought, "truck-001")).on_hand).toBe(3);
    const level = await as("ops", "GET", `/api/stock?sku=${order.parts.bought}&location=truck-001`);
    expect(level.body.data[0].incoming).toBe(1);
  });

  it.for([
    ["cancel", "Cancelled"],
    ["resume", "Completed"],
  ] as const)("has no purchase closed short before a person has decided (%s)", async ([action, end], { expect }) => {
    const [order, other] = [await newOrder(), await newOrder()];
    await holdUp(other);
    const placed = await as(MANAGER, "POST", "/api/orders", {
      order_number: `ACT-SHORT-${names}`,
      device_id: "truck-001",
      lines: [
        { sku: order.parts.bought, quantity: 4 },
        { sku: other.parts.bought, quantity: 1 },
      ],
    });
    const id = placed.body.order_id;
    await drive(id, { leapMs: HOUR });
    const { status, purchase_orders: bought } = await orderView(id);
    expect([status, bought.length]).toEqual(["NeedsAttention", 1]);
    const close = () => as("ops", "POST", `/api/purchase-orders/${bought[0].id}/close`, { reason: "won't come" });
    const early = await close();
    expectProblem(expect, early, 409, "CONFLICT");
    expect(early.body).toMatchObject({
      detail: `order ${id} is NeedsAttention: while it may still be undone, resume or cancel the order instead`,
      order_status: "NeedsAttention",
    });
    await comeBack(other);
    expectAccepted(await ask("ops", id, action, { reason: "decided" }));
    await drive(id);
    expect((await orderView(id)).status).toBe(end);
    expect((await close()).status).toBe(end === "Completed" ? 200 : 409);
  });

  it("is called off: undone, Cancelled, and its request is cancelled with a response that says so", async ({
    expect,
  }) => {
    const order = await newOrder();
    await holdUp(order);
    const requestId = await uploadLines("truck-001", "truck-001", [
      [order.parts.stocked, 25],
      [order.parts.bought, 4],
    ]);
    await approveAll(requestId);
    const { order_id: id } = await requestIs(requestId, "ordering");
    await drive(id, { leapMs: HOUR });
    expect((await requestIs(requestId, "needs_attention")).reason).toContain("circuit");
    await comeBack(order);
    expectAccepted(await ask("manager-north", id, "cancel", { reason: "bought elsewhere" }));
    await drive(id);
    await settled();

    expect(await orderView(id)).toMatchObject({
      status: "Cancelled",
      error: { code: "CANCELLED", reason: "bought elsewhere" },
    });
    expect((await requestIs(requestId, "cancelled")).reason).toContain("bought elsewhere");
    const response = await as("truck-001", "GET", `/api/requests/${requestId}/response`);
    expect(response.body).toMatchObject({ outcome: "cancelled" });
  });

  it("is resumed for a request: the request that needed attention ends completed, answered once", async ({
    expect,
  }) => {
    const order = await newOrder();
    await holdUp(order);
    const requestId = await uploadLines("truck-001", "truck-001", [[order.parts.bought, 4]]);
    await approveAll(requestId);
    const { order_id: id } = await requestIs(requestId, "ordering", "needs_attention", "completed");
    await drive(id, { leapMs: HOUR });
    await requestIs(requestId, "needs_attention");
    await comeBack(order);
    expectAccepted(await ask("admin", id, "resume", { reason: "they are back" }));
    await drive(id);

    await requestIs(requestId, "completed");
    expect((await as("truck-001", "GET", `/api/requests/${requestId}/response`)).body).toMatchObject({
      outcome: "completed",
      order_id: id,
    });
  });
});

it("an order that waits for a circuit is called off at once, its supplier still away: what was never sent isn't asked back", async ({
  expect,
}) => {
  const order = await newOrder();
  await holdUp(order);
  await order.place();
  await drive(order.orderId, { stop: ({ blockedSince }) => blockedSince > 0 });
  const before = testClock.now();
  expectAccepted(await ask(MANAGER, order.orderId, "cancel", { reason: "no longer needed" }));
  await drive(order.orderId);

  expect((await orderView(order.orderId)).status).toBe("Cancelled");
  expect(testClock.now() - before).toBeLessThan(30_000);
  expect(await order.parts.supplier.calls()).toEqual({});
  await order.parts.supplier.switchOn({}); // to be asked what is live there
  expect(await wrongWith(order, "Cancelled")).toEqual([]);
});

describe("an order whose supplier takes nothing back", () => {
  it("is retried once the supplier gives in: Cancelled, nothing live there", async ({ expect }) => {
    const order = await leftBehind();
    expect((await orderView(order.orderId)).status).toBe("NeedsAttention");
    await order.parts.supplier.switchOn({});
    expectAccepted(await ask(MANAGER, order.orderId, "retry", { step: stepOf(order), reason: "they agreed by phone" }));
    await drive(order.orderId);

    expect(await wrongWith(order, "Cancelled")).toEqual([]);
    expect(await actsInTrail(order.orderId)).toEqual([
      `order.called off by ${MANAGER}: no longer needed`,
      `order.retried by ${MANAGER}: they agreed by phone`,
    ]);
  });

  it("is skipped with a reason: Cancelled, its purchase awaited no more, though it is live there", async ({
    expect,
  }) => {
    const order = await leftBehind();
    expectAccepted(await ask("ops", order.orderId, "skip", { step: stepOf(order), reason: "goes back by hand" }));
    await drive(order.orderId);

    expect((await orderView(order.orderId)).status).toBe("Cancelled");
    expect(await errorsTold(order.orderId)).toEqual(["CANCELLED"]); // when it came to need attention, and not again
    expect((await purchaseOf(order))?.status).toBe("cancelled");
    expect(await wrongWith(order, "Cancelled")).toEqual(["live at the supplier 1"]);
  });

  it("and delivered it: nothing is cancelled any more, what came is kept, and the order closes", async ({ expect }) => {
    const order = await leftBehind();
    const po = (await purchaseOf(order))?.id ?? "";
    expect(await sent("truck-001", receive(po, [{ line: 1, received: 3 }]))).toMatchObject({ state: "applied" });
    await order.parts.supplier.switchOn({});
    expectAccepted(await ask(MANAGER, order.orderId, "retry", { step: stepOf(order), reason: "try again" }));
    await drive(order.orderId);
    expect((await orderView(order.orderId)).status).toBe("NeedsAttention");
    const view = await sagaView(order.orderId);
    expect(view.journal.some(({ detail }: { detail: string | null }) => detail?.includes("was delivered"))).toBe(true);
    expectAccepted(await ask(MANAGER, order.orderId, "skip", { step: stepOf(order), reason: "we keep them" }));
    await drive(order.orderId);

    expect((await orderView(order.orderId)).status).toBe("Cancelled");
    expect(await purchaseOf(order)).toMatchObject({ status: "completed", closed: 1 });
    expect((await levelOf(order.parts.bought, "truck-001")).on_hand).toBe(3);
  });

  it("is resolved by hand as Cancelled, never as Completed: the refusal says what is possible", async ({ expect }) => {
    const order = await leftBehind();
    const refused = await ask(MANAGER, order.orderId, "resolve", { status: "Completed", reason: "it is fine" });
    expectProblem(expect, refused, 409, "CONFLICT");
    expect(refused.body).toMatchObject({ order_status: "NeedsAttention" });
    expect(refused.body.possible).toContainEqual({ action: "resolve", to: "Cancelled" });
    expectAccepted(await ask(MANAGER, order.orderId, "resolve", { status: "Cancelled", reason: "credit note came" }));
    await drive(order.orderId);

    expect(await wrongWith(order, "Cancelled")).toEqual(["live at the supplier 1"]);
    expect((await purchaseOf(order))?.status).toBe("cancelled");
  });

  it("whose release fails for good is resolved: the act gives the pieces back", async ({ expect }) => {
    const order = await newOrder();
    wrapBindings({
      DB: faultyD1(
        { marker: order.keys.move, kind: "before", times: 1 },
        { marker: `${order.keys.reserve}:undo`, kind: "before" },
      ).wrap,
    });
    await order.place();
    await drive(order.orderId, {
      stop: ({ steps }) => steps.some(({ step, state }) => step === "move" && state === "unknown"),
    });
    expectAccepted(await ask(MANAGER, order.orderId, "cancel", { reason: "no longer needed" }));
    await drive(order.orderId);
    expect((await sagaView(order.orderId)).possible).toEqual([
      { action: "retry", step: "reserve" },
      { action: "resolve", to: "Cancelled" },
    ]);
    expectAccepted(await ask(MANAGER, order.orderId, "resolve", { status: "Cancelled", reason: "give them back" }));
    await drive(order.orderId);

    expect(await wrongWith(order, "Cancelled")).toEqual([]);
  });
});

it("an order that couldn't be completed is resolved as Completed; what an old life of it still sends can't land", async ({
  expect,
}) => {
  const order = await newOrder();
  const d1 = faultyD1({ marker: order.keys.complete, kind: "held" });
  wrapBindings({ DB: d1.wrap });
  await order.place();
  await drive(order.orderId);
  wrapBindings({});
  expectProblem(expect, await ask(MANAGER, order.orderId, "cancel", { reason: "too slow" }), 409, "CONFLICT");
  expectAccepted(await ask(MANAGER, order.orderId, "resolve", { status: "Completed", reason: "all has left" }));
  await watch(order.orderId, ({ fence }) => fence === 1);
  for (const answer of await d1.release(env.DB)) expect(answer).not.toBe("committed");
  await drive(order.orderId);

  expect(await wrongWith(order, "Completed")).toEqual([]);
});

describe("an act whose batch", () => {
  it.for<[FaultKind, string]>([
    ["before", "is lost"],
    ["after", "is committed, its reply lost"],
    ["twice", "is carried out two times"],
    ["held", "lands late"],
  ])("%s its commit breaks has one effect, though the object dies meanwhile", async ([kind], { expect }) => {
    const order = await leftBehind();
    await order.parts.supplier.switchOn({});
    const marker = `${order.orderId}:take-over:1`;
    const d1 = faultyD1({ marker, kind, times: 1 });
    wrapBindings({ DB: d1.wrap });
    const key = { "idempotency-key": `act-${kind}` };
    const body = { step: stepOf(order), reason: "once more" };
    const first = await ask(MANAGER, order.orderId, "retry", body, key);
    await until("its batch was sent", async () => d1.hits(marker) === 1);
    await watch(order.orderId, ({ phase }) => phase !== "taking_over" || kind !== "twice");
    moveClock(SUPPLIER_TIMEOUT_MS + 1); // what holds the object lets it go
    await evictDurableObject(sagaOf(order.orderId));
    const again = await ask(MANAGER, order.orderId, "retry", body, key);
    await drive(order.orderId);
    await d1.release(env.DB);

    expect([first.status, again.status, again.headers.get("idempotent-replayed")]).toEqual([202, 202, "true"]);
    expect(await wrongWith(order, "Cancelled")).toEqual([]);
    expect((await actsInTrail(order.orderId)).filter((one) => one.startsWith("order.retried"))).toHaveLength(1);
  });

  it("was accepted and whose answer wasn't kept is accepted again under its key, with one effect", async ({
    expect,
  }) => {
    const order = await leftBehind();
    await order.parts.supplier.switchOn({});
    const key = "act-unkept";
    const body = { step: stepOf(order), reason: "once more" };
    wrapBindings({ DB: faultyD1({ marker: key, kind: "before", times: 1 }).wrap });
    const first = await ask(MANAGER, order.orderId, "retry", body, { "idempotency-key": key });
    const second = await ask(MANAGER, order.orderId, "retry", body, { "idempotency-key": key });
    await drive(order.orderId);

    expect([first.status, second.status]).toEqual([500, 202]);
    expect((await sagaView(order.orderId)).acts).toHaveLength(2); // the cancel, and this one
    expect(await wrongWith(order, "Cancelled")).toEqual([]);
  });
});

it("an act that ended its order and whose answer wasn't kept is accepted again under its key, any other is refused", async ({
  expect,
}) => {
  const order = await leftBehind();
  await order.parts.supplier.switchOn({});
  const key = "act-ended";
  const body = { step: stepOf(order), reason: "once more" };
  wrapBindings({ DB: faultyD1({ marker: key, kind: "before", times: 1 }).wrap });
  const first = await ask(MANAGER, order.orderId, "retry", body, { "idempotency-key": key });
  await drive(order.orderId);
  expect(await wrongWith(order, "Cancelled")).toEqual([]);
  const second = await ask(MANAGER, order.orderId, "retry", body, { "idempotency-key": key });
  const other = await ask(MANAGER, order.orderId, "retry", body, { "idempotency-key": "act-too-late" });

  expect([first.status, second.status]).toEqual([500, 202]);
  expectProblem(expect, other, 409, "CONFLICT");
  expect((await sagaView(order.orderId)).acts).toHaveLength(2); // the cancel, and this one
});

describe("who may act", () => {
  it("is a manager of the region, operations and admin; a device, a keeper, another region's manager may not", async ({
    expect,
  }) => {
    const order = await newOrder();
    await order.place();
    await drive(order.orderId);
    const statuses = [];
    for (const who of [
      "truck-001",
      "tech-north",
      "keeper-03",
      "integrator",
      "manager-south",
      MANAGER,
      "ops",
      "admin",
    ]) {
      for (const [action, body] of [
        ["cancel", { reason: "for a test" }],
        ["retry", { reason: "for a test", step: "reserve" }],
        ["skip", { reason: "for a test", step: "reserve" }],
        ["resolve", { reason: "for a test", status: "Cancelled" }],
        ["resume", { reason: "for a test" }],
      ] as const) {
        statuses.push(`${who} ${(await ask(who, order.orderId, action, body)).status}`);
      }
    }
    const all = (who: string, status: number) => Array.from({ length: 5 }, () => `${who} ${status}`);
    expect(statuses).toEqual([
      ...all("truck-001", 403),
      ...all("tech-north", 403),
      ...all("keeper-03", 403),
      ...all("integrator", 403),
      ...all("manager-south", 404),
      ...all(MANAGER, 409),
      ...all("ops", 409),
      ...all("admin", 409),
    ]);
  });

  it("says why: an act without a reason, or of no step, is refused by the field", async ({ expect }) => {
    const order = await newOrder();
    await order.place();
    expectProblem(expect, await ask(MANAGER, order.orderId, "cancel", {}), 422, "VALIDATION");
    expectProblem(expect, await ask(MANAGER, order.orderId, "cancel", { reason: "  " }), 422, "VALIDATION");
    expectProblem(expect, await ask(MANAGER, order.orderId, "skip", { reason: "for a test" }), 422, "VALIDATION");
    expectProblem(expect, await ask(MANAGER, "ord_none", "cancel", { reason: "for a test" }), 404, "NOT_FOUND");
    await drive(order.orderId);
  });
});
