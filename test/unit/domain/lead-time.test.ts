import { it } from "vitest";
import { leadTimeInWords, leadTimeOf } from "../../../src/domain/lead-time.ts";

it("is the stated one until there are five receipts, then the days within which four of five came", ({ expect }) => {
  expect(leadTimeOf(5, [])).toEqual({ days: 5, stated: 5, measured: null, receipts: 0 });
  expect(leadTimeOf(5, [9, 1, 1, 1])).toEqual({ days: 5, stated: 5, measured: 9, receipts: 4 });
  expect(leadTimeOf(5, [9, 1, 7, 1, 1])).toEqual({ days: 7, stated: 5, measured: 7, receipts: 5 });
  expect(leadTimeOf(5, [2, 2, 2, 2, 2, 2, 2, 2, 30, 30]).days).toBe(2);
  expect(leadTimeOf(9, [2, 2, 2, 2, 2]).days).toBe(2);
});

it("is said in figures, with how much it rests on", ({ expect }) => {
  expect(leadTimeInWords(leadTimeOf(5, []))).toBe("5 days stated");
  expect(leadTimeInWords(leadTimeOf(5, [7]))).toBe("5 days stated, 7 measured over 1 receipt, too few to count with");
  expect(leadTimeInWords(leadTimeOf(5, [7, 7, 7, 7, 7]))).toBe("5 days stated, 7 measured over 5 receipts");
});
