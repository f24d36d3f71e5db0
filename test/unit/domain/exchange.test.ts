import fc from "fast-check";
import { it } from "vitest";
import { convertUp, formatRate, readRate } from "../../../src/domain/exchange.ts";

const rate = (from: string, to: string, billionths: number) => ({ from, to, billionths, asOf: "2026-11-20" });

it("is exact and rounds up to a whole minor unit, whatever the digits of the currencies", ({ expect }) => {
  expect(convertUp(100, rate("EUR", "USD", 1_085_000_000))).toBe(109);
  expect(convertUp(0, rate("EUR", "USD", 1_085_000_000))).toBe(0);
  expect(convertUp(1_000, rate("EUR", "USD", 1_000_000_000))).toBe(1_000);
  expect(convertUp(1_000, rate("JPY", "USD", 6_543_000))).toBe(655); // ¥1000 = $6.543
  expect(convertUp(655, rate("USD", "JPY", 152_000_000_000))).toBe(996); // $6.55 = ¥995.6
  expect(convertUp(1_000, rate("KWD", "USD", 3_250_000_000))).toBe(325); // three digits: 1.000 KWD
});

it("is null where the amount can't be counted exactly", ({ expect }) => {
  expect(convertUp(Number.MAX_SAFE_INTEGER, rate("EUR", "USD", 1_085_000_000))).toBeNull();
});

it("is never below the amount and never a whole unit above it", ({ expect }) => {
  fc.assert(
    fc.property(fc.nat(1_000_000_000), fc.integer({ min: 1, max: 9_000_000_000 }), (amount, billionths) => {
      const up = BigInt(convertUp(amount, rate("EUR", "USD", billionths)) ?? -1);
      const exact = BigInt(amount) * BigInt(billionths);
      expect(up * 1_000_000_000n >= exact).toBe(true);
      expect((up - 1n) * 1_000_000_000n < exact).toBe(true);
    }),
  );
});

it("is read from what people write, to the last digit", ({ expect }) => {
  for (const text of ["1.085", "0.006543", "152", "0.000000001", "999999.999999999"]) {
    expect(formatRate({ billionths: readRate(text) ?? 0 })).toBe(text);
  }
  for (const text of ["0", "0.0", "-1", "1,085", "1e3", ".5", "1.", "1.0000000001", "1000000", ""])
    expect(readRate(text)).toBeNull();
});

it("reads as people write rates", ({ expect }) => {
  expect([1_085_000_000, 6_543_000, 152_000_000_000, 1].map((billionths) => formatRate({ billionths }))).toEqual([
    "1.085",
    "0.006543",
    "152",
    "0.000000001",
  ]);
});
