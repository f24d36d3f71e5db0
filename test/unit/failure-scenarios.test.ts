import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const SCENARIOS = 30;

interface Shown {
  readonly number: number;
  readonly file: string;
  readonly test: string;
}

const rows = readFileSync(join(ROOT, "design/failure-scenarios.md"), "utf8")
  .split("\n")
  .flatMap((line) => {
    const number = Number(/^\| (\d+) \|/.exec(line)?.[1]);
    return Number.isNaN(number) ? [] : [{ number, line }];
  });
const shown = rows.flatMap(({ number, line }): Shown[] =>
  [...line.matchAll(/`(test\/[^`]+)` › "([^"]+)"/g)].map(([, file = "", test = ""]) => ({ number, file, test })),
);

describe("the map of failure scenarios", () => {
  it("has one row for each of the thirty, with a test or why it can't occur here", ({ expect }) => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: SCENARIOS }, (_, at) => at + 1));
    for (const { number, line } of rows) {
      const has = shown.some((one) => one.number === number) || line.includes("can't occur");
      expect([number, has]).toEqual([number, true]);
    }
  });

  it.for(shown)("$number: $file has the test, which carries the number", ({ number, file, test }, { expect }) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
    expect(readFileSync(join(ROOT, file), "utf8")).toContain(`"${test}"`);
    const numbers = /scenario ((?:\d+, )*\d+)/.exec(test)?.[1]?.split(", ").map(Number);
    expect(numbers).toContain(number);
  });
});
