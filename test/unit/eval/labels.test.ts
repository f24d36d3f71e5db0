/** The labelled cases are well formed: a slip of the pen in a label would be taken for a mistake of the engine. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { EVAL_CASES } from "../../eval/cases.ts";
import { FAMILIES, minor, SUPPLIERS, worth, DENOMINATIONS } from "../../eval/fleet/measured.ts";
import { LOCATIONS, REGIONS, ROSTERS } from "../../eval/fleet/people.ts";

const PAGE = readFileSync("design/approval-policy.md", "utf8");
const CLAUSES = new Set(Array.from(PAGE.matchAll(/^\| ([A-K]\d) \|/gm), (match) => match[1] ?? ""));

describe("the labelled cases", () => {
  it("have ids of their own and cite clauses that the policy page has", () => {
    expect(new Set(EVAL_CASES.map(({ id }) => id)).size).toBe(EVAL_CASES.length);
    const cited = EVAL_CASES.flatMap(({ clause, want }) => [clause, ...(want.asks ?? []), ...(want.silent ?? [])]);
    expect(cited.filter((clause) => !CLAUSES.has(clause))).toEqual([]);
  });

  it("are at least 180 that the policy fixes", () => {
    expect(EVAL_CASES.filter(({ kind }) => kind === "policy").length).toBeGreaterThanOrEqual(180);
  });

  it("name people whom their roster has, and want something", () => {
    for (const { id, who, roster, want } of EVAL_CASES) {
      const known = new Set<string>([...ROSTERS[roster].map((person) => person.id), ...LOCATIONS.map((one) => one.id)]);
      const named = [who, ...(want.approvers ?? []), ...(want.finance ? [want.finance.who] : [])];
      expect({ id, unknown: named.filter((name) => !known.has(name)) }).toEqual({ id, unknown: [] });
      expect({ id, wants: Object.keys(want).length > 0 }).toEqual({ id, wants: true });
    }
  });

  it("contradict themselves nowhere", () => {
    for (const { id, want } of EVAL_CASES) {
      expect({ id, both: (want.asks ?? []).filter((clause) => want.silent?.includes(clause)) }).toEqual({
        id,
        both: [],
      });
      const enough = want.level !== "two" || want.approvers === undefined || want.approvers.length >= 2;
      expect({ id, enough }).toEqual({ id, enough: true });
    }
  });
});

describe("the measured parts", () => {
  it("make any amount to the cent", () => {
    const price = new Map(DENOMINATIONS.map(({ suffix, price }) => [`PLAIN-${suffix}`, price]));
    for (const amount of ["0.01", "100.00", "1,000.01", "249,999.99", "1,000,000.01"]) {
      const sum = worth(amount).reduce((total, { sku, quantity }) => total + (price.get(sku) ?? 0) * quantity, 0);
      expect(sum).toBe(minor(amount));
    }
  });

  it("come from suppliers and places that exist", () => {
    const bought = Object.values(FAMILIES).flatMap(({ from }) => (from === "stock" ? [] : [from.supplier]));
    expect(bought.filter((id) => !SUPPLIERS.some((supplier) => supplier.id === id))).toEqual([]);
    expect(REGIONS.every((region) => LOCATIONS.some(({ id }) => id === `hub-${region}`))).toBe(true);
  });
});
