import fc from "fast-check";
import { describe, it } from "vitest";
import { RETRY_JITTER, RETRY_LADDER_MS } from "../../../src/config.ts";
import {
  JITTER,
  LADDER_MS,
  MAX_DELAY_MS,
  nextDelayMs,
  notBefore,
  repeatDelayMs,
  spreadMs,
  toQueueSeconds,
} from "../../../src/resilience/backoff.ts";

const least = () => 0;
const most = () => 0.999_999;

describe("the ladder", () => {
  it.for([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [4, 8_000],
  ] as const)("waits after failed attempt %i at least %i ms", ([attempt, step], { expect }) => {
    expect(nextDelayMs(attempt, least)).toBe(step);
    expect(nextDelayMs(attempt, most)).toBeCloseTo(step * 1.5, 0);
  });

  it("gives up after the fifth attempt", ({ expect }) => {
    expect([5, 6, 1_000_000].map((attempt) => nextDelayMs(attempt, least))).toEqual([null, null, null]);
  });

  it("is the one that the configuration states", ({ expect }) => {
    expect(LADDER_MS).toEqual(RETRY_LADDER_MS);
    expect(JITTER).toBe(RETRY_JITTER);
  });

  it("takes another ladder and no jitter when told so", ({ expect }) => {
    expect(nextDelayMs(2, most, [10, 20], 0)).toBe(20);
    expect(nextDelayMs(3, most, [10, 20], 0)).toBeNull();
  });

  it.for([0, -1, 1.5, Number.NaN])("refuses attempt %d, which doesn't exist", (attempt, { expect }) => {
    expect(() => nextDelayMs(attempt, least)).toThrow(RangeError);
  });
});

describe("jitter", () => {
  it("2.5-R4 stays within [d, 1.5 d] whatever the source of randomness gives", ({ expect }) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.double(), (attempt, drawn) => {
        const step = LADDER_MS[attempt - 1] ?? 0;
        const delay = nextDelayMs(attempt, () => drawn) ?? 0;
        expect(delay).toBeGreaterThanOrEqual(step);
        expect(delay).toBeLessThanOrEqual(1.5 * step);
      }),
    );
  });

  it("2.5-R4 differs: of 200 callers that failed together no 100 ms holds more than a fifth", ({ expect }) => {
    const delays = Array.from({ length: 200 }, (_, n) => nextDelayMs(1, () => n / 200) ?? 0);
    const buckets = new Map<number, number>();
    for (const delay of delays) buckets.set(Math.floor(delay / 100), (buckets.get(Math.floor(delay / 100)) ?? 0) + 1);
    expect(Math.max(...buckets.values())).toBeLessThanOrEqual(40);
  });
});

describe("Retry-After", () => {
  it("is a lower bound", ({ expect }) => {
    expect(notBefore(1_000, 30, least)).toBe(30_000);
  });

  it("doesn't shorten the ladder", ({ expect }) => {
    expect(notBefore(8_000, 1, least)).toBe(8_000);
  });

  it("keeps a jitter on top, since all callers are told the same second", ({ expect }) => {
    expect(notBefore(1_000, 30, most)).toBeGreaterThan(30_400);
  });

  it.for([undefined, 0, -5, Number.NaN])("of %s changes nothing", (seconds, { expect }) => {
    expect(notBefore(2_000, seconds, most)).toBe(2_000);
  });

  it("2.5-R2, 2.5-R3 beyond what a queue can hold back is cut at 12 h, without overflow", ({ expect }) => {
    expect(notBefore(1_000, Number.MAX_VALUE, most)).toBe(MAX_DELAY_MS);
    expect(nextDelayMs(1, most, [Number.MAX_VALUE])).toBe(MAX_DELAY_MS);
  });
});

describe("what is never given up", () => {
  it("is tried again by the ladder, then doubling up to the longest wait, however often", ({ expect }) => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 8, 10_000].map((attempt) => repeatDelayMs(attempt, least, 60_000));
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it("has a jitter of its own at every wait, the longest too", ({ expect }) => {
    for (const attempt of [1, 5, 100]) {
      const [short, long] = [repeatDelayMs(attempt, least, 60_000), repeatDelayMs(attempt, most, 60_000)];
      expect(long).toBeGreaterThan(short * (1 + JITTER) - 1);
      expect(long).toBeLessThanOrEqual(short * (1 + JITTER));
    }
  });
});

describe("a spread", () => {
  it("is drawn from the whole of its width, and never negative or longer", ({ expect }) => {
    expect([0, 0.25, 0.999_999].map((drawn) => spreadMs(10_000, () => drawn))).toEqual([0, 2_500, 9_999.99]);
    expect([-1, Number.NaN, 7].map((drawn) => spreadMs(10_000, () => drawn))).toEqual([0, 0, 10_000]);
  });
});

describe("a queue's delay", () => {
  it.for([
    [0, 0],
    [1, 1],
    [1_000, 1],
    [1_001, 2],
    [11_999.5, 12],
    [-3, 0],
    [Number.POSITIVE_INFINITY, 43_200],
  ] as const)("of %d ms is %i whole seconds, never shorter", ([ms, seconds], { expect }) => {
    expect(toQueueSeconds(ms)).toBe(seconds);
  });
});
