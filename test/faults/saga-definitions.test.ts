/** Two definitions of the saga alive at once, as after a deployment: each order ends under the one that it began under. */
import { evictDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, it } from "vitest";
import { SUPPLIER_TIMEOUT_MS } from "../../src/config.ts";
import { SAGA_DEFINITIONS, type SagaDefinitions } from "../../src/domain/saga-definitions.ts";
import { faultyD1 } from "../support/faulty-d1.ts";
import { as, env, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { ask } from "../support/order-acts.ts";
import {
  drive,
  giveSelfLimit,
  journalOf,
  MANAGER,
  mixedOrder,
  orderView,
  sagaOf,
  seedMixedParts,
  settled,
  wrongWith,
  type MixedOrder,
} from "../support/saga-world.ts";
import { deploySagaDefinitions, moveClock, wrapBindings } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});
afterEach(() => {
  wrapBindings({});
  deploySagaDefinitions(undefined);
});

/** What a later version might bring: bought first, reserved then. */
const NEXT: SagaDefinitions = {
  current: 2,
  known: [...SAGA_DEFINITIONS.known, { version: 2, steps: ["create", "purchase", "reserve", "move", "complete"] }],
};

let names = 0;
const newOrder = async () => mixedOrder(await seedMixedParts(`DEF${++names}`));

/** Begun, and asleep: its batch `create` was lost once. */
async function asleep(order: MixedOrder): Promise<void> {
  wrapBindings({ DB: faultyD1({ marker: order.keys.create, kind: "before", times: 1 }).wrap });
  await order.place();
  await drive(order.orderId, { stop: ({ waitUntil }) => waitUntil > 0 });
  wrapBindings({});
  moveClock(SUPPLIER_TIMEOUT_MS + 1); // what holds the object lets it go
  await evictDurableObject(sagaOf(order.orderId));
}

async function stepsOf(order: MixedOrder): Promise<string[]> {
  const done = (await journalOf(order.orderId)).filter(({ state }) => state === "done");
  return done.map(({ step }) => (step.startsWith("purchase:") ? "purchase" : step));
}

it("an order goes on under the definition in its journal, while new ones begin under the next", async ({ expect }) => {
  const [old, young] = [await newOrder(), await newOrder()];
  await asleep(old);
  deploySagaDefinitions(NEXT);
  await young.place();
  await drive(young.orderId);
  await drive(old.orderId);

  expect(await stepsOf(old)).toEqual(["create", "reserve", "purchase", "move", "complete"]);
  expect(await stepsOf(young)).toEqual(["create", "purchase", "reserve", "move", "complete"]);
  const versions = [old, young].map(
    async ({ orderId }) => (await as("ops", "GET", `/api/orders/${orderId}/saga`)).body.definition,
  );
  expect(await Promise.all(versions)).toEqual([1, 2]);
  for (const order of [old, young]) expect(await wrongWith(order, "Completed")).toEqual([]);
});

it("an order of a definition that was taken back is put before a person, and goes on once it is there again", async ({
  expect,
}) => {
  const order = await newOrder();
  deploySagaDefinitions(NEXT);
  await asleep(order);
  deploySagaDefinitions(undefined);
  await drive(order.orderId);
  expect(await orderView(order.orderId)).toMatchObject({
    status: "NeedsAttention",
    error: { code: "UNKNOWN_DEFINITION", reason: expect.stringContaining("definition 2") },
  });
  expect((await as("ops", "GET", `/api/orders/${order.orderId}/saga`)).body.possible).toEqual([
    { action: "resolve", to: "Cancelled" },
  ]);
  await settled();
  const told = await env.DB.prepare("SELECT COUNT(*) AS n FROM outbox WHERE type = 'ErrorOccurred' AND subject = ?")
    .bind(`order/${order.orderId}`)
    .first<number>("n");
  expect(told).toBe(1);

  deploySagaDefinitions(NEXT);
  moveClock(SUPPLIER_TIMEOUT_MS + 1);
  await evictDurableObject(sagaOf(order.orderId));
  expect((await ask(MANAGER, order.orderId, "resume", { reason: "deployed again" })).status).toBe(202);
  await drive(order.orderId);
  expect(await stepsOf(order)).toEqual(["close", "take_over", "create", "purchase", "reserve", "move", "complete"]);
  expect(await wrongWith(order, "Completed")).toEqual([]);
});

it("an order of a definition that nobody knows any more is resolved: what it reserved is given back", async ({
  expect,
}) => {
  const order = await newOrder();
  deploySagaDefinitions({
    current: 3,
    known: [...SAGA_DEFINITIONS.known, { version: 3, steps: ["create", "reserve", "move", "purchase", "complete"] }],
  });
  wrapBindings({ DB: faultyD1({ marker: order.keys.move, kind: "before", times: 1 }).wrap });
  await order.place();
  await drive(order.orderId, { stop: ({ waitUntil }) => waitUntil > 0 });
  wrapBindings({});
  deploySagaDefinitions(undefined);
  moveClock(SUPPLIER_TIMEOUT_MS + 1);
  await evictDurableObject(sagaOf(order.orderId));
  await drive(order.orderId);
  expect((await orderView(order.orderId)).status).toBe("NeedsAttention");
  const asked = await ask(MANAGER, order.orderId, "resolve", { status: "Cancelled", reason: "ordered anew" });
  expect(asked.status).toBe(202);
  await drive(order.orderId);

  expect(await wrongWith(order, "Cancelled")).toEqual([]);
  expect(await violations(env.DB)).toEqual([]);
});
