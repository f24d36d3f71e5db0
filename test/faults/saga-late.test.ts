import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, beforeAll, describe, it } from "vitest";
import type { SagaState, StepName } from "../../src/domain/saga-state.ts";
import { env, startWorld } from "../support/harness.ts";
import { faultyD1, type Fault } from "../support/faulty-d1.ts";
import { violations } from "../support/invariants.ts";
import {
  begunBefore,
  breakerOf,
  drive,
  giveSelfLimit,
  journalOf,
  MANAGER,
  mixedOrder,
  orderView,
  sagaOf,
  seedMixedParts,
  settled,
  undoneSteps,
  watch,
  wrongWith,
} from "../support/saga-world.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

const HOUR = 60 * 60 * 1000;
const STEPS = ["create", "reserve", "purchase", "move", "complete"] as const;
type Step = (typeof STEPS)[number];

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});
afterEach(() => wrapBindings({}));

let names = 0;
const newOrder = async () => mixedOrder(await seedMixedParts(`LATE${++names}`));

function breakD1(...faults: Fault[]) {
  const d1 = faultyD1(...faults);
  wrapBindings({ DB: d1.wrap });
  return d1;
}

const isUnknown =
  (step: StepName, round = 0) =>
  (state: SagaState): boolean =>
    state.steps.some((entry) => entry.step === step && entry.state === "unknown" && entry.round === round);

describe("a late write", () => {
  const steps: Step[] = ["create", "reserve", "purchase", "move"];

  it.for(steps)("of %s that arrives when the order is Cancelled changes nothing", async (step, { expect }) => {
    const order = await newOrder();
    const d1 = breakD1({ marker: order.keys[step], kind: "held" });
    await order.place();
    await drive(order.orderId);
    const before = await orderView(order.orderId);
    const answers = await d1.release(env.DB);

    expect(answers).toHaveLength(5);
    for (const answer of answers) expect(answer).toContain("FENCED");
    expect(await orderView(order.orderId)).toEqual(before);
    expect(await wrongWith(order, "Cancelled")).toEqual([]);
  });

  it.for(steps)(
    "scenario 10: of %s that arrives between fence and compensation changes nothing",
    async (step, { expect }) => {
      const order = await newOrder();
      const d1 = breakD1(
        { marker: order.keys[step], kind: "held" },
        { marker: `${order.orderId}:fence:0`, kind: "after", times: 1 }, // set, and the saga waits to learn of it
      );
      await order.place();
      await drive(order.orderId, { stop: ({ phase, waitUntil }) => phase === "fencing" && waitUntil > 0 });
      const answers = await d1.release(env.DB);
      await drive(order.orderId);

      expect(answers).toHaveLength(5);
      for (const answer of answers) expect(answer).toContain("FENCED");
      expect(await wrongWith(order, "Cancelled")).toEqual([]);
    },
  );

  it("of complete that arrives when a person was asked changes nothing", async ({ expect }) => {
    const order = await newOrder();
    const d1 = breakD1({ marker: order.keys.complete, kind: "held" });
    await order.place();
    await drive(order.orderId);
    for (const answer of await d1.release(env.DB)) expect(answer).toContain("FENCED");

    expect((await orderView(order.orderId)).status).toBe("NeedsAttention");
    await settled();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("of move that arrives when its reservation had expired and was made anew moves the stock once", async ({
    expect,
  }) => {
    const order = await newOrder();
    const again = `${order.orderId}:move:1`;
    const d1 = breakD1(
      { marker: order.keys.move, kind: "held", times: 1 },
      { marker: again, kind: "before", times: 1 },
    );
    await order.place();
    await drive(order.orderId, { stop: isUnknown("move") });
    moveClock(73 * HOUR);
    await settled(); // the reservation expires, and the saga reserves anew
    await drive(order.orderId, { stop: isUnknown("move", 1) });
    expect(await d1.release(env.DB)).toEqual(["committed"]);
    await drive(order.orderId);

    expect(d1.hits(again)).toBe(1);
    expect(await wrongWith(order, "Completed")).toEqual([]);
  });
});

describe("a supplier that gives no usable answer", () => {
  it("accepts, its reply is lost, and then our record of it twice: there is one purchase order", async ({ expect }) => {
    const order = await newOrder();
    await order.parts.supplier.switchOn({ lost_reply_next: 1 });
    breakD1({ marker: order.keys.purchase, kind: "before", times: 2 });
    await order.place();
    await drive(order.orderId);

    expect(await wrongWith(order, "Completed")).toEqual([]);
    expect(await order.parts.supplier.ordersUnder(order.keys.purchase)).toHaveLength(1);
  });

  it("accepts and answers about another order: the probe finds ours", async ({ expect }) => {
    const order = await newOrder();
    await order.parts.supplier.switchOn({ wrong_order: true });
    await order.place();
    await drive(order.orderId);

    expect(await wrongWith(order, "Completed")).toEqual([]);
  });

  it.for(["html", "too_big", "redirect"] as const)(
    "answers every call with %s: the order is Cancelled once the supplier can be asked, and nothing is left there",
    async (fault, { expect }) => {
      const order = await newOrder();
      await order.parts.supplier.switchOn({ [fault]: true });
      await order.place();
      await drive(order.orderId, { stop: ({ phase }) => phase === "compensating" });
      await order.parts.supplier.switchOn({});
      await drive(order.orderId, { meanwhile: () => runDurableObjectAlarm(breakerOf(order.parts.supplier.supplier)) });

      expect(await wrongWith(order, "Cancelled")).toEqual([]);
    },
  );

  it("says when to come back: the next attempt is no sooner", async ({ expect }) => {
    const order = await newOrder();
    await order.parts.supplier.switchOn({ rate_limited_s: 600 });
    await order.place();
    await drive(order.orderId, { stop: isUnknown(`purchase:${order.parts.supplier.supplier}`) });
    await order.parts.supplier.switchOn({});
    await drive(order.orderId);
    const asked = (await journalOf(order.orderId)).filter(({ state }) => state === "unknown" || state === "probing");

    expect(asked.map(({ state }) => state)).toEqual(["unknown", "probing"]);
    expect(Date.parse(asked[1]?.at ?? "") - Date.parse(asked[0]?.at ?? "")).toBeGreaterThanOrEqual(600_000);
    expect(await wrongWith(order, "Completed")).toEqual([]);
  });

  it("is away for more than four hours: its orders are put before a person, with step, code and reason", async ({
    expect,
  }) => {
    const first = await newOrder();
    const { supplier } = first.parts.supplier;
    await first.parts.supplier.switchOn({ down: true });
    await first.place();
    await drive(first.orderId, { stop: ({ blockedSince }) => blockedSince > 0 }); // given up, and its undo is blocked
    const second = await mixedOrder({
      ...(await seedMixedParts(`LATE${++names}`)),
      bought: first.parts.bought,
      supplier: first.parts.supplier,
    });
    await second.place();
    await drive(second.orderId, { leapMs: HOUR });
    await drive(first.orderId, { leapMs: HOUR });

    expect(await orderView(second.orderId)).toMatchObject({
      status: "NeedsAttention",
      error: { step: `purchase:${supplier}`, code: "CIRCUIT_OPEN", reason: expect.stringContaining("circuit") },
    });
    expect(await orderView(first.orderId)).toMatchObject({
      status: "NeedsAttention",
      error: { step: `purchase:${supplier}` },
    });
    const held = await env.DB.prepare(
      "SELECT order_id, state FROM reservations WHERE order_id IN (?, ?) ORDER BY state",
    )
      .bind(first.orderId, second.orderId)
      .all();
    // What could be undone without the supplier was undone; the order that was never given up keeps its pieces for a person.
    expect(held.results).toEqual([
      { order_id: second.orderId, state: "open" },
      { order_id: first.orderId, state: "released" },
    ]);
    await settled();
    expect(await violations(env.DB)).toEqual([]);
  });
});

describe("an object that dies", () => {
  /** Calls to suppliers hold an object until their time-outs end. */
  const letGo = () => moveClock(30_000);

  it.for<[string, (orderId: string) => Promise<unknown>]>([
    ["evicted", (orderId) => evictDurableObject(sagaOf(orderId))],
    ["aborted, with every other object,", () => abortAllDurableObjects()],
  ])(
    "scenario 16: is %s between every two steps: the order is Completed, each step in effect once",
    async ([, interrupt], { expect }) => {
      const order = await newOrder();
      // A fault in each step makes the saga sleep there, and it dies in each sleep.
      const d1 = breakD1(
        ...STEPS.map((step, index): Fault => ({
          marker: order.keys[step],
          kind: index % 2 === 0 ? "before" : "after",
          times: 1,
        })),
      );
      let deaths = 0;
      await order.place();
      await drive(order.orderId, {
        meanwhile: async () => {
          deaths++;
          letGo();
          await interrupt(order.orderId);
        },
      });

      expect(deaths).toBeGreaterThanOrEqual(STEPS.length);
      expect(STEPS.map((step) => d1.hits(order.keys[step]))).toEqual([1, 1, 1, 1, 1]);
      expect(await wrongWith(order, "Completed")).toEqual([]);
    },
  );

  it("scenario 22: is evicted between every two compensations: the order is Cancelled, all undone in reverse", async ({
    expect,
  }) => {
    const order = await newOrder();
    breakD1(
      { marker: order.keys.move, kind: "after" },
      { marker: `${order.orderId}:take-over:0`, kind: "after", times: 1 },
      // While one waits the others go on: each is lost once more than the one before.
      { marker: `${order.keys.move}:undo`, kind: "after", times: 1 },
      { marker: `${order.keys.purchase}:undo`, kind: "before", times: 2 },
      { marker: `${order.keys.reserve}:undo`, kind: "after", times: 3 },
      { marker: `${order.orderId}:close:1`, kind: "before", times: 1 },
    );
    await order.place();
    await drive(order.orderId, { stop: isUnknown("move") });
    await sagaOf(order.orderId).cancel("no longer needed");
    let deaths = 0;
    await drive(order.orderId, {
      meanwhile: async () => {
        deaths++;
        letGo();
        await evictDurableObject(sagaOf(order.orderId));
      },
    });

    expect(deaths).toBeGreaterThanOrEqual(5);
    expect(undoneSteps(await journalOf(order.orderId))).toEqual(begunBefore("move", order));
    expect(await wrongWith(order, "Cancelled")).toEqual([]);
  });

  it("scenario 23: in the middle of a purchase that the supplier accepted finds it by the probe", async ({
    expect,
  }) => {
    const order = await newOrder();
    await order.parts.supplier.switchOn({ delay_ms: 60_000 });
    await order.place();
    await watch(order.orderId, ({ steps }) => steps.some(({ step }) => step.startsWith("purchase:")));
    await order.parts.supplier.switchOn({});
    await abortAllDurableObjects();
    await drive(order.orderId);

    expect((await journalOf(order.orderId)).map(({ state }) => state)).toContain("probing");
    expect(await wrongWith(order, "Completed")).toEqual([]);
  });
});
