/** Which orders are stuck, how long, in which step, for which truck; and that one which slept through its wake time is told once. */
import { runInDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, it } from "vitest";
import { faultyD1 } from "../support/faulty-d1.ts";
import { as, env, startWorld } from "../support/harness.ts";
import { ask, comeBack, heldUpFor4Hours, holdUp } from "../support/order-acts.ts";
import { runCron } from "../support/relay.ts";
import {
  drive,
  giveSelfLimit,
  MANAGER,
  mixedOrder,
  sagaOf,
  seedMixedParts,
  settled,
  watch,
} from "../support/saga-world.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});
afterEach(() => wrapBindings({}));

let names = 0;
const newOrder = async () => mixedOrder(await seedMixedParts(`STUCK${++names}`));
const stuck = async (who = MANAGER, query = "") => (await as(who, "GET", `/api/orders/stuck${query}`)).body;

async function alarmsOf(orderId: string): Promise<string[]> {
  await settled();
  const { results } = await env.DB.prepare(
    `SELECT event ->> '$.data.message' AS message FROM outbox WHERE type = 'ErrorOccurred' AND subject = ?
     AND event ->> '$.data.code' = 'ORDER_STUCK' ORDER BY seq`,
  )
    .bind(`order/${orderId}`)
    .all<{ message: string }>();
  return results.map(({ message }) => message);
}

it("an order that waits for its supplier is shown with its step, since when, how often it tried and why; done, it is gone", async ({
  expect,
}) => {
  const order = await newOrder();
  await holdUp(order);
  await order.place();
  await drive(order.orderId, { stop: ({ blockedSince }) => blockedSince > 0 });
  moveClock(20_000);
  const { data } = await stuck();
  expect(data).toEqual([
    expect.objectContaining({
      order_id: order.orderId,
      device_id: "truck-001",
      destination: "truck-001",
      status: "Pending",
      why: "waiting",
      step: `purchase:${order.parts.supplier.supplier}`,
      attempts: 0,
      last_error: "blocked",
    }),
  ]);
  expect(data[0].stuck_for_s).toBeGreaterThanOrEqual(20);
  expect(data[0].stuck_for_s).toBeLessThan(60);
  expect((await stuck("manager-south")).data).toEqual([]);
  expect((await as("keeper-03", "GET", "/api/orders/stuck")).status).toBe(403);
  await comeBack(order);
  await drive(order.orderId);
  expect((await stuck()).data).toEqual([]);
});

it("one that needs attention is shown until a person has acted, the longest stuck first, page by page", async ({
  expect,
}) => {
  const [first, second] = [await newOrder(), await newOrder()];
  await heldUpFor4Hours(first);
  await heldUpFor4Hours(second);
  const all = await stuck("ops");
  expect(all.data.map((one: { order_id: string; why: string }) => [one.order_id, one.why])).toEqual([
    [first.orderId, "needs_attention"],
    [second.orderId, "needs_attention"],
  ]);
  expect(all.data[0].stuck_for_s).toBeGreaterThanOrEqual(8 * 60 * 60);
  expect(all.data[0]).toMatchObject({
    step: `purchase:${first.parts.supplier.supplier}`,
    error: { code: "CIRCUIT_OPEN", reason: expect.stringContaining("circuit") },
  });
  const page = await stuck("ops", "?limit=1");
  expect(page.data.map((one: { order_id: string }) => one.order_id)).toEqual([first.orderId]);
  const rest = await stuck("ops", `?limit=1&cursor=${page.meta.next_cursor}`);
  expect(rest).toMatchObject({ data: [{ order_id: second.orderId }], meta: { next_cursor: null } });
  for (const order of [first, second]) {
    await comeBack(order);
    expect((await ask("ops", order.orderId, "resume", { reason: "they are back" })).status).toBe(202);
    await drive(order.orderId);
  }
  expect((await stuck("ops")).data).toEqual([]);
});

it("one that is a minute past its wake time is told once for that time, and revived", async ({ expect }) => {
  const order = await newOrder();
  const d1 = faultyD1({ marker: order.keys.move, kind: "before", times: 1 });
  wrapBindings({ DB: d1.wrap });
  await order.place();
  await watch(order.orderId, ({ waitUntil }) => waitUntil > 0);
  const lose = () => runInDurableObject(sagaOf(order.orderId), (_, state) => state.storage.deleteAlarm());
  await lose();
  moveClock(40_000);
  await runCron();
  expect(await alarmsOf(order.orderId)).toEqual([]); // not a minute yet
  await lose();
  moveClock(40_000);
  expect((await stuck()).data).toEqual([
    expect.objectContaining({ order_id: order.orderId, why: "overdue", step: "move" }),
  ]);
  wrapBindings({ DB: faultyD1({ marker: order.keys.move, kind: "before" }).wrap });
  await runCron();
  await runCron();
  const [message, ...more] = await alarmsOf(order.orderId);
  expect(message).toContain("stuck at move");
  expect(message).toContain("Network connection lost");
  expect(more).toEqual([]);
  wrapBindings({});
  await drive(order.orderId);

  expect((await as("ops", "GET", `/api/orders/${order.orderId}`)).body.status).toBe("Completed");
  expect(await alarmsOf(order.orderId)).toHaveLength(1);
});
