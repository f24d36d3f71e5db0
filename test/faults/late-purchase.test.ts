/** A purchase order that is on its way for longer than its caller waits reaches the supplier when the order is undone. */
import { beforeAll, it } from "vitest";
import { startWorld } from "../support/harness.ts";
import { holdCalls } from "../support/held-fetch.ts";
import {
  drive,
  giveSelfLimit,
  MANAGER,
  mixedOrder,
  sagaOf,
  seedMixedParts,
  watch,
  wrongWith,
} from "../support/saga-world.ts";
import { testClock } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});

it.for([20, 100])(
  "a purchase whose connection broke reaches the supplier %s s later, the order being called off: it is Cancelled and nothing is live there",
  async (seconds, { expect }) => {
    const order = await mixedOrder(await seedMixedParts(`HELD${seconds}`));
    const step = `purchase:${order.parts.supplier.supplier}`;
    const calls = holdCalls("POST", `/${order.parts.supplier.supplier}/purchase-orders`);
    try {
      await order.place();
      await watch(order.orderId, ({ steps }) => steps.some((one) => one.step === step && one.state === "unknown"));
      const arrivesAt = testClock.now() + seconds * 1_000;
      await sagaOf(order.orderId).cancel("no longer needed");
      await drive(order.orderId, {
        meanwhile: async () => void (testClock.now() >= arrivesAt && (await calls.arrive())),
      });
      await calls.arrive(); // whatever the saga believes by then
    } finally {
      calls.end();
    }

    expect(calls.count()).toBeGreaterThan(0);
    expect(await order.parts.supplier.ordersUnder(order.keys.purchase)).toMatchObject([{ status: "cancelled" }]);
    expect(await wrongWith(order, "Cancelled")).toEqual([]);
  },
);
