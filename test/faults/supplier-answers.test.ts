import { runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, beforeAll, describe, it } from "vitest";
import { SUPPLIER_TIMEOUT_MS } from "../../src/config.ts";
import type { SagaState } from "../../src/domain/saga-state.ts";
import type { Switches } from "../../supplier/src/switches.ts";
import { env, startWorld } from "../support/harness.ts";
import { faultyD1 } from "../support/faulty-d1.ts";
import { violations } from "../support/invariants.ts";
import {
  breakerOf,
  drive,
  giveSelfLimit,
  MANAGER,
  mixedOrder,
  orderView,
  sagaOf,
  seedMixedParts,
  settled,
  shelfOf,
  wrongWith,
  type MixedOrder,
} from "../support/saga-world.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

const HALF_AN_HOUR = 30 * 60 * 1000;

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});

let names = 0;
const newOrder = async () => mixedOrder(await seedMixedParts(`BAD${++names}`));

const stepOf = ({ parts }: MixedOrder) => `purchase:${parts.supplier.supplier}` as const;
/** The purchase was tried once, and what became of it isn't known. */
const triedOnce = (order: MixedOrder) => (state: SagaState) =>
  state.steps.some((entry) => entry.step === stepOf(order) && entry.state === "unknown");
const isUndoing = (state: SagaState) => state.phase === "compensating" || state.phase === "fencing";
const healthCheck = (order: MixedOrder) => () => runDurableObjectAlarm(breakerOf(order.parts.supplier.supplier));

let stopWaiting: (() => void) | undefined;
afterEach(() => {
  stopWaiting?.();
  wrapBindings({});
});

/** Moves the clock past the time-out of each call that gets no answer. */
function losePatience({ parts }: MixedOrder): void {
  const patience = { over: false };
  stopWaiting = () => void (patience.over = true);
  const look = async () => {
    for (let given = 0; !patience.over; await scheduler.wait(20)) {
      const { calls } = await (
        await fetch(`${parts.supplier.url}/book`)
      ).json<{ calls: { answered: number | null }[] }>();
      const unanswered = calls.filter(({ answered }) => answered === null).length;
      if (unanswered > given) moveClock(SUPPLIER_TIMEOUT_MS + 1);
      given = unanswered;
    }
  };
  void look();
}

/** What operations do about an order whose purchase couldn't be undone, once it can. */
async function retryUndo(order: MixedOrder): Promise<void> {
  moveClock(HALF_AN_HOUR); // its circuit has been checked since
  await healthCheck(order)();
  const answer = await sagaOf(order.orderId).act(order.orderId, {
    id: `retry ${order.orderId}`,
    action: "retry",
    step: stepOf(order),
    to: null,
    reason: "the supplier is well again",
    by: { id: "ops", kind: "person" },
    traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
  });
  if (!answer.accepted) throw new Error(answer.reason);
  await drive(order.orderId, { meanwhile: healthCheck(order) });
}

describe("a supplier that confirms something else than was ordered", () => {
  it.for<[string, Partial<Switches>, RegExp]>([
    ["another price", { wrong_price: true }, /: line 1: confirmed B-BAD\d+ at 11\.01 USD, ordered at 10\.00 USD$/],
    [
      "a negative price",
      { negative_price: true },
      /: line 1: confirmed B-BAD\d+ at -10\.01 USD, ordered at 10\.00 USD$/,
    ],
    ["another total", { wrong_total: true }, /: confirmed a total of 40\.01 USD, ordered 40\.00 USD$/],
    ["another quantity", { wrong_quantity: true }, /: line 1: confirmed 5 of B-BAD\d+, ordered 4$/],
    ["another currency", { wrong_currency: true }, /: confirmed in EUR, ordered in USD$/],
    ["a cancelled order", { cancel_at_once: true }, / has cancelled SUP-BAD\d+-100001$/],
  ])("(%s) delivers nothing: the order is Cancelled with both figures", async ([, on, reason], { expect }) => {
    const order = await newOrder();
    await order.parts.supplier.switchOn(on);
    await order.place();
    await drive(order.orderId);

    expect(await orderView(order.orderId)).toMatchObject({
      error: { step: stepOf(order), code: "SUPPLIER_REFUSED", reason: expect.stringMatching(reason) },
    });
    expect(await wrongWith(order, "Cancelled")).toEqual([]);
  });

  it.for<[string, Partial<Switches>]>([
    ["another price", { wrong_price: true }],
    ["another quantity", { wrong_quantity: true }],
  ])("(%s) in an answer that was lost is found out by the look-up", async ([, on], { expect }) => {
    const order = await newOrder();
    await order.parts.supplier.switchOn({ ...on, lost_reply_next: 1 });
    await order.place();
    await drive(order.orderId);

    expect(await orderView(order.orderId)).toMatchObject({
      error: { step: stepOf(order), code: "SUPPLIER_REFUSED", reason: expect.stringContaining("confirmed") },
    });
    expect(await wrongWith(order, "Cancelled")).toEqual([]);
  });
});

/** What is no answer, and the words that a person is told. */
const UNUSABLE: readonly (readonly [string, Partial<Switches>, RegExp])[] = [
  ["an HTML page", { html: true }, /the answer isn't JSON$/],
  ["204 without a body", { no_content: true }, /the answer is empty$/],
  ["10 MB", { too_big: true }, /the answer is larger than 1048576 bytes$/],
  ["a redirect", { redirect: true }, /answered with status 307$/],
  ["nothing at all", { never: true }, /no answer within 10000 ms$/],
  [
    "its answers to look-ups about another order",
    { wrong_lookup: true, lost_reply_next: 1 },
    /is about another order$/,
  ],
  ["a reference that leads elsewhere", { wrong_reference: true }, /the answer has another shape than agreed$/],
];

describe("a supplier that answers", () => {
  it.for([
    ...UNUSABLE,
    ["half an answer", { lost_reply_next: 1 }, /./],
    ["with another order's number", { wrong_order: true }, /./],
  ] as const)("%s once: the order is Completed with one purchase", async ([, on], { expect }) => {
    const order = await newOrder();
    await order.parts.supplier.switchOn(on);
    if ("never" in on) losePatience(order);
    await order.place();
    await drive(order.orderId, { stop: triedOnce(order) });
    await order.parts.supplier.switchOn({});
    await drive(order.orderId);

    expect(await wrongWith(order, "Completed")).toEqual([]);
  });

  it.for(UNUSABLE)(
    "%s until the order is given up, and well again after: the order is Cancelled, nothing is delivered",
    async ([, on, reason], { expect }) => {
      const order = await newOrder();
      await order.parts.supplier.switchOn(on);
      if ("never" in on) losePatience(order);
      await order.place();
      await drive(order.orderId, { stop: isUndoing });
      await order.parts.supplier.switchOn({});
      await drive(order.orderId, { meanwhile: healthCheck(order) });

      expect(await orderView(order.orderId)).toMatchObject({
        error: { step: stepOf(order), code: "UNKNOWN_OUTCOME", reason: expect.stringMatching(reason) },
      });
      expect(await wrongWith(order, "Cancelled")).toEqual([]);
    },
  );

  it.for(UNUSABLE)(
    "%s for ever: a person is asked, with the reason, and retries once it is well again: nothing is delivered",
    async ([, on, reason], { expect }) => {
      const order = await newOrder();
      await order.parts.supplier.switchOn(on);
      if ("never" in on) losePatience(order);
      await order.place();
      await drive(order.orderId, { leapMs: HALF_AN_HOUR, meanwhile: healthCheck(order) });

      expect(await orderView(order.orderId)).toMatchObject({
        status: "NeedsAttention",
        error: { step: stepOf(order), code: "UNKNOWN_OUTCOME", reason: expect.stringMatching(reason) },
      });
      expect(await shelfOf(order.parts)).toEqual({ on_hand: 30, reserved: 0 });
      await settled();
      expect(await violations(env.DB)).toEqual([]);

      await order.parts.supplier.switchOn({});
      await retryUndo(order);
      expect(await wrongWith(order, "Cancelled")).toEqual([]);
    },
  );
});

describe("a supplier that can't be called", () => {
  const cases: readonly (readonly [string, string, string | null, string])[] = [
    [
      "with an address without TLS",
      "url",
      "http://suppliers.example/acme",
      "its address must be an https URL: without TLS only this machine is called",
    ],
    ["that names no secret", "adapter", "http-supplier", "it names no secret to sign with"],
    ["whose secret isn't there", "secret_name", "gone", "its secret gone isn't among SUPPLIER_SECRETS"],
  ];
  const change = async ({ parts }: MixedOrder, column: string, value: string | null) =>
    env.DB.prepare(`UPDATE suppliers SET ${column} = ? WHERE id = ?`).bind(value, parts.supplier.supplier).run();
  const isTold = (order: MixedOrder, why: string) => ({
    code: "SUPPLIER_REFUSED",
    reason: `${order.parts.supplier.supplier} can't be ordered from: ${why}`,
  });

  it.for(cases)(
    "(%s) since it was chosen is never called: the order is Cancelled with the reason",
    async (how, ctx) => {
      const { expect } = ctx;
      const [, column, value, why] = how;
      const order = await newOrder();
      const d1 = faultyD1({ marker: order.keys.create, kind: "before", times: 1 });
      wrapBindings({ DB: d1.wrap });
      await order.place();
      await drive(order.orderId, { stop: ({ steps }) => steps.some(({ step }) => step === "create") });
      await change(order, column, value);
      await drive(order.orderId);

      expect(await orderView(order.orderId)).toMatchObject({ error: { step: "create", ...isTold(order, why) } });
      expect(await order.parts.supplier.calls()).toEqual({});
      expect(await wrongWith(order, "Cancelled")).toEqual([]);
    },
  );

  it.for(cases)(
    "(%s) since its order was checked isn't called either: a person is asked, with the reason",
    async ([, column, value, why], { expect }) => {
      const order = await newOrder();
      const d1 = faultyD1({ marker: order.keys.reserve, kind: "before", times: 1 });
      wrapBindings({ DB: d1.wrap });
      await order.place();
      await drive(order.orderId, { stop: ({ steps }) => steps.some(({ step }) => step === "reserve") });
      await change(order, column, value);
      await drive(order.orderId);

      expect(await orderView(order.orderId)).toMatchObject({
        status: "NeedsAttention",
        error: { step: stepOf(order), ...isTold(order, why) },
      });
      expect(await order.parts.supplier.calls()).toEqual({});
      expect(await shelfOf(order.parts)).toEqual({ on_hand: 30, reserved: 0 });
      await settled();
      expect(await violations(env.DB)).toEqual([]);

      await env.DB.prepare("UPDATE suppliers SET url = ?, adapter = ?, secret_name = NULL WHERE id = ?")
        .bind(order.parts.supplier.url, "simulated-supplier", order.parts.supplier.supplier)
        .run();
      await retryUndo(order);
      expect(await wrongWith(order, "Cancelled")).toEqual([]);
    },
  );
});

describe("a supplier that accepts twice under one key", () => {
  it("has both orders cancelled when the order goes back", async ({ expect }) => {
    const order = await newOrder();
    const { supplier } = order.parts;
    const d1 = faultyD1({ marker: order.keys.move, kind: "before" });
    wrapBindings({ DB: d1.wrap });
    await supplier.switchOn({ accept_late_ms: 60 * 60 * 1000 });
    await order.place();
    await drive(order.orderId, { stop: triedOnce(order) });
    await supplier.switchOn({ double_accept: true });
    await drive(order.orderId, { stop: ({ steps }) => steps.some(({ step }) => step === "move") });
    expect(await supplier.acceptLateNow()).toBe(1);
    expect((await supplier.ordersUnder(order.keys.purchase)).map(({ status }) => status)).toEqual([
      "accepted",
      "accepted",
    ]);
    await drive(order.orderId);

    expect((await supplier.ordersUnder(order.keys.purchase)).map(({ status }) => status)).toEqual([
      "cancelled",
      "cancelled",
    ]);
    expect(await wrongWith(order, "Cancelled")).toEqual([]);
  });
});
