import { describe, it } from "vitest";
import type { ApprovalPerson } from "../../../src/domain/policy.ts";
import {
  STOCK_SHARE_FLOOR,
  STOCK_VALUE_LIMIT,
  stockApprovalNeed,
  stockApprovalPayload,
  stockApprover,
} from "../../../src/domain/stock-approval.ts";

const facts = (change: number, onHand: number, unitPrice: number, isCount = false) =>
  stockApprovalNeed({ change, onHand, unitPrice, currency: "USD", isCount });

describe("a change of stock", () => {
  it.for([
    ["a receipt, however large", 1_000_000, 0, 1_000_000, false, null],
    ["a count that finds what is there", 0, 10, 1_000_000, true, null],
    ["exactly at the limit by value", -10, 1_000, STOCK_VALUE_LIMIT / 10, false, null],
    ["a cent above it", -1, 1_000, STOCK_VALUE_LIMIT + 1, false, "stock-value"],
    ["a count that finds more, above it", 1, 1_000, STOCK_VALUE_LIMIT + 1, true, "stock-value"],
    ["exactly half of what is there", -5, 10, STOCK_VALUE_LIMIT / 5, false, null],
    ["more than half, worth more than the floor", -6, 10, STOCK_SHARE_FLOOR / 6 + 1, false, "stock-share"],
    ["all of it, worth no more than the floor", -10, 10, STOCK_SHARE_FLOOR / 10, false, null],
    ["a part without a price", -10, 10, 0, false, null],
  ] as const)("%s", ([, change, onHand, price, isCount, rule], { expect }) => {
    expect(facts(change, onHand, price, isCount)?.rule ?? null).toBe(rule);
  });

  it("too large to count is worth more than anyone's limit", ({ expect }) => {
    const need = facts(-1_000_000_000, 1_000_000_000, 1_000_000_000);
    expect(need).toMatchObject({ rule: "stock-value", value: Number.MAX_SAFE_INTEGER });
  });
});

describe("whoever is asked", () => {
  const person = (id: string, region: string | null, approvalLimit: number, role = "manager"): ApprovalPerson => {
    return { id, role, region, approvalLimit, selfApprovalLimit: 0 };
  };
  const people = [
    person("national", null, 1_000),
    person("north-large", "north", 500),
    person("north-small", "north", 100),
    person("south", "south", 900),
    person("keeper", "north", 900, "keeper"),
    person("no-limit", "north", 0),
  ];
  it.for([
    [50, "someone", "north-small"],
    [100, "someone", "north-small"],
    [101, "someone", "north-large"],
    [101, "north-large", "national"],
    [501, "someone", "national"],
    [1_001, "someone", null],
  ] as const)("for %i, sent by %s, is %s", ([value, sender, asked], { expect }) => {
    expect(stockApprover(people, { region: "north", sender, value })?.id ?? null).toBe(asked);
  });
});

it("what is approved is bound to every fact of it", ({ expect }) => {
  const approval = {
    command_id: "c",
    type: "UpdateInventory",
    sku: "A",
    location: "l",
    bin: "b",
    change: -3,
    unit_price: 5,
    value: 15,
    currency: "USD",
    rule: "stock-value",
    reason: "r",
  };
  const text = stockApprovalPayload(approval);
  expect(JSON.parse(text)).toEqual(approval);
  for (const key of Object.keys(approval) as (keyof typeof approval)[]) {
    expect(stockApprovalPayload({ ...approval, [key]: "other" })).not.toBe(text);
  }
});
