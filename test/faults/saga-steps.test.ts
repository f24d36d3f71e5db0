import { afterEach, beforeAll, describe, it } from "vitest";
import { env, startWorld } from "../support/harness.ts";
import { faultyD1, type Fault, type FaultKind } from "../support/faulty-d1.ts";
import { violations } from "../support/invariants.ts";
import {
  begunBefore,
  drive,
  giveSelfLimit,
  journalOf,
  MANAGER,
  mixedOrder,
  orderView,
  sagaOf,
  seedMixedParts,
  settled,
  shelfOf,
  undoneSteps,
  wrongWith,
} from "../support/saga-world.ts";
import { wrapBindings } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});
afterEach(() => wrapBindings({}));

const STEPS = ["create", "reserve", "purchase", "move", "complete"] as const;
type Step = (typeof STEPS)[number];

let names = 0;
const newOrder = async () => mixedOrder(await seedMixedParts(`STEP${++names}`));

function breakD1(...faults: Fault[]) {
  const d1 = faultyD1(...faults);
  wrapBindings({ DB: d1.wrap });
  return d1;
}

describe("a batch that fails once", () => {
  const cases = STEPS.flatMap((step) => (["before", "after"] as const).map((kind): [Step, FaultKind] => [step, kind]));

  it.for(cases)(
    "of %s, %s its commit, is taken up again and the order is Completed",
    async ([step, kind], { expect }) => {
      const order = await newOrder();
      const d1 = breakD1({ marker: order.keys[step], kind, times: 1 });
      await order.place();
      await drive(order.orderId);

      expect(d1.hits(order.keys[step])).toBe(1);
      expect(await wrongWith(order, "Completed")).toEqual([]);
    },
  );
});

describe("a batch that fails for good", () => {
  it.for<[Step, FaultKind]>([
    ["create", "before"],
    ["create", "after"],
    ["reserve", "before"],
    ["reserve", "after"],
    ["purchase", "before"],
    ["purchase", "after"],
    ["move", "before"],
  ])("of %s, %s its commit, leaves a Cancelled order with all undone in reverse", async ([step, kind], { expect }) => {
    const order = await newOrder();
    const d1 = breakD1({ marker: order.keys[step], kind });
    await order.place();
    await drive(order.orderId);
    const name = step === "purchase" ? `purchase:${order.parts.supplier.supplier}` : step;

    expect(d1.hits(order.keys[step])).toBe(5);
    expect(await orderView(order.orderId)).toMatchObject({ error: { step: name, code: "UNKNOWN_OUTCOME" } });
    expect(undoneSteps(await journalOf(order.orderId))).toEqual(begunBefore(step, order));
    expect(await wrongWith(order, "Cancelled")).toEqual([]);
  });

  it("of move, after its commit, is found committed: the order is Completed", async ({ expect }) => {
    const order = await newOrder();
    const d1 = breakD1({ marker: order.keys.move, kind: "after" });
    await order.place();
    await drive(order.orderId);

    expect(d1.hits(order.keys.move)).toBe(1);
    expect(await wrongWith(order, "Completed")).toEqual([]);
  });

  it("of complete, before its commit, is tried for hours and then put before a person; nothing is undone", async ({
    expect,
  }) => {
    const order = await newOrder();
    breakD1({ marker: order.keys.complete, kind: "before" });
    await order.place();
    await drive(order.orderId);

    expect(await orderView(order.orderId)).toMatchObject({ status: "NeedsAttention", error: { step: "complete" } });
    expect(undoneSteps(await journalOf(order.orderId))).toEqual([]);
    expect(await shelfOf(order.parts)).toEqual({ on_hand: 5, reserved: 0 });
    await settled();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("of complete, after its commit, ends as what was committed: Completed", async ({ expect }) => {
    const order = await newOrder();
    breakD1({ marker: order.keys.complete, kind: "after" });
    await order.place();

    expect((await drive(order.orderId)).status).toBe("Completed");
    expect(await wrongWith(order, "Completed")).toEqual([]);
  });
});

describe("an undo that fails", () => {
  const isUnknown = (step: Step) => (state: { steps: readonly { step: string; state: string }[] }) =>
    state.steps.some((entry) => entry.step === step && entry.state === "unknown");

  it.for<[Step, FaultKind]>([
    ["reserve", "before"],
    ["reserve", "after"],
    ["purchase", "before"],
    ["purchase", "after"],
    ["move", "before"],
    ["move", "after"],
  ])("of %s, once %s its commit, is repeated and undoes once", async ([step, kind], { expect }) => {
    const order = await newOrder();
    const d1 = breakD1(
      { marker: order.keys.move, kind: "after" }, // the stock has moved, and the saga doesn't know
      { marker: `${order.keys[step]}:undo`, kind, times: 1 },
    );
    await order.place();
    await drive(order.orderId, { stop: isUnknown("move") });
    await sagaOf(order.orderId).cancel("no longer needed");
    await drive(order.orderId);

    expect(d1.hits(`${order.keys[step]}:undo`)).toBe(1);
    expect(await orderView(order.orderId)).toMatchObject({ error: { code: "CANCELLED", reason: "no longer needed" } });
    expect(undoneSteps(await journalOf(order.orderId))).toEqual(begunBefore("move", order));
    expect(await wrongWith(order, "Cancelled")).toEqual([]);
  });

  it("of one step for good leaves it to a person, with the others undone", async ({ expect }) => {
    const order = await newOrder();
    breakD1({ marker: order.keys.move, kind: "before" }, { marker: `${order.keys.purchase}:undo`, kind: "before" });
    await order.place();
    await drive(order.orderId);
    const last = new Map((await journalOf(order.orderId)).map(({ step, state }) => [step, state]));

    expect(await orderView(order.orderId)).toMatchObject({ status: "NeedsAttention", error: { step: "move" } });
    expect(last.get(`purchase:${order.parts.supplier.supplier}`)).toBe("compensation_failed");
    expect(["move", "reserve", "create"].map((step) => last.get(step))).toEqual([
      "compensated",
      "compensated",
      "compensated",
    ]);
    expect(await shelfOf(order.parts)).toEqual({ on_hand: 30, reserved: 0 });
    await settled();
    expect(await violations(env.DB)).toEqual([]);
  });

  it.for<["fence:0" | "close:1", FaultKind]>([
    ["fence:0", "before"],
    ["fence:0", "after"],
    ["close:1", "before"],
    ["close:1", "after"],
  ])("the %s, twice %s its commit, is repeated until it is known", async ([act, kind], { expect }) => {
    const order = await newOrder();
    await order.parts.supplier.switchOn({ refuse: true });
    const d1 = breakD1({ marker: `${order.orderId}:${act}`, kind, times: 2 });
    await order.place();
    await drive(order.orderId);

    expect(d1.hits(`${order.orderId}:${act}`)).toBe(2);
    expect(await orderView(order.orderId)).toMatchObject({ error: { code: "SUPPLIER_REFUSED" } });
    expect(await wrongWith(order, "Cancelled")).toEqual([]);
  });
});
