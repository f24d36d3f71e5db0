/** The breaker's and the retry's named behaviours: each has its row in design/breaker.md, and the tests named there exist. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";

const ROOT = join(import.meta.dirname, "../../..");
const NUMBERS = [
  ...Array.from({ length: 24 }, (_, at) => String(at + 1).padStart(2, "0")),
  ...Array.from({ length: 7 }, (_, at) => `R${at + 1}`),
];
/** Behaviours of which at least a part can't occur here, as the page says why. */
const PARTLY = ["14"];

const rows = readFileSync(join(ROOT, "design/breaker.md"), "utf8")
  .split("\n")
  .flatMap((line) => {
    const number = /^\| (\d\d|R\d) \|/.exec(line)?.[1];
    return number === undefined ? [] : [{ number, line }];
  });
const shown = rows.flatMap(({ number, line }) =>
  [...line.matchAll(/`(test\/[^`]+)` › "([^"]+)"/g)].map(([, file = "", test = ""]) => ({ number, file, test })),
);

const textOf = (file: string) => readFileSync(join(ROOT, file), "utf8");
/** Of a test's name: `2.5-02, 2.5-03 opens …`. */
const numbersOf = (test: string) => [...test.matchAll(/2\.5-(\d\d|R\d)/g)].map(([, number = ""]) => number);

describe("the map of named behaviours", () => {
  it("has one row for each, with a test, and says why where a part can't occur", ({ expect }) => {
    expect(rows.map(({ number }) => number)).toEqual(NUMBERS);
    for (const number of NUMBERS) expect([number, shown.some((one) => one.number === number)]).toEqual([number, true]);
    expect(rows.filter(({ line }) => line.includes("can't occur")).map(({ number }) => number)).toEqual(PARTLY);
  });

  it.for(shown)("$number: $file has the test, which carries the number", ({ number, file, test }, { expect }) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
    expect(textOf(file)).toMatch(new RegExp(`["\`]${test.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}["\`]`));
    expect(numbersOf(test)).toContain(number);
  });

  it("names every test that carries a number", ({ expect }) => {
    const files = readdirSync(join(ROOT, "test"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".test.ts") && !file.endsWith("named-behaviours.test.ts"))
      .map((file) => `test/${file}`);
    const carried = files.flatMap((file) =>
      [...textOf(file).matchAll(/["`]((?:[^"`\n]*, )?2\.5-[^"`\n]*)["`]/g)].flatMap(([, test = ""]) =>
        numbersOf(test).map((number) => `${number} ${file} ${test}`),
      ),
    );
    const named = shown.map(({ number, file, test }) => `${number} ${file} ${test}`);
    expect(carried.length).toBeGreaterThan(NUMBERS.length);
    expect(carried.filter((one) => !named.includes(one))).toEqual([]);
  });
});
