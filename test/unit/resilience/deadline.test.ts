import fc from "fast-check";
import { describe, it, vi } from "vitest";
import { remainingMs, startDeadline, tighten, withinDeadline } from "../../../src/resilience/deadline.ts";
import { deferred, fakeClock, settled } from "./fake-clock.ts";

const late = () => new Error("too late");

describe("the ladder of deadlines", () => {
  it("gives a hop its own time when there is enough", ({ expect }) => {
    const gateway = startDeadline(0, 25_000);
    expect(remainingMs(tighten(gateway, 0, 20_000, 500), 0)).toBe(20_000);
  });

  it("gives a hop what is left, less the margin, when that is shorter", ({ expect }) => {
    const service = startDeadline(0, 20_000);
    expect(remainingMs(tighten(service, 12_000, 15_000, 500), 12_000)).toBe(7_500);
  });

  it("leaves nothing to a hop when less than the margin is left", ({ expect }) => {
    expect(remainingMs(tighten(startDeadline(0, 1_000), 600, 15_000, 500), 600)).toBe(0);
  });

  it("is strictly decreasing, whatever each hop asks for and takes", ({ expect }) => {
    const hop = fc.record({ took: fc.nat(10_000), own: fc.integer({ min: 1, max: 60_000 }), margin: fc.nat(1_000) });
    fc.assert(
      fc.property(fc.array(hop, { minLength: 1, maxLength: 8 }), (hops) => {
        let now = 0;
        let deadline = startDeadline(0, 30_000);
        for (const { took, own, margin } of hops) {
          now += took;
          const next = tighten(deadline, now, own, margin);
          expect(next).toBeLessThan(deadline);
          expect(remainingMs(next, now)).toBeLessThanOrEqual(own);
          deadline = next;
        }
      }),
    );
  });
});

describe("withinDeadline", () => {
  it("gives the result that came in time", async ({ expect }) => {
    const clock = fakeClock();
    const onTimeout = vi.fn(late);
    const done = withinDeadline(async () => 7, startDeadline(clock.now(), 100), clock, onTimeout);
    expect(await done).toBe(7);
    await clock.advance(100);
    expect(onTimeout).not.toHaveBeenCalled();
  });

  it("throws the caller's error at the deadline, not before", async ({ expect }) => {
    const clock = fakeClock();
    const seen = vi.fn();
    const done = withinDeadline(() => deferred<number>().promise, startDeadline(clock.now(), 100), clock, late);
    done.catch(seen);
    await clock.advance(99);
    expect(seen).not.toHaveBeenCalled();
    await clock.advance(1);
    await expect(done).rejects.toThrow("too late");
  });

  it("passes on the failure of the work", async ({ expect }) => {
    const clock = fakeClock();
    const failing = async () => Promise.reject(new Error("broken"));
    await expect(withinDeadline(failing, startDeadline(clock.now(), 100), clock, late)).rejects.toThrow("broken");
  });

  it("passes on work that throws before it returns a promise", async ({ expect }) => {
    const clock = fakeClock();
    const throwing = (): Promise<number> => {
      throw new Error("at once");
    };
    await expect(withinDeadline(throwing, startDeadline(clock.now(), 100), clock, late)).rejects.toThrow("at once");
  });

  it.for([
    ["the deadline is now", 0, undefined],
    ["the deadline has passed", -1, undefined],
    ["less is left than the work needs at least", 49, 50],
  ] as const)("doesn't start the work when %s", async ([, budget, least], { expect }) => {
    const clock = fakeClock();
    const work = vi.fn(async () => 7);
    await expect(withinDeadline(work, startDeadline(clock.now(), budget), clock, late, least)).rejects.toThrow(
      "too late",
    );
    expect(work).not.toHaveBeenCalled();
  });

  it("leaves no unhandled rejection when the work fails after its deadline", async ({ expect, onTestFinished }) => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    onTestFinished(() => void process.off("unhandledRejection", unhandled));
    const clock = fakeClock();
    const work = deferred<number>();
    const done = withinDeadline(() => work.promise, startDeadline(clock.now(), 100), clock, late);
    const refused = expect(done).rejects.toThrow("too late");
    await clock.advance(100);
    await refused;
    work.reject(new Error("far too late"));
    await settled();
    await new Promise((resolve) => setImmediate(resolve)); // Node reports unhandled rejections between two turns
    expect(unhandled).not.toHaveBeenCalled();
  });
});
