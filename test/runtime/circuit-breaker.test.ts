/** The breaker's object in the real runtime: shared, kept, woken by its alarm. Each test has its own dependency. */
import { applyD1Migrations, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, it, vi, type ExpectStatic } from "vitest";
import { BREAKER_HEALTH_CHECK_MS, BREAKER_HINT_MS, SUPPLIER_TIMEOUT_MS } from "../../src/config.ts";
import { AppError } from "../../src/domain/errors.ts";
import { archiveStore } from "../../src/integrations/archive.ts";
import {
  breakerAlarmAt,
  breakerStub,
  clientOf,
  down,
  fail,
  hand,
  runBreakerAlarm,
  works,
} from "../support/breaker-world.ts";
import { bend } from "../support/bend.ts";
import { aroundDatabase } from "../support/bindings.ts";
import { until } from "../support/harness.ts";
import { stoppedClock } from "../support/stopped-clock.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";
import { breakerFor, throughBreaker, type Breaker } from "../../src/integrations/breaker.ts";

async function expectRefused(expect: ExpectStatic, breaker: Breaker): Promise<void> {
  const call = vi.fn(works);
  await expect(throughBreaker(breaker, call)).rejects.toMatchObject({ code: "CIRCUIT_OPEN", retryable: true });
  expect(call).not.toHaveBeenCalled();
}

async function addSupplier(id: string, url: string | null): Promise<string> {
  await env.DB.prepare("INSERT INTO suppliers (id, name, url) VALUES (?, ?, ?)").bind(id, id, url).run();
  return `supplier:${id}`;
}

function answerHealthWith(answer: () => Promise<Response>) {
  return vi.spyOn(globalThis, "fetch").mockImplementation(answer);
}

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS));
afterEach(() => {
  wrapBindings({});
  vi.restoreAllMocks();
});

describe("opening", () => {
  it("2.5-02, 2.5-05, 2.5-06 opens at the fifth failure and then refuses at once, with the seconds to wait", async ({
    expect,
  }) => {
    const breaker = clientOf("archive:opens");
    await fail(breaker, 4);
    expect(await breaker.status()).toMatchObject({ state: "closed", failures: 4, retryAfterMs: 0 });
    await fail(breaker, 1);
    expect(await breaker.status()).toMatchObject({ state: "open", forced: false });
    const refusal = await throughBreaker(breaker, works).catch((e: unknown) => e as AppError);
    expect(refusal).toMatchObject({ code: "CIRCUIT_OPEN" });
    expect((refusal as AppError).retryAfterSeconds).toBeGreaterThan(20);
    expect((refusal as AppError).retryAfterSeconds).toBeLessThanOrEqual(30);
  });

  it("scenario 28: adds up the failures of two isolates, and refuses both", async ({ expect }) => {
    const [one, other] = [clientOf("archive:shared"), clientOf("archive:shared")];
    await fail(one, 3);
    await fail(other, 2);
    await expectRefused(expect, one);
    await expectRefused(expect, other);
  });

  it("2.5-23 never opens by 4xx answers", async ({ expect }) => {
    const breaker = clientOf("archive:refuses");
    const refused = () => Promise.reject(new AppError("SUPPLIER_REFUSED", "422"));
    for (let n = 0; n < 10; n += 1) await throughBreaker(breaker, refused).catch(() => undefined);
    expect(await breaker.status()).toMatchObject({ state: "closed", failures: 0 });
  });

  it("keeps one dependency's outage from another's calls", async ({ expect }) => {
    await fail(clientOf("archive:sick"), 5);
    expect(await throughBreaker(clientOf("archive:well"), works)).toBe("done");
  });

  it("writes nothing for calls that succeed", async ({ expect }) => {
    const breaker = clientOf("archive:quiet");
    for (let n = 0; n < 3; n += 1) await breaker.report((await allowed(breaker)).permit, "success");
    const stored = await runInDurableObject(breakerStub("archive:quiet"), (_object, state) => state.storage.list());
    expect(stored.size).toBe(0);
  });
});

async function allowed(breaker: Breaker) {
  const answer = await breaker.permit();
  if (!answer.ok) throw new Error("refused");
  return answer;
}

describe("a closed circuit", () => {
  it("costs no hop: of 100 calls in a second one asks the object, and one more in the next", async ({ expect }) => {
    let hops = 0;
    const counted = bend(env.BREAKER, {
      get: (id: DurableObjectId) => {
        const stub = env.BREAKER.get(id);
        return {
          fetch: (request: Request) => {
            hops++;
            return stub.fetch(request);
          },
        };
      },
    });
    const clock = stoppedClock();
    const breaker = breakerFor(counted, "archive:hops", { clock, log: vi.fn(), hints: new Map() });
    const calls = async (times: number) => {
      for (let n = 0; n < times; n++) await throughBreaker(breaker, works);
    };
    await calls(100);
    expect(hops).toBe(1);
    clock.move(BREAKER_HINT_MS);
    await calls(100);
    expect(hops).toBe(2);
  });
});

describe("eviction", () => {
  it("keeps the failures so far", async ({ expect }) => {
    const breaker = clientOf("archive:evicted-early");
    await fail(breaker, 4);
    await evictDurableObject(breakerStub("archive:evicted-early"));
    await fail(breaker, 1);
    await expectRefused(expect, breaker);
  });

  it("2.5-16, 2.5-18 keeps an open circuit open, its alarm set, and old permits without effect", async ({ expect }) => {
    const breaker = clientOf("archive:evicted");
    const { permit: old } = await allowed(breaker);
    await fail(breaker, 5);
    await evictDurableObject(breakerStub("archive:evicted"));
    await breaker.report(old, "success");
    await expectRefused(expect, breaker);
    expect(await breakerAlarmAt("archive:evicted")).not.toBeNull();
  });
});

describe("the health check", () => {
  it("2.5-07, 2.5-09 of a healthy dependency lets one probe through, whose success closes the circuit", async ({
    expect,
  }) => {
    const breaker = clientOf("archive:heals");
    await fail(breaker, 5);
    await evictDurableObject(breakerStub("archive:heals")); // the alarm must load its state and its dependency's name
    expect(await runBreakerAlarm("archive:heals")).toBe(true);
    expect(await breaker.status()).toMatchObject({ state: "half_open" });
    await until("its alarm rests", async () => (await breakerAlarmAt("archive:heals")) === null);
    expect(await throughBreaker(breaker, works)).toBe("done");
    expect(await breaker.status()).toEqual({ state: "closed", forced: false, failures: 0, retryAfterMs: 0 });
  });

  it("2.5-08, 2.5-22, scenario 28: lets one probe through in all, for 20 isolates at the same instant", async ({
    expect,
  }) => {
    await fail(clientOf("archive:one-probe"), 5);
    await runBreakerAlarm("archive:one-probe");
    const answers = await Promise.all(Array.from({ length: 20 }, () => clientOf("archive:one-probe").permit()));
    expect(answers.filter((answer) => answer.ok)).toMatchObject([{ permit: { kind: "probe" } }]);
  });

  it("2.5-10 goes on every 30 s after a probe that failed", async ({ expect }) => {
    const breaker = clientOf("archive:relapses");
    await fail(breaker, 5);
    await runBreakerAlarm("archive:relapses");
    await fail(breaker, 1);
    await expectRefused(expect, breaker);
    expect(await breakerAlarmAt("archive:relapses")).toBeGreaterThan(testClock.now() + BREAKER_HEALTH_CHECK_MS / 2);
  });

  it("asks a supplier at {url}/health, once, under any name", async ({ expect }) => {
    const dependency = await addSupplier("Ölwerk 100%", "https://oil.example/api/");
    const fetched = answerHealthWith(async () => Response.json({ status: "ok" }));
    await fail(clientOf(dependency), 5);
    await runBreakerAlarm(dependency);
    expect(fetched.mock.calls.map(([url]) => url)).toEqual(["https://oil.example/api/health"]);
    expect(await clientOf(dependency).status()).toMatchObject({ state: "half_open" });
  });

  it.for([
    ["answers a page instead of its health", async () => new Response("<p>fine</p>")],
    ["answers 503", async () => new Response("no", { status: 503 })],
    ["sends elsewhere", async () => Response.redirect("https://elsewhere.example/", 302)],
    ["can't be reached", () => Promise.reject(new TypeError("Network connection lost."))],
  ] as const)("keeps the circuit open and comes again when a supplier %s", async ([name, answer], { expect }) => {
    const dependency = await addSupplier(name, "https://down.example");
    answerHealthWith(answer);
    const breaker = clientOf(dependency);
    await fail(breaker, 5);
    for (let check = 0; check < 8; check += 1) expect(await runBreakerAlarm(dependency)).toBe(true);
    expect(await breakerAlarmAt(dependency)).not.toBeNull();
    await expectRefused(expect, breaker);
  });

  it("goes on though the database, where a supplier's address is, is away for ten checks: none is given up", async ({
    expect,
  }) => {
    const dependency = await addSupplier("behind-the-database", "https://well.example");
    answerHealthWith(async () => Response.json({ status: "ok" }));
    await fail(clientOf(dependency), 5);
    wrapBindings({ DB: (real) => aroundDatabase(real, () => Promise.reject(new Error("the database is away"))) });
    for (let check = 0; check < 10; check++) {
      moveClock(SUPPLIER_TIMEOUT_MS); // a check's time-out keeps the object from being evicted
      await evictDurableObject(breakerStub(dependency));
      expect(await runBreakerAlarm(dependency)).toBe(true);
      expect(await clientOf(dependency).status()).toMatchObject({ state: "open" });
    }
    wrapBindings({});
    moveClock(SUPPLIER_TIMEOUT_MS);
    expect(await runBreakerAlarm(dependency)).toBe(true);
    expect(await clientOf(dependency).status()).toMatchObject({ state: "half_open" });
  });

  it("finds a supplier without an address unhealthy", async ({ expect }) => {
    const dependency = await addSupplier("by-telephone", null);
    await fail(clientOf(dependency), 5);
    await runBreakerAlarm(dependency);
    expect(await clientOf(dependency).status()).toMatchObject({ state: "open" });
  });

  it("leaves a dependency without a check to its probe", async ({ expect }) => {
    await fail(clientOf("webhook:crm"), 5);
    await runBreakerAlarm("webhook:crm");
    expect(await throughBreaker(clientOf("webhook:crm"), works)).toBe("done");
  });

  it("is set again by whoever is refused, should the alarm be lost", async ({ expect }) => {
    const breaker = clientOf("archive:forgotten");
    await fail(breaker, 5);
    await runInDurableObject(breakerStub("archive:forgotten"), (_object, state) => state.storage.deleteAlarm());
    await expectRefused(expect, breaker);
    expect(await breakerAlarmAt("archive:forgotten")).not.toBeNull();
  });
});

describe("by hand", () => {
  it("2.5-14 opens until it is reset: no health check undoes it", async ({ expect }) => {
    const breaker = clientOf("archive:held");
    await fail(breaker, 5);
    await breaker.openByHand(hand());
    expect(await runBreakerAlarm("archive:held")).toBe(false);
    await evictDurableObject(breakerStub("archive:held"));
    expect(await breaker.status()).toMatchObject({ state: "open", forced: true });
    await expectRefused(expect, breaker);
    await breaker.closeByHand(hand());
    expect(await throughBreaker(breaker, works)).toBe("done");
  });

  it("2.5-15 closes an open circuit at once, and its health checks end", async ({ expect }) => {
    const breaker = clientOf("archive:reset");
    await fail(breaker, 5);
    await breaker.closeByHand(hand());
    expect(await breaker.status()).toEqual({ state: "closed", forced: false, failures: 0, retryAfterMs: 0 });
    expect(await breakerAlarmAt("archive:reset")).toBeNull();
  });
});

it("2.5-20 the transitions of an outage are told once each", async ({ expect }) => {
  const told: string[] = [];
  const collect = (line: string) => void told.push((JSON.parse(line) as { event: string }).event);
  vi.spyOn(console, "warn").mockImplementation(collect);
  vi.spyOn(console, "log").mockImplementation(collect);
  const breaker = clientOf("archive:told");
  await fail(breaker, 7);
  await runBreakerAlarm("archive:told");
  await fail(breaker, 2);
  await runBreakerAlarm("archive:told");
  await throughBreaker(breaker, works);
  expect(told).toEqual([
    "breaker.opened",
    "breaker.half_opened",
    "breaker.reopened",
    "breaker.half_opened",
    "breaker.closed",
  ]);
});

describe("the archive", () => {
  it("keeps one document a path: a second put replaces the first", async ({ expect }) => {
    const store = archiveStore(env.ARCHIVE);
    await store.put("2026/req_1/response.json", "first", "application/json");
    await store.put("2026/req_1/response.json", "second", "application/json");
    const kept = await env.ARCHIVE.get("2026/req_1/response.json");
    expect(await kept?.text()).toBe("second");
    expect(kept?.httpMetadata?.contentType).toBe("application/json");
    expect((await env.ARCHIVE.list({ prefix: "2026/req_1/" })).objects).toHaveLength(1);
  });

  it("is healthy when it answers, even while empty", async ({ expect }) => {
    expect(await archiveStore(env.ARCHIVE).health()).toBe(true);
  });

  it("that doesn't answer is a retryable fault for put, and unhealthy", async ({ expect }) => {
    const broken = { put: down, head: down } as unknown as R2Bucket;
    const store = archiveStore(broken);
    await expect(store.put("a", "b", "text/plain")).rejects.toMatchObject({
      code: "DEPENDENCY_FAILED",
      retryable: true,
    });
    expect(await store.health()).toBe(false);
  });
});
