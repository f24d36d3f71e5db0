/** The driver of many sagas: it moves the clock for all of them, and never past what one of them waits for. */
import { beforeAll, it } from "vitest";
import { env, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { driveMany, plannedAt } from "../support/many-sagas.ts";
import { giveSelfLimit, MANAGER, mixedOrder, seedPart, settled } from "../support/saga-world.ts";
import { standInSupplier } from "../support/stand-in-supplier.ts";
import { testClock } from "../support/world.ts";

const ORDERS = 8;
/** What the machine may need for a run, on top of the moved clock. */
const SLACK_MS = 10_000;

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000_000);
});

it("sagas of a supplier that is down for 45 s each wake when they asked to, and its health is asked every 30 s", async ({
  expect,
}) => {
  const supplier = standInSupplier("sup-many");
  const parts = { stocked: "S-MANY", bought: "B-MANY", supplier };
  await seedPart(parts.stocked, { shelves: [{ location: "warehouse-03", bin: "Bin-M-1", quantity: 25 * ORDERS }] });
  await seedPart(parts.bought, { offeredBy: [supplier.supplier] });
  const orders = await Promise.all(Array.from({ length: ORDERS }, () => mixedOrder(parts)));
  await supplier.switchOn({ down: true });
  const began = testClock.now();
  const wakes: { readonly orderId: string; readonly dueAt: number; readonly now: number }[] = [];
  let mostUnderWay = 0;
  let placed = 0;
  let ended = 0;

  const states = await driveMany(
    orders.map(({ orderId, place }) => async () => {
      mostUnderWay = Math.max(mostUnderWay, ++placed - ended);
      await place();
      return orderId;
    }),
    {
      atOnce: 6,
      planned: [plannedAt(began + 45_000, () => supplier.switchOn({}))],
      onWake: (orderId, dueAt, now) => void wakes.push({ orderId, dueAt, now }),
      onEnd: () => void ended++,
      deadlineMs: 25_000,
    },
  );

  expect([...states.values()].map(({ status }) => status)).toEqual(orders.map(() => "Completed"));
  expect(mostUnderWay).toBe(6);
  expect(wakes.filter(({ dueAt, now }) => now < dueAt || now > dueAt + SLACK_MS)).toEqual([]);
  expect(new Set(wakes.map(({ orderId }) => orderId)).size).toBeGreaterThanOrEqual(6);
  const health = (await supplier.calls())["GET health"] ?? 0;
  expect(health).toBeGreaterThanOrEqual(2);
  expect(health).toBeLessThanOrEqual(1 + Math.ceil((testClock.now() - began) / 30_000));
  for (const { keys } of orders) {
    expect((await supplier.ordersUnder(keys.purchase)).map(({ status }) => status)).toEqual(["accepted"]);
  }
  await settled();
  expect(await violations(env.DB)).toEqual([]);
});

it("a fault of one order ends the drive and is told", async ({ expect }) => {
  const nobody = driveMany([() => Promise.reject(new Error("not placed"))], { atOnce: 1, deadlineMs: 5_000 });
  await expect(nobody).rejects.toThrow("not placed");
});
