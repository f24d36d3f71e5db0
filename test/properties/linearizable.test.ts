import { describe, it } from "vitest";
import { isLinearizable, type Call } from "../support/linearizable.ts";

/** A register that holds one number: `w` writes it, `r` reads it. */
const write = (began: number, ended: number, value: number): Call<number> => ({ began, ended, after: () => value });
const read = (began: number, ended: number, value: number): Call<number> => ({
  began,
  ended,
  after: (state) => (state === value ? state : null),
});
const NEVER = Number.POSITIVE_INFINITY;
const holds = (...calls: Call<number>[]) => isLinearizable(0, calls, String);

describe("a history of a register", () => {
  it("is linearizable when each read can be placed after the write that it saw", ({ expect }) => {
    expect(holds(write(0, 1, 5), read(2, 3, 5))).toBe(true);
    expect(holds(write(0, 9, 5), read(1, 2, 0), read(3, 4, 5))).toBe(true);
    expect(holds(write(0, 5, 1), write(1, 6, 2), read(7, 8, 1))).toBe(true);
  });

  it("isn't when a read sees what was written over before it began, or what comes later", ({ expect }) => {
    expect(holds(write(0, 1, 5), read(2, 3, 0))).toBe(false);
    expect(holds(read(0, 1, 5), write(2, 3, 5))).toBe(false);
    expect(holds(write(0, 9, 5), read(1, 2, 5), read(3, 4, 0))).toBe(false);
    expect(holds(write(0, 1, 1), write(2, 3, 2), read(4, 5, 1))).toBe(false);
  });

  it("lets what nobody was told of happen later, or never, but not before it was asked for", ({ expect }) => {
    expect(holds(write(0, NEVER, 5), read(1, 2, 0), read(3, 4, 5))).toBe(true);
    expect(holds(write(0, NEVER, 5), read(1, 2, 0), read(3, 4, 0))).toBe(true);
    expect(holds(read(0, 1, 5), write(2, NEVER, 5))).toBe(false);
    expect(holds(write(0, NEVER, 5), read(1, 2, 5), read(3, 4, 0))).toBe(false);
  });
});
