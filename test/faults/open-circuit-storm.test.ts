/**
 * A supplier that is down for a minute under many orders that wait for it, on a moved clock, through the sagas' own objects:
 * what reaches the supplier meanwhile and afterwards, counted by the supplier itself.
 */
import { afterAll, beforeAll, it, vi } from "vitest";
import { BREAKER_HEALTH_CHECK_MS, BREAKER_PROBE_LEASE_MS, OPEN_CIRCUIT_SPREAD_MS } from "../../src/config.ts";
import type { SagaState } from "../../src/domain/saga-state.ts";
import { clientOf } from "../support/breaker-world.ts";
import { env, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { driveMany, plannedAt } from "../support/many-sagas.ts";
import { isFull, proved, sizeOf } from "../support/proof.ts";
import { drive, giveSelfLimit, MANAGER, mixedOrder, seedPart, settled, watch } from "../support/saga-world.ts";
import { standInSupplier } from "../support/stand-in-supplier.ts";
import { moveClock, testClock } from "../support/world.ts";

const ORDERS = sizeOf(40, 200);
const DOWN_MS = 60_000;
const PLACED_TOGETHER = 10;
/** By chance alone a few orders crowd into a second more easily than many. */
const FULLEST_SECOND = isFull ? 0.25 : 0.4;
/** Those that find the probe under way come once more, and don't wait for its lease to end. */
const LONGEST_SPREAD_MS = BREAKER_PROBE_LEASE_MS;
const LEAST_SPREAD_MS = OPEN_CIRCUIT_SPREAD_MS * (isFull ? 0.8 : 0.7);

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000_000);
  moveClock(24 * 60 * 60 * 1000); // alarms lie in real time's future: none fires by itself
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});
afterAll(() => void vi.restoreAllMocks());

const isBlocked = ({ blockedSince }: SagaState) => blockedSince > 0;
const sum = (calls: Readonly<Record<string, number>>) => Object.values(calls).reduce((total, n) => total + n, 0);

it(`${ORDERS} orders that wait for a supplier leave it alone while it is down, and come back one by one`, async ({
  expect,
}) => {
  const supplier = standInSupplier("sup-storm");
  const parts = { stocked: "S-STORM", bought: "B-STORM", supplier };
  await seedPart(parts.stocked, { shelves: [{ location: "warehouse-03", bin: "Bin-S-1", quantity: 25 * ORDERS }] });
  await seedPart(parts.bought, { offeredBy: [supplier.supplier] });
  const orders = await Promise.all(Array.from({ length: ORDERS }, () => mixedOrder(parts)));
  const [first, second, ...others] = orders;
  if (!first || !second) throw new Error("too few orders");

  // Two orders' attempts open the circuit: three of the one, two of the other.
  await supplier.switchOn({ down: true });
  const failed = async (order: typeof first, times: number) => {
    await order.place();
    await drive(order.orderId, {
      stop: ({ steps, waitUntil }) =>
        waitUntil > testClock.now() &&
        steps.some(({ step, attempt }) => step.startsWith("purchase:") && attempt >= times),
    });
  };
  await failed(first, 3);
  await failed(second, 2);
  expect(await clientOf(`supplier:${supplier.supplier}`).status()).toMatchObject({ state: "open" });
  const opened = { at: testClock.now(), calls: await supplier.calls() };
  expect(sum(opened.calls)).toBe(5);

  // The others come, and all wait.
  while (others.length > 0) await Promise.all(others.splice(0, PLACED_TOGETHER).map(({ place }) => place()));
  for (const { orderId } of orders.slice(2)) await watch(orderId, isBlocked);

  /** When each asked to be woken for the run in which it was let through. */
  const lastWakes = new Map<string, number>();
  /** What had an attempt of unknown outcome is watched for a while after its end: nobody waits for these calls. */
  const ended = new Set<string>();
  let callsWhenEmpty: ReturnType<typeof supplier.calls> | undefined;
  let recovered: { readonly at: number; readonly calls: Readonly<Record<string, number>> } | undefined;
  const began = performance.now();
  const states = await driveMany(
    orders.map(
      ({ orderId }) =>
        () =>
          Promise.resolve(orderId),
    ),
    {
      atOnce: ORDERS,
      planned: [
        plannedAt(testClock.now() + DOWN_MS, async () => {
          recovered = { at: testClock.now(), calls: await supplier.calls() };
          await supplier.switchOn({});
        }),
      ],
      onWake: (orderId, dueAt) => void (ended.has(orderId) || lastWakes.set(orderId, dueAt)),
      onEnd: ({ orderId }) => {
        if (ended.add(orderId).size === ORDERS) callsWhenEmpty = supplier.calls();
      },
      deadlineMs: isFull ? 280_000 : 60_000,
    },
  );
  const seconds = (performance.now() - began) / 1000;
  if (!recovered || !callsWhenEmpty) throw new Error("it never came back");
  const { at: recoveredAt, calls: callsDown } = recovered;

  // While it was open: its health, every 30 s, and nothing else.
  const down = sum(callsDown) - sum(opened.calls);
  const checks = (callsDown["GET health"] ?? 0) - (opened.calls["GET health"] ?? 0);
  expect(down).toBe(checks);
  expect(checks).toBeGreaterThanOrEqual(Math.floor(DOWN_MS / BREAKER_HEALTH_CHECK_MS));
  expect(checks).toBeLessThanOrEqual((recoveredAt - opened.at) / BREAKER_HEALTH_CHECK_MS);

  // From the recovery until nobody waits: little more than the calls that waited.
  const calls = sum(await callsWhenEmpty) - sum(callsDown);
  expect(calls).toBeGreaterThanOrEqual(ORDERS);
  expect(calls).toBeLessThanOrEqual(1.1 * ORDERS);

  // Nobody was let in twice.
  expect([...states.values()].map(({ status }) => status)).toEqual(orders.map(() => "Completed"));
  for (const { keys } of orders) {
    expect((await supplier.ordersUnder(keys.purchase)).map(({ status }) => status)).toEqual(["accepted"]);
  }

  // They came back spread over time.
  const wakes = [...lastWakes.values()];
  const spreadMs = Math.max(...wakes) - Math.min(...wakes);
  const bySecond = Map.groupBy(wakes, (at) => Math.floor((at - Math.min(...wakes)) / 1000));
  const fullest = Math.max(...[...bySecond.values()].map((some) => some.length)) / ORDERS;
  expect(wakes).toHaveLength(ORDERS);
  expect(spreadMs).toBeGreaterThanOrEqual(LEAST_SPREAD_MS);
  expect(spreadMs).toBeLessThanOrEqual(LONGEST_SPREAD_MS);
  expect(fullest).toBeLessThanOrEqual(FULLEST_SECOND);

  await settled();
  expect(await violations(env.DB)).toEqual([]);
  proved("open circuit storm", {
    waiting: ORDERS,
    down_s: (recoveredAt - opened.at) / 1000,
    calls_while_open: down,
    calls_after: calls,
    ratio: calls / ORDERS,
    spread_s: spreadMs / 1000,
    fullest_second_pct: fullest * 100,
    seconds,
  });
}, 300_000);
