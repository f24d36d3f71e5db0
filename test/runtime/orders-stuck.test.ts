/** Which orders are stuck, how long, in which step, for which truck; and that one which slept through its wake time is told once. */
import { runInDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, it } from "vitest";
import type { Env } from "../../src/env.ts";
import { aroundQueue } from "../support/bindings.ts";
import { faultyD1 } from "../support/faulty-d1.ts";
import { as, env, startWorld, until } from "../support/harness.ts";
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

const LONG_AGO = "2026-01-05T06:00:00.000Z";
let names = 0;
const newOrder = async () => mixedOrder(await seedMixedParts(`STUCK${++names}`));
const stuck = async (who = MANAGER, query = "") => (await as(who, "GET", `/api/orders/stuck${query}`)).body;

/** Sagas of which some can't be started. */
function failingStarts(real: Env["SAGA"], fails: (orderId: string) => boolean): Env["SAGA"] {
  return {
    idFromName: (name: string) => real.idFromName(name),
    get: (id: DurableObjectId) => ({
      start: async (...args: Parameters<ReturnType<Env["SAGA"]["get"]>["start"]>) => {
        if (fails(args[0])) throw new Error("it can't be started");
        await real.get(id).start(...args);
      },
    }),
  } as unknown as Env["SAGA"];
}

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

it("one is revived, and a lost upload sent again, though a hundred and one others can't be told nor revived, ever", async ({
  expect,
}) => {
  const order = await newOrder();
  wrapBindings({ DB: faultyD1({ marker: order.keys.move, kind: "before", times: 1 }).wrap });
  await order.place();
  await watch(order.orderId, ({ waitUntil }) => waitUntil > 0);
  await runInDurableObject(sagaOf(order.orderId), (_, state) => state.storage.deleteAlarm());
  await env.DB.batch([
    env.DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 101)
       INSERT INTO orders(id, requester, device_id, region, destination, status, step, total, currency, next_wake_at, created_at, updated_at)
       SELECT 'ord_broken_' || i, requester, device_id, region, destination, status, step, total, currency,
         '${LONG_AGO}', '${LONG_AGO}', '${LONG_AGO}'
       FROM orders, n WHERE id = ?`,
    ).bind(order.orderId),
    env.DB.prepare(
      `INSERT INTO cloud_uploads(response_id, store, path, state, due_at, updated_at)
       VALUES ('resp_lost', 'archive', 'lost.json', 'queued', '${LONG_AGO}', '${LONG_AGO}')`,
    ),
  ]);
  const uploads: unknown[] = [];
  const revivals: string[] = [];
  const untold = faultyD1({ marker: LONG_AGO, kind: "before" });
  wrapBindings({
    DB: untold.wrap,
    CLOUD_UPLOADS_QUEUE: (real) => aroundQueue(real, async (_, bodies) => void uploads.push(...bodies)),
    SAGA: (real) => failingStarts(real, (id) => (revivals.push(id), id.startsWith("ord_broken_"))),
  });
  moveClock(80_000);
  await until("it has gone on", async () => {
    await runCron();
    return (await as("ops", "GET", `/api/orders/${order.orderId}`)).body.status === "Completed";
  });

  expect(revivals.filter((id) => id.startsWith("ord_broken_")).length).toBeGreaterThanOrEqual(99);
  expect(untold.hits(LONG_AGO)).toBeGreaterThanOrEqual(99);
  expect(uploads).toContainEqual({ response_id: "resp_lost" });
  expect(await alarmsOf(order.orderId)).toHaveLength(1);
  await env.DB.batch([
    env.DB.prepare("DELETE FROM cloud_uploads WHERE response_id = 'resp_lost'"),
    env.DB.prepare("DELETE FROM orders WHERE id LIKE 'ord_broken_%'"),
  ]);
});
