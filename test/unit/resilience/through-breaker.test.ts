import { describe, it, vi } from "vitest";
import { BREAKER_HINT_MS } from "../../../src/config.ts";
import { AppError } from "../../../src/domain/errors.ts";
import { outcomeOf, throughBreaker, type Breaker } from "../../../src/integrations/breaker.ts";
import type { Outcome, Permit, PermitAnswer } from "../../../src/resilience/circuit-breaker.ts";
import { startDeadline, withinDeadline } from "../../../src/resilience/deadline.ts";
import { fakeClock, settled } from "./fake-clock.ts";

const call: Permit = { generation: 1, kind: "call" };
const probe: Permit = { generation: 3, kind: "probe" };
type Call = () => Promise<unknown>;

function failing(error: Error): Call {
  return () => Promise.reject(error);
}
const down = failing(new AppError("DEPENDENCY_FAILED", "down", { retryable: true }));

function setUp(answer: () => Promise<PermitAnswer> = async () => ({ ok: true, permit: call })) {
  const clock = fakeClock();
  const log = vi.fn();
  const permit = vi.fn(answer);
  const report = vi.fn(async (_permit: Permit, _outcome: Outcome) => {});
  const breaker: Breaker = {
    dependency: "archive",
    deps: { clock, log, hints: new Map() },
    permit,
    report,
    status: () => Promise.reject(new Error("not asked")),
    inspect: () => Promise.reject(new Error("not asked")),
    openByHand: () => Promise.reject(new Error("not asked")),
    closeByHand: () => Promise.reject(new Error("not asked")),
  };
  return { breaker, clock, log, permit, report };
}

describe("a call through the breaker", () => {
  it("gives the call's result, and reports nothing that a closed circuit wouldn't learn from", async ({ expect }) => {
    const { breaker, report } = setUp();
    expect(await throughBreaker(breaker, async () => 7)).toBe(7);
    expect(report).not.toHaveBeenCalled();
  });

  it("passes on a failure and always reports it", async ({ expect }) => {
    const { breaker, report } = setUp();
    await expect(throughBreaker(breaker, down)).rejects.toMatchObject({ code: "DEPENDENCY_FAILED" });
    expect(report.mock.calls).toEqual([[call, "failure"]]);
  });

  it("2.5-05, 2.5-06 is refused by an open circuit without calling, with the whole seconds to wait", async ({
    expect,
  }) => {
    const { breaker } = setUp(async () => ({ ok: false, retryAfterMs: 12_001 }));
    const work = vi.fn(async () => 7);
    const refused = throughBreaker(breaker, work);
    await expect(refused).rejects.toMatchObject({ code: "CIRCUIT_OPEN", retryable: true, retryAfterSeconds: 13 });
    expect(work).not.toHaveBeenCalled();
  });

  it("asks for at least one second, however near the health check is", async ({ expect }) => {
    const { breaker } = setUp(async () => ({ ok: false, retryAfterMs: 1 }));
    await expect(throughBreaker(breaker, down)).rejects.toMatchObject({ retryAfterSeconds: 1 });
  });

  it("2.5-06 makes a new error for each refusal, with no chain of causes and no stack that grows", async ({
    expect,
  }) => {
    const { breaker } = setUp(async () => ({ ok: false, retryAfterMs: 1_000 }));
    const errors: Error[] = [];
    for (let n = 0; n < 100; n++) {
      errors.push(await throughBreaker(breaker, down).then(Promise.reject, (e: unknown) => e as Error));
    }
    const lines = errors.map(({ stack = "" }) => stack.split("\n").length);
    expect(new Set(errors).size).toBe(100);
    expect(errors.every((e) => e instanceof Error && e.cause === undefined)).toBe(true);
    expect(Math.max(...lines.slice(50))).toBeLessThanOrEqual(Math.max(...lines.slice(0, 50)));
  });

  it("2.5-13 that is slow is a failure: its deadline ends it, and the breaker hears of that", async ({ expect }) => {
    const { breaker, clock, report } = setUp();
    const slow = () =>
      withinDeadline(
        () => new Promise<never>(() => {}),
        startDeadline(clock.now(), 10_000),
        clock,
        () => new AppError("DEADLINE_EXCEEDED", "no answer within 10 s", { retryable: true }),
      );
    const done = throughBreaker(breaker, slow).catch((e: unknown) => e);
    await settled();
    await clock.advance(9_999);
    expect(report).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(await done).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(report.mock.calls).toEqual([[call, "failure"]]);
  });

  it("2.5-R7 leaves nothing behind: after 1,000 calls there is one hint, and nobody listens or waits", async ({
    expect,
  }) => {
    const { breaker, clock } = setUp();
    for (let n = 0; n < 1_000; n++) await throughBreaker(breaker, n % 2 === 0 ? async () => 7 : down).catch(() => 0);
    await throughBreaker(breaker, async () => 7);
    expect([breaker.deps.hints.size, clock.waiting()]).toEqual([1, 0]);
  });

  const probes: readonly (readonly [outcome: string, work: Call])[] = [
    ["success", async () => 7],
    ["failure", down],
    ["success", failing(new AppError("SUPPLIER_REFUSED", "422"))],
    ["ignored", failing(new DOMException("the client went away", "AbortError"))],
  ];
  it.for(probes)(
    "2.5-09, 2.5-10, 2.5-19 reports %s of a probe, since all wait for it",
    async ([outcome, work], { expect }) => {
      const { breaker, report } = setUp(async () => ({ ok: true, permit: probe }));
      await throughBreaker(breaker, work).catch(() => undefined);
      expect(report.mock.calls).toEqual([[probe, outcome]]);
    },
  );
});

describe("what an error says of the dependency", () => {
  it.for([
    ["a 5xx or time-out", new AppError("DEPENDENCY_FAILED", "503", { retryable: true }), "failure"],
    [
      "a deadline that passed while it was slow",
      new AppError("DEADLINE_EXCEEDED", "slow", { retryable: true }),
      "failure",
    ],
    ["a network error", new TypeError("Network connection lost."), "failure"],
    ["a 4xx: it is alive", new AppError("SUPPLIER_REFUSED", "422"), "success"],
    ["a call that was cancelled", new DOMException("cancelled", "AbortError"), "ignored"],
    ["a time-out of fetch", new DOMException("timed out", "TimeoutError"), "failure"],
    ["the refusal of another breaker", new AppError("CIRCUIT_OPEN", "wait", { retryable: true }), "ignored"],
    ["a mistake of ours", new AppError("INTERNAL", "a bug"), "ignored"],
  ] as const)("%s", ([, error, outcome], { expect }) => {
    expect(outcomeOf(error)).toBe(outcome);
  });
});

describe("the hint that a circuit is closed", () => {
  it("saves the hop for one second and no longer", async ({ expect }) => {
    const { breaker, clock, permit } = setUp();
    await throughBreaker(breaker, async () => 7);
    await clock.advance(BREAKER_HINT_MS - 1);
    await throughBreaker(breaker, async () => 7);
    expect(permit).toHaveBeenCalledTimes(1);
    await clock.advance(1);
    await throughBreaker(breaker, async () => 7);
    expect(permit).toHaveBeenCalledTimes(2);
  });

  it("ends with the first failure: the next call asks", async ({ expect }) => {
    const { breaker, permit } = setUp();
    await throughBreaker(breaker, async () => 7);
    await throughBreaker(breaker, down).catch(() => undefined);
    permit.mockResolvedValue({ ok: false, retryAfterMs: 30_000 });
    await expect(throughBreaker(breaker, async () => 7)).rejects.toMatchObject({ code: "CIRCUIT_OPEN" });
  });

  it("is never taken from a probe: the next call isn't one", async ({ expect }) => {
    const { breaker, permit } = setUp(async () => ({ ok: true, permit: probe }));
    await throughBreaker(breaker, async () => 7);
    await throughBreaker(breaker, async () => 7);
    expect(permit).toHaveBeenCalledTimes(2);
  });

  it("doesn't outlive a clock that goes back", async ({ expect }) => {
    const { breaker, clock, permit } = setUp();
    await throughBreaker(breaker, async () => 7);
    await clock.advance(-3_600_000);
    await throughBreaker(breaker, async () => 7);
    expect(permit).toHaveBeenCalledTimes(2);
  });
});

describe("a breaker that fails itself", () => {
  it("doesn't block the call, and says so in the log", async ({ expect }) => {
    const { breaker, log, report } = setUp(() => Promise.reject(new Error("object reset")));
    expect(await throughBreaker(breaker, async () => 7)).toBe(7);
    expect(log).toHaveBeenCalledWith("warn", "breaker.unreachable", { dependency: "archive", error: "object reset" });
    expect(report).not.toHaveBeenCalled();
  });

  it("doesn't hide the call's failure when the report is lost", async ({ expect }) => {
    const { breaker, log, report } = setUp();
    report.mockRejectedValue(new Error("object reset"));
    await expect(throughBreaker(breaker, down)).rejects.toMatchObject({ code: "DEPENDENCY_FAILED" });
    expect(log).toHaveBeenCalledWith("warn", "breaker.report_lost", expect.objectContaining({ outcome: "failure" }));
  });

  it("doesn't turn the probe's success into a failure when the report is lost", async ({ expect }) => {
    const { breaker, report } = setUp(async () => ({ ok: true, permit: probe }));
    report.mockRejectedValue(new Error("object reset"));
    expect(await throughBreaker(breaker, async () => 7)).toBe(7);
  });
});
