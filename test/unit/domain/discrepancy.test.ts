import { describe, it } from "vitest";
import { contradictionOf, correctionsOf, expectedBy, type Books, type Scan } from "../../../src/domain/discrepancy.ts";

const place = { sku: "A", location: "warehouse-01", bin: "B" };
const taken = (quantity: number): Scan => ({ ...place, says: "taken", quantity });
const counted = (quantity: number): Scan => ({ ...place, says: "counted", quantity });
const books = (onHand: number, reserved: number, inBin: number): Books => ({ onHand, reserved, inBin, version: 7 });

describe("what was taken", () => {
  it.for([
    [3, books(10, 0, 3), null],
    [4, books(10, 0, 3), "shortage"],
    [3, books(10, 8, 10), "shortage"],
    [2, books(10, 8, 10), null],
    [1, books(0, 0, 0), "shortage"],
    [3, books(10, 0, 3), null],
  ] as const)("%i from %o: %s, however old the version seen is", ([quantity, now, kind], { expect }) => {
    expect(contradictionOf(taken(quantity), now, 0)).toBe(kind);
    expect(contradictionOf(taken(quantity), now, 5)).toBe(kind);
  });

  it("was expected to be at most what is free in the bin", ({ expect }) => {
    expect(expectedBy(taken(9), books(10, 4, 8))).toBe(6);
    expect(expectedBy(taken(9), books(10, 4, 5))).toBe(5);
    expect(expectedBy(taken(9), books(4, 4, 4))).toBe(0);
  });

  it("is found first where the books didn't know of it, so that the bin ends empty and nothing is below zero", ({
    expect,
  }) => {
    for (let quantity = 1; quantity <= 6; quantity++) {
      for (let inBin = 0; inBin <= 6; inBin++) {
        let left = inBin;
        for (const change of correctionsOf(taken(quantity), { inBin })) {
          expect(change).not.toBe(0);
          left += change;
          expect(left).toBeGreaterThanOrEqual(0);
        }
        expect(left).toBe(Math.max(0, inBin - quantity));
        expect(correctionsOf(taken(quantity), { inBin }).at(-1)).toBe(-quantity);
      }
    }
  });
});

describe("what was counted", () => {
  it.for([
    [8, books(10, 0, 8), 0, null],
    [8, books(10, 0, 8), 3, null],
    [5, books(10, 0, 8), 0, null],
    [5, books(10, 0, 8), 1, "stale"],
    [5, books(10, 8, 8), 0, "count"],
    [6, books(10, 8, 8), 0, null],
    [0, books(0, 0, 0), 9, null],
  ] as const)("%i against %o, after %i changes of others: %s", ([quantity, now, others, kind], { expect }) => {
    expect(contradictionOf(counted(quantity), now, others)).toBe(kind);
  });

  it("is corrected by the difference, or by nothing", ({ expect }) => {
    expect(correctionsOf(counted(5), { inBin: 8 })).toEqual([-3]);
    expect(correctionsOf(counted(9), { inBin: 8 })).toEqual([1]);
    expect(correctionsOf(counted(8), { inBin: 8 })).toEqual([]);
  });
});
