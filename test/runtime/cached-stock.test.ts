/** What the catalogue shows of a part's stock follows every change of it, also those that no movement tells of. */
import { afterEach, beforeAll, it } from "vitest";
import { as, env, startWorld, until } from "../support/harness.ts";
import { drive, giveSelfLimit, MANAGER, mixedOrder, sagaOf, seedMixedParts, settled } from "../support/saga-world.ts";
import { wrapBindings } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});
afterEach(() => wrapBindings({}));

/** Sums over all places, as a reader of the catalogue sees them once they come from the cache. */
async function shown(sku: string): Promise<{ on_hand: number; reserved: number; incoming: number }> {
  const { body } = await until(`${sku} comes from the cache`, async () => {
    const answer = await as("ops", "GET", `/api/parts/${sku}`);
    return answer.body.meta.cache === "HIT" ? answer : null;
  });
  const sum = (figure: "on_hand" | "reserved" | "incoming") =>
    body.data.stock.reduce((total: number, place: Record<string, number>) => total + (place[figure] ?? 0), 0);
  return { on_hand: sum("on_hand"), reserved: sum("reserved"), incoming: sum("incoming") };
}

it("an order reserves, and gives back when it is cancelled: the cached part shows both", async ({ expect }) => {
  const order = await mixedOrder(await seedMixedParts("SHOWN1"));
  const { stocked, supplier } = order.parts;
  expect(await shown(stocked)).toEqual({ on_hand: 30, reserved: 0, incoming: 0 });
  await supplier.switchOn({ down: true });
  await order.place();
  await drive(order.orderId, { stop: ({ steps }) => steps.some(({ step }) => step.startsWith("purchase:")) });
  await settled();
  expect(await shown(stocked)).toEqual({ on_hand: 30, reserved: 25, incoming: 0 });

  await supplier.switchOn({});
  await sagaOf(order.orderId).cancel("no longer needed");
  await drive(order.orderId);
  await settled();
  expect(await shown(stocked)).toEqual({ on_hand: 30, reserved: 0, incoming: 0 });
});

it("an order buys: the cached part shows what is incoming", async ({ expect }) => {
  const order = await mixedOrder(await seedMixedParts("SHOWN2"));
  expect((await shown(order.parts.bought)).incoming).toBe(0);
  await order.place();
  await drive(order.orderId);
  await settled();
  expect((await shown(order.parts.bought)).incoming).toBe(4);
  expect(await env.DB.prepare("SELECT status FROM orders WHERE id = ?").bind(order.orderId).first("status")).toBe(
    "Completed",
  );
});
