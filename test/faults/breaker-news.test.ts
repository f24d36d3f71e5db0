/** What a breaker tells, when the database fails it or its object dies: each transition once, and a list that comes right. */
import { abortAllDurableObjects, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, describe, it } from "vitest";
import { throughBreaker } from "../../src/integrations/breaker.ts";
import {
  breakerAlarmAt,
  breakerStub,
  clientOf,
  fail,
  hand,
  rowOf,
  runBreakerAlarm,
  toldOf,
  works,
} from "../support/breaker-world.ts";
import { aroundDatabase, gate } from "../support/bindings.ts";
import { faultyD1, type FaultKind } from "../support/faulty-d1.ts";
import { env, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { settled } from "../support/saga-world.ts";
import { wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
afterEach(() => wrapBindings({}));

const OPENED = { events: ["CircuitOpened"], trail: ["circuit.opened by circuit-breaker"] };

/** Four failures of the window, and the list knows it: the next one opens. */
async function almostOpen(dependency: string): Promise<void> {
  await fail(clientOf(dependency), 4);
  await rowOf(dependency, "shows four failures", ({ circuit }) => circuit.failures?.length === 4);
}

describe("a transition whose batch", () => {
  it.for<[string, FaultKind]>([
    ["is lost", "before"],
    ["is committed, but its reply is lost", "after"],
  ])("2.5-20 %s is told once, by the alarm", async ([name, kind], { expect }) => {
    const dependency = `webhook:${kind}`;
    await almostOpen(dependency);
    const d1 = faultyD1({ marker: dependency, kind, times: 1 });
    wrapBindings({ DB: d1.wrap });
    await fail(clientOf(dependency), 1);
    await until(`the batch ${name}`, async () => d1.hits(dependency) === 1);
    await evictDurableObject(breakerStub(dependency));
    expect((await toldOf(dependency)).events).toHaveLength(kind === "before" ? 0 : 1);

    await runBreakerAlarm(dependency);
    await rowOf(dependency, "is half open", ({ circuit }) => circuit.kind === "half_open");
    expect(await toldOf(dependency)).toEqual(OPENED);
  });

  it("is committed, but its reply is lost, and half opens before it is told again: the list shows it half open", async ({
    expect,
  }) => {
    const dependency = "webhook:moved-on";
    await almostOpen(dependency);
    const lost = faultyD1({ marker: dependency, kind: "after", times: 1 });
    wrapBindings({ DB: lost.wrap });
    await fail(clientOf(dependency), 1);
    await until("the reply is lost", async () => lost.hits(dependency) === 1);
    const away = faultyD1({ marker: dependency, kind: "before" });
    wrapBindings({ DB: away.wrap });
    await runBreakerAlarm(dependency);
    await until("it half opens", async () => (await clientOf(dependency).status()).state === "half_open");
    await until("it was tried before and after", async () => away.hits(dependency) >= 2);
    await rowOf(dependency, "is open", ({ circuit }) => circuit.kind === "open");

    wrapBindings({});
    await evictDurableObject(breakerStub(dependency));
    expect(await runBreakerAlarm(dependency)).toBe(true);
    await rowOf(dependency, "is half open", ({ circuit }) => circuit.kind === "half_open");
    expect(await toldOf(dependency)).toEqual(OPENED);
  });

  it("comes late, after it was told anew, changes nothing", async ({ expect }) => {
    const dependency = "webhook:held";
    await almostOpen(dependency);
    const d1 = faultyD1({ marker: dependency, kind: "held", times: 1 });
    wrapBindings({ DB: d1.wrap });
    await fail(clientOf(dependency), 1);
    await until("the batch is held", async () => d1.hits(dependency) === 1);
    await runBreakerAlarm(dependency);
    const shown = await rowOf(dependency, "is half open", ({ circuit }) => circuit.kind === "half_open");

    expect(await d1.release(env.DB)).toEqual([expect.stringContaining("DUPLICATE")]);
    expect(await rowOf(dependency, "is there", () => true)).toEqual(shown);
    expect(await toldOf(dependency)).toEqual(OPENED);
  });
});

it("an outage during which the database is away is told from beginning to end, in order, when it is back", async ({
  expect,
}) => {
  const dependency = "webhook:away";
  const breaker = clientOf(dependency);
  const d1 = faultyD1({ marker: dependency, kind: "before" });
  wrapBindings({ DB: d1.wrap });
  for (let outage = 0; outage < 2; outage++) {
    await fail(breaker, 5);
    await runBreakerAlarm(dependency);
    expect(await throughBreaker(breaker, works)).toBe("done");
  }
  await until("it was tried", async () => d1.hits(dependency) > 0);
  expect(await toldOf(dependency)).toEqual({ events: [], trail: [] });

  wrapBindings({});
  await evictDurableObject(breakerStub(dependency));
  expect(await runBreakerAlarm(dependency)).toBe(true);
  await until("all is told", async () => (await toldOf(dependency)).events.length === 4);
  const [opened, closed] = ["circuit.opened by circuit-breaker", "circuit.closed by circuit-breaker"];
  expect(await toldOf(dependency)).toEqual({
    events: ["CircuitOpened", "CircuitClosed", "CircuitOpened", "CircuitClosed"],
    trail: [opened, closed, opened, closed],
  });
  await until("its alarm rests", async () => (await breakerAlarmAt(dependency)) === null);
});

it("an object that dies between the change and its telling tells it when its alarm comes", async ({ expect }) => {
  const dependency = "webhook:dies";
  await almostOpen(dependency);
  const door = gate();
  wrapBindings({
    DB: (real) =>
      aroundDatabase(real, async (call, sql) => {
        if (sql.some((text) => text.includes("INTO breakers"))) await door.pass();
        return call();
      }),
  });
  await fail(clientOf(dependency), 1);
  await until("it is about to tell", async () => door.waiting() > 0);
  await abortAllDurableObjects();
  door.breakDown();
  wrapBindings({});
  expect(await toldOf(dependency)).toEqual({ events: [], trail: [] });

  expect(await clientOf(dependency).status()).toMatchObject({ state: "open" });
  await runBreakerAlarm(dependency);
  await rowOf(dependency, "is half open", ({ circuit }) => circuit.kind === "half_open");
  expect(await toldOf(dependency)).toEqual(OPENED);
});

it("a closed circuit whose news and alarm were both lost tells them when the next caller comes", async ({ expect }) => {
  const dependency = "webhook:alarmless";
  const breaker = clientOf(dependency);
  await fail(breaker, 5);
  await rowOf(dependency, "is open", ({ circuit }) => circuit.kind === "open");
  const d1 = faultyD1({ marker: dependency, kind: "before" });
  wrapBindings({ DB: d1.wrap });
  await breaker.closeByHand(hand("they say that it is mended"));
  await runInDurableObject(breakerStub(dependency), (_object, state) => state.storage.deleteAlarm());
  wrapBindings({});
  expect((await toldOf(dependency)).events).toEqual(["CircuitOpened"]);

  expect((await breaker.permit()).ok).toBe(true);
  expect(await runBreakerAlarm(dependency)).toBe(true);
  await rowOf(dependency, "is closed", ({ circuit }) => circuit.kind === "closed");
  expect(await toldOf(dependency)).toEqual({
    events: ["CircuitOpened", "CircuitClosed"],
    trail: ["circuit.opened by circuit-breaker", "circuit.closed by ops"],
  });
});

it("a database that is away never keeps a caller waiting, nor the health check", async ({ expect }) => {
  const dependency = "webhook:hangs";
  const door = gate();
  wrapBindings({
    DB: (real) =>
      aroundDatabase(real, async (call, sql) => {
        if (sql.some((text) => text.includes("INTO breakers"))) await door.pass();
        return call();
      }),
  });
  const breaker = clientOf(dependency);
  await fail(breaker, 5);
  expect(await runBreakerAlarm(dependency)).toBe(true);
  expect(await throughBreaker(breaker, works)).toBe("done");
  expect(await breaker.status()).toMatchObject({ state: "closed" });
  door.open();
  await until("all is told", async () => (await toldOf(dependency)).events.length === 2);
  expect((await toldOf(dependency)).events).toEqual(["CircuitOpened", "CircuitClosed"]);
});

it("all invariants hold after all of this", async ({ expect }) => {
  await settled();
  expect(await violations(env.DB)).toEqual([]);
});
