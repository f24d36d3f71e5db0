/** What wakes a saga comes twice, fails for long, or is lost; and what ends it comes from two sides at once. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, it } from "vitest";
import { randomFrom } from "../../scripts/demo/random.ts";
import { sha256Hex } from "../../src/container.ts";
import { aroundDatabase, gate } from "../support/bindings.ts";
import { faultyD1 } from "../support/faulty-d1.ts";
import { as, env, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { ask, comeBack, errorsTold, heldUpFor4Hours } from "../support/order-acts.ts";
import { proved, seed, sizeOf } from "../support/proof.ts";
import { runCron } from "../support/relay.ts";
import {
  drive,
  giveSelfLimit,
  journalOf,
  MANAGER,
  mixedOrder,
  orderView,
  sagaOf,
  seedMixedParts,
  seedPart,
  settled,
  watch,
  wrongWith,
} from "../support/saga-world.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000_000);
});
afterEach(() => wrapBindings({}));

let parts = 0;
const newOrder = async () => mixedOrder(await seedMixedParts(`ALARM${++parts}`));

it("scenario 13: an alarm that fires twice, and during a run, makes no step run twice", async ({ expect }) => {
  const order = await newOrder();
  await order.place();
  const alarm = () => runDurableObjectAlarm(sagaOf(order.orderId));
  await until("it has ended", async () => {
    await Promise.all([alarm(), alarm(), alarm(), sagaOf(order.orderId).wake()]);
    return (await orderView(order.orderId)).status === "Completed";
  });
  const begun = (await journalOf(order.orderId)).filter(({ state }) => state === "intended");
  expect(begun.map(({ step, attempt }) => `${step} ${attempt}`)).toEqual([
    "create 1",
    "reserve 1",
    `purchase:${order.parts.supplier.supplier} 1`,
    "move 1",
    "complete 1",
  ]);
  expect(await wrongWith(order, "Completed")).toEqual([]);
});

it("scenario 14: ten alarms that find the database down give nothing up: the saga goes on when it is back", async ({
  expect,
}) => {
  const order = await newOrder();
  const d1 = faultyD1({ marker: order.keys.reserve, kind: "before", times: 1 });
  wrapBindings({ DB: d1.wrap });
  await order.place();
  await watch(order.orderId, () => d1.hits(order.keys.reserve) > 0);
  const broken = gate();
  broken.breakDown();
  wrapBindings({ DB: (real) => aroundDatabase(real, (work) => broken.pass().then(work)) });
  for (let alarm = 0; alarm < 10; alarm++) {
    moveClock(1_000);
    await runDurableObjectAlarm(sagaOf(order.orderId));
    const next = await runInDurableObject(sagaOf(order.orderId), (_, state) => state.storage.getAlarm());
    expect(next).not.toBeNull();
  }
  wrapBindings({});
  await drive(order.orderId);
  const { status } = await orderView(order.orderId);
  expect(await wrongWith(order, status === "Completed" ? "Completed" : "Cancelled")).toEqual([]);
});

it("scenario 15: a saga whose alarm is lost is found by the cron and goes on", async ({ expect }) => {
  const order = await newOrder();
  const d1 = faultyD1({ marker: order.keys.move, kind: "before", times: 1 });
  wrapBindings({ DB: d1.wrap });
  await order.place();
  await watch(order.orderId, (state) => state.waitUntil > 0);
  expect(d1.hits(order.keys.move)).toBe(1);
  const lose = () => runInDurableObject(sagaOf(order.orderId), (_, state) => state.storage.deleteAlarm());
  await lose();
  wrapBindings({});
  moveClock(30_000);
  await runCron();
  expect((await orderView(order.orderId)).status).toBe("Pending"); // not overdue yet
  await lose();
  moveClock(60_000);
  await runCron();
  await watch(order.orderId, (state) => state.phase === "ended");
  expect(await wrongWith(order, "Completed")).toEqual([]);
});

it("each wake is a span of its own in the order's trace: its journal and what it did in the trail show the same", async ({
  expect,
}) => {
  const order = await newOrder();
  wrapBindings({ DB: faultyD1({ marker: order.keys.move, kind: "before", times: 1 }).wrap });
  await order.place();
  await drive(order.orderId);
  const view = (await as("ops", "GET", `/api/orders/${order.orderId}/saga`)).body;
  const journal: { step: string; state: string; traceparent: string }[] = view.journal;
  const spansOf = (...steps: string[]) =>
    new Set(journal.filter(({ step }) => steps.includes(step)).map(({ traceparent }) => traceparent));

  expect(new Set(journal.map(({ traceparent }) => traceparent.slice(3, 35)))).toEqual(
    new Set([view.traceparent.slice(3, 35)]),
  );
  const [first, second] = spansOf("move");
  expect(spansOf("create", "reserve")).toEqual(new Set([first])); // before it slept
  expect(spansOf("complete")).toEqual(new Set([second])); // woken by its alarm
  expect(new Set([first, second, view.traceparent]).size).toBe(3);
});

it("a journal of before spans were kept goes on, and shows the order's trace for what was done then", async ({
  expect,
}) => {
  const order = await newOrder();
  wrapBindings({ DB: faultyD1({ marker: order.keys.move, kind: "before", times: 1 }).wrap });
  await order.place();
  await watch(order.orderId, ({ waitUntil }) => waitUntil > 0);
  const old = await runInDurableObject(sagaOf(order.orderId), (_, { storage }) => {
    storage.sql.exec("ALTER TABLE journal DROP COLUMN traceparent");
    return storage.sql.exec("SELECT MAX(seq) AS seq FROM journal").one().seq as number;
  });
  wrapBindings({});
  moveClock(30_000); // what holds the object lets it go
  await evictDurableObject(sagaOf(order.orderId));
  await drive(order.orderId);

  const view = (await as("ops", "GET", `/api/orders/${order.orderId}/saga`)).body;
  const spans = view.journal.map(({ seq, traceparent }: { seq: number; traceparent: string }) => [
    seq <= old,
    traceparent === view.traceparent,
  ]);
  expect(spans.filter(([before, same]: [boolean, boolean]) => before !== same)).toEqual([]);
  expect(await wrongWith(order, "Completed")).toEqual([]);
});

const loseAlarm = (orderId: string) => runInDurableObject(sagaOf(orderId), (_, state) => state.storage.deleteAlarm());
const wakeTimeOf = (orderId: string) =>
  env.DB.prepare("SELECT next_wake_at FROM orders WHERE id = ?").bind(orderId).first<string | null>("next_wake_at");

it("a fence that can't be set for minutes, its alarm lost, is told as stuck, once, and goes on by the cron", async ({
  expect,
}) => {
  const order = await newOrder();
  await order.parts.supplier.switchOn({ refuse: true });
  wrapBindings({ DB: faultyD1({ marker: `${order.orderId}:fence:0`, kind: "before" }).wrap });
  await order.place();
  await drive(order.orderId, {
    stop: ({ phase, tries, waitUntil }) => phase === "fencing" && tries >= 6 && waitUntil > 0,
  });
  await loseAlarm(order.orderId);
  moveClock(200_000);
  await runCron();
  expect(await errorsTold(order.orderId)).toEqual(["ORDER_STUCK"]);
  wrapBindings({});
  moveClock(200_000);
  await runCron();
  await drive(order.orderId);

  expect(await wrongWith(order, "Cancelled")).toEqual([]);
});

it("an act on an order that needs attention, its batch and then its alarm lost, is told as stuck and carried out by the cron", async ({
  expect,
}) => {
  const order = await newOrder();
  await heldUpFor4Hours(order);
  await comeBack(order);
  wrapBindings({ DB: faultyD1({ marker: `${order.orderId}:take-over:0`, kind: "before" }).wrap });
  expect((await ask(MANAGER, order.orderId, "resume", { reason: "they are back" })).status).toBe(202);
  await watch(order.orderId, ({ phase, waitUntil }) => phase === "taking_over" && waitUntil > 0);
  await until("the wait is on record", async () => (await wakeTimeOf(order.orderId)) !== null);
  await loseAlarm(order.orderId);
  moveClock(200_000);
  await runCron();
  expect(await errorsTold(order.orderId)).toEqual(["CIRCUIT_OPEN", "ORDER_STUCK"]);
  await watch(order.orderId, ({ tries }) => tries >= 2); // revived
  await loseAlarm(order.orderId);
  wrapBindings({});
  moveClock(200_000);
  await runCron();
  await watch(order.orderId, ({ status, phase }) => phase === "ended" && status === "Completed");

  expect(await wrongWith(order, "Completed")).toEqual([]);
});

it("an act that is refused leaves nothing for the cron to do", async ({ expect }) => {
  const order = await newOrder();
  await heldUpFor4Hours(order);
  await env.DB.prepare("UPDATE orders SET fence = 9 WHERE id = ?").bind(order.orderId).run(); // somebody else's
  expect((await ask(MANAGER, order.orderId, "resume", { reason: "they are back" })).status).toBe(202);
  await watch(order.orderId, ({ phase, takeOver }) => phase === "ended" && takeOver === null);
  await until("no wake is on record", async () => (await wakeTimeOf(order.orderId)) === null);
  moveClock(200_000);
  await runCron();
  expect(await errorsTold(order.orderId)).toEqual(["CIRCUIT_OPEN"]);
  await env.DB.prepare("UPDATE orders SET fence = 0 WHERE id = ?").bind(order.orderId).run();
  await comeBack(order);
  expect((await ask(MANAGER, order.orderId, "resume", { reason: "they are back" })).status).toBe(202);
  await drive(order.orderId);
});

it("a completed order whose purchase was accepted twice, its alarm lost, is looked after by the cron: one is left, and nobody is alarmed", async ({
  expect,
}) => {
  const order = await newOrder();
  const { supplier } = order.parts;
  await supplier.switchOn({ accept_late_ms: 24 * 60 * 60 * 1000 }); // answers 504, accepts when told to
  await order.place();
  await drive(order.orderId, {
    stop: ({ steps }) => steps.some(({ step, state }) => step.startsWith("purchase:") && state === "unknown"),
  });
  await supplier.switchOn({ double_accept: true });
  await drive(order.orderId);
  expect((await orderView(order.orderId)).status).toBe("Completed");
  await until("the watch is on record", async () => (await wakeTimeOf(order.orderId)) !== null);
  await loseAlarm(order.orderId);
  await supplier.acceptLateNow();
  expect(await wrongWith(order, "Completed")).toEqual(["live at the supplier 2"]);
  moveClock(200_000);
  await runCron();
  await watch(order.orderId, ({ watching }) => (watching[0]?.looks ?? 9) > 0);

  expect(await wrongWith(order, "Completed")).toEqual([]);
  expect(await errorsTold(order.orderId)).toEqual([]);
  await until("the watch is over", async () => {
    moveClock(31_000);
    await runDurableObjectAlarm(sagaOf(order.orderId));
    return (await wakeTimeOf(order.orderId)) === null;
  });
});

it("scenario 24: a cancel that meets a step, or the end, leaves one end that is whole", async ({ expect }) => {
  const random = randomFrom(seed);
  const orders = sizeOf(12, 60);
  const sku = "CANCEL-1";
  await seedPart(sku, { shelves: [{ location: "warehouse-03", bin: "Bin-1", quantity: orders }], price: 100 });
  const ends: Record<string, number> = {};
  for (let number = 0; number < orders; number++) {
    const orderNumber = `CANCEL-${number}`;
    const id = `ord_${(await sha256Hex(`${MANAGER}:${orderNumber}`)).slice(0, 32)}`;
    // The step that fails once makes the saga sleep there: the cancel meets what was done, or what may have been.
    const step = random.pick(["reserve", "move", "complete", "none"]);
    const kind = random.pick(["before", "after"] as const);
    wrapBindings({ DB: faultyD1({ marker: `${id}:${step}:0`, kind, times: 1 }).wrap });
    const body = { order_number: orderNumber, device_id: "truck-001", lines: [{ sku, quantity: 1 }] };
    const placed = await as(MANAGER, "POST", "/api/orders", body);
    expect(placed.body.order_id).toBe(id);
    await until("its saga is there", async () => sagaOf(id).inspect());
    await Promise.all([sagaOf(id).cancel("no longer wanted"), drive(id), sagaOf(id).cancel("no longer wanted")]);
    const { status } = await orderView(id);
    ends[status] = (ends[status] ?? 0) + 1;
  }
  wrapBindings({});
  await settled();
  const count = (sql: string) => env.DB.prepare(sql).first<number>("n");
  const ended = await count(
    "SELECT COUNT(*) AS n FROM outbox WHERE type = 'OrderEnded' AND event ->> '$.data.order_id' IN (SELECT order_id FROM order_lines WHERE sku = 'CANCEL-1')",
  );
  expect(ended).toBe(orders);
  expect(Object.keys(ends).sort()).toEqual(["Cancelled", "Completed"]);
  const left = await count(
    "SELECT on_hand - reserved AS n FROM stock_levels WHERE sku = 'CANCEL-1' AND location = 'warehouse-03'",
  );
  expect(left).toBe(ends["Cancelled"] ?? 0);
  expect(await violations(env.DB)).toEqual([]);
  proved("orders cancelled while they run", { orders, ...ends });
}, 120_000);
