import fc from "fast-check";
import { describe, it } from "vitest";
import { decideChain } from "../../../src/domain/approval-chain.ts";
import { nextEscalation } from "../../../src/domain/approval-escalation.ts";
import { applyFloor, approversNeeded, LEVELS, maxLevel, type Level } from "../../../src/domain/approval-level.ts";
import { approvalPayload } from "../../../src/domain/approval-payload.ts";
import {
  AUTO_LIMIT,
  decideFloor,
  POLICY,
  type ApprovalFacts,
  type ApprovalPerson,
} from "../../../src/domain/policy.ts";
import type { Allocation } from "../../../src/domain/request-context.ts";

function manager(id: string, region: string | null, approvalLimit: number, selfApprovalLimit = 0): ApprovalPerson {
  return { id, role: "manager", region, approvalLimit, selfApprovalLimit };
}

const north = manager("manager-north", "north", 500_000);
const south = manager("manager-south", "south", 900_000_000);
const deputy = manager("manager-deputy", null, 2_000_000);
const national = manager("manager-national", null, 100_000_000);
const everyone = [national, south, deputy, north];

function facts(more: Partial<ApprovalFacts> = {}): ApprovalFacts {
  return {
    total: 50_000,
    currency: "USD",
    region: "north",
    requester: "truck-001",
    categories: ["engine"],
    urgency: "normal",
    unpriced: false,
    people: everyone,
    ...more,
  };
}

const approvers = (more: Partial<ApprovalFacts>, advised?: Level) =>
  decideChain(facts(more), POLICY, advised).steps.map((step) => step.approver);

describe("the lattice", () => {
  const level = fc.constantFrom(...LEVELS);

  it("joins to the stricter, whatever the order and grouping", ({ expect }) => {
    fc.assert(
      fc.property(level, level, level, (a, b, c) => {
        expect(maxLevel(a, b)).toBe(maxLevel(b, a));
        expect(maxLevel(maxLevel(a, b), c)).toBe(maxLevel(a, maxLevel(b, c)));
        expect(maxLevel(a, a)).toBe(a);
        expect(maxLevel("auto", a)).toBe(a);
        expect(maxLevel("reject", a)).toBe("reject");
      }),
    );
  });

  it("only rises, whatever the advice", ({ expect }) => {
    fc.assert(
      fc.property(
        level,
        fc.option(fc.record({ level: fc.option(level, { nil: undefined }) }), { nil: undefined }),
        (floor, advice) => {
          const held = applyFloor(floor, advice);
          expect(LEVELS.indexOf(held)).toBeGreaterThanOrEqual(LEVELS.indexOf(floor));
          expect([floor, advice?.level]).toContain(held);
        },
      ),
    );
  });
});

describe("the floor", () => {
  it.for([
    [0, "engine", "auto"],
    [AUTO_LIMIT, "engine", "auto"],
    [AUTO_LIMIT + 1, "engine", "one"],
    [100_001, "electronics", "one"],
    [5_000_000, "engine", "one"],
    [5_000_001, "engine", "two"],
  ] as const)("of %d in %s is %s", ([total, category, level], { expect }) => {
    expect(decideFloor(facts({ total, categories: [category] }), POLICY).level).toBe(level);
  });

  it("names each rule that fired", ({ expect }) => {
    const { hits } = decideFloor(facts({ total: 5_000_001, categories: ["electronics"] }), POLICY);
    expect(hits.map((hit) => hit.rule)).toEqual(["amount-above-100", "electronics-above-1000", "amount-above-50000"]);
  });

  it("lets nothing without a price through unseen", ({ expect }) => {
    expect(decideFloor(facts({ total: 0, unpriced: true }), POLICY).level).toBe("one");
  });

  it("rejects a total that isn't an amount", ({ expect }) => {
    for (const total of [Number.NaN, -1, 0.5, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(decideFloor(facts({ total }), POLICY).level).toBe("reject");
    }
  });

  it("lets a manager's own limit waive the amount rule, not the category rule", ({ expect }) => {
    const people = [...everyone, manager("manager-self", "north", 500_000, 200_000)];
    const own = { people, requester: "manager-self" };
    expect(decideFloor(facts({ ...own, total: 200_000 }), POLICY).level).toBe("auto");
    expect(decideFloor(facts({ ...own, total: 200_001 }), POLICY).level).toBe("one");
    expect(decideFloor(facts({ ...own, total: 200_000, categories: ["electronics"] }), POLICY).level).toBe("one");
  });
});

describe("the chain", () => {
  it("is empty up to the limit", ({ expect }) => {
    expect(decideChain(facts({ total: AUTO_LIMIT }), POLICY)).toMatchObject({
      outcome: "auto",
      steps: [],
      level: "auto",
    });
  });

  it("is the region's manager alone where the limit covers the total", ({ expect }) => {
    expect(approvers({ total: 500_000 })).toEqual(["manager-north"]);
  });

  it("climbs until a limit covers the total, and says which rule asked for each step", ({ expect }) => {
    const chain = decideChain(facts({ total: 2_500_000 }), POLICY);
    expect(chain.steps).toEqual([
      {
        position: 1,
        approver: "manager-north",
        rule: "amount-above-100",
        reason: "manager-north approves for north: 25000.00 USD.",
      },
      {
        position: 2,
        approver: "manager-deputy",
        rule: "limit-climb",
        reason: "25000.00 USD is above the limit of manager-north (5000.00 USD).",
      },
      {
        position: 3,
        approver: "manager-national",
        rule: "limit-climb",
        reason: "25000.00 USD is above the limit of manager-deputy (20000.00 USD).",
      },
    ]);
    expect(approvers({ total: 500_001, people: [north, national] })).toEqual(["manager-north", "manager-national"]);
  });

  it("takes the region's smallest limit that covers, else its largest", ({ expect }) => {
    const people = [north, manager("manager-n2", "north", 900_000), national];
    expect(approvers({ total: 400_000, people })).toEqual(["manager-north"]);
    expect(approvers({ total: 600_000, people })).toEqual(["manager-n2"]);
    expect(approvers({ total: 1_000_000, people })).toEqual(["manager-n2", "manager-national"]);
  });

  it("passes over the requester and the managers of other regions", ({ expect }) => {
    expect(approvers({ requester: "manager-north" })).toEqual(["manager-deputy"]);
    expect(approvers({ people: [south, national] })).toEqual(["manager-national"]);
  });

  it("has two people above 50,000 even where one limit covers it", ({ expect }) => {
    const people = [manager("manager-n9", "north", 900_000_000), deputy];
    expect(approvers({ total: 5_000_001, people })).toEqual(["manager-n9", "manager-deputy"]);
    expect(decideChain(facts({ total: 5_000_001, people: people.slice(0, 1) }), POLICY)).toMatchObject({
      outcome: "needs_attention",
      reason: "2 distinct approvers are needed and only 1 is entitled.",
    });
  });

  it("needs attention when nobody's limit covers the total, or nobody is entitled", ({ expect }) => {
    expect(decideChain(facts({ total: 100_000_001 }), POLICY)).toMatchObject({
      outcome: "needs_attention",
      steps: [],
      reason: "No approver's limit covers 1000000.01 USD: the highest is manager-national with 1000000.00 USD.",
    });
    expect(decideChain(facts({ people: [{ ...north, role: "operations" }] }), POLICY).outcome).toBe("needs_attention");
    expect(
      decideChain(facts({ people: [{ ...north, approvalLimit: 0 }], total: 0, unpriced: true }), POLICY).outcome,
    ).toBe("needs_attention");
  });

  it("is raised by an advice, and the trace names it", ({ expect }) => {
    expect(approvers({ total: 100 }, "one")).toEqual(["manager-north"]);
    expect(approvers({ total: 100 }, "two")).toEqual(["manager-north", "manager-deputy"]);
    const rejected = decideChain(facts(), POLICY, "reject");
    expect(rejected).toMatchObject({ outcome: "reject", floor: "one", level: "reject" });
    expect(rejected.hits.at(-1)).toEqual({
      rule: "advice",
      reason: "The engine asked for more scrutiny: one became reject.",
    });
    expect(decideChain(facts(), POLICY, "two_finance").outcome).toBe("needs_attention");
    const finance: ApprovalPerson = {
      id: "finance-1",
      role: "finance",
      region: null,
      approvalLimit: 0,
      selfApprovalLimit: 0,
    };
    expect(approvers({ people: [...everyone, finance] }, "two_finance")).toEqual([
      "manager-north",
      "manager-deputy",
      "finance-1",
    ]);
  });

  it("of anyone, for any amount and advice: distinct, entitled, never the requester, covering, and never below the floor", ({
    expect,
  }) => {
    const person = fc.record({
      id: fc.constantFrom("a", "b", "c", "d", "e", "truck-001"),
      role: fc.constantFrom("manager", "manager", "manager", "technician", "finance"),
      region: fc.constantFrom("north", "south", null),
      approvalLimit: fc.constantFrom(0, 50_000, 1_000_000, 10_000_000),
      selfApprovalLimit: fc.constantFrom(0, 20_000),
    });
    const people = fc.uniqueArray(person, { selector: (one) => one.id, maxLength: 6 });
    fc.assert(
      fc.property(
        people,
        fc.nat(12_000_000),
        fc.constantFrom("a", "truck-001"),
        fc.boolean(),
        fc.option(fc.constantFrom(...LEVELS), { nil: undefined }),
        (who, total, requester, unpriced, advised) => {
          const given = facts({ people: who, total, requester, unpriced, categories: ["electronics"] });
          const chain = decideChain(given, POLICY, advised);
          expect(LEVELS.indexOf(chain.level)).toBeGreaterThanOrEqual(LEVELS.indexOf(decideFloor(given, POLICY).level));
          const ids = chain.steps.map((step) => step.approver);
          expect(new Set(ids).size).toBe(ids.length);
          expect(ids).not.toContain(requester);
          const asked = ids.map((id) => who.find((one) => one.id === id));
          expect(asked.every((one) => one?.region === null || one?.region === "north")).toBe(true);
          expect(asked.every((one) => one?.role === "manager" || one?.role === "finance")).toBe(true);
          expect(chain.outcome === "steps").toBe(ids.length > 0);
          if (chain.outcome === "auto") expect(chain.level).toBe("auto");
          if (chain.outcome !== "steps") return;
          expect(ids.length).toBeGreaterThanOrEqual(approversNeeded(chain.level));
          expect(asked.some((one) => (one?.role === "manager" ? one.approvalLimit : 0) >= total)).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe("a step that is due", () => {
  const due = { approver: "manager-north", region: "north", requester: "truck-001", needed: 1, others: [] };

  it("goes up to the next entitled person with the needed limit", ({ expect }) => {
    expect(nextEscalation(everyone, due, 50_000, ["manager-north"])).toMatchObject({
      kind: "ask",
      approver: "manager-deputy",
    });
    expect(
      nextEscalation(everyone, { ...due, approver: "manager-national" }, 50_000_000, ["manager-north"]),
    ).toMatchObject({ kind: "hold" });
    const peer = manager("manager-n2", "north", 500_000);
    expect(nextEscalation([north, peer], due, 50_000, [])).toMatchObject({ kind: "ask", approver: "manager-n2" });
  });

  it("never goes to the requester, to someone asked before, or below the limit of who was silent", ({ expect }) => {
    expect(nextEscalation([north, deputy], { ...due, requester: "manager-deputy" }, 50_000, []).kind).toBe("hold");
    expect(nextEscalation([north, deputy], due, 50_000, ["manager-deputy"]).kind).toBe("hold");
    expect(nextEscalation([north, { ...deputy, approvalLimit: 40_000 }], due, 50_000, []).kind).toBe("hold");
  });

  it("is left to the other steps only if they are enough people and cover the total", ({ expect }) => {
    const others = ["manager-national"];
    expect(nextEscalation([north, national], { ...due, others }, 5_000_000, []).kind).toBe("leave");
    expect(nextEscalation([north, national], { ...due, others, needed: 2 }, 5_000_000, []).kind).toBe("hold");
    expect(nextEscalation([north, deputy], { ...due, others: ["manager-deputy"] }, 5_000_000, []).kind).toBe("hold");
  });
});

describe("what an approval is bound to", () => {
  const bought: Allocation = {
    line: 1,
    sku: "A-1",
    quantity: 5,
    source: "purchase",
    supplier: "acme",
    orderQuantity: 6,
    unitPrice: 100,
    availableOn: "2026-12-01",
    reason: "cheap",
  };
  const held: Allocation = {
    line: 2,
    sku: "B-1",
    quantity: 1,
    source: "stock",
    location: "wh-1",
    orderQuantity: 1,
    unitPrice: 900,
    availableOn: "2026-11-23",
    reason: "there",
  };
  const request = { id: "req_1", destination: "truck-001", currency: "USD" };
  const payload = approvalPayload(request, [bought, held]);

  it("is the same text whatever the order of lines and keys, and whatever the words", ({ expect }) => {
    expect(approvalPayload({ currency: "USD", destination: "truck-001", id: "req_1" }, [held, bought])).toBe(payload);
    expect(approvalPayload(request, [{ ...bought, reason: "other words" }, held])).toBe(payload);
    expect(JSON.parse(payload)).toMatchObject({
      request_id: "req_1",
      total: 1_500,
      lines: [{ sku: "A-1" }, { sku: "B-1" }],
    });
  });

  it.for([
    ["more quantity", { quantity: 6 }],
    ["more ordered", { orderQuantity: 12 }],
    ["a higher price", { unitPrice: 101 }],
    ["another supplier", { supplier: "beta" }],
    ["another part", { sku: "A-2" }],
    ["another source", { source: "stock", supplier: undefined, location: "wh-1" }],
  ] as const)("changes with %s", ([, change], { expect }) => {
    expect(approvalPayload(request, [{ ...bought, ...change }, held])).not.toBe(payload);
  });

  it("changes with prices that shift between lines and leave the total as it was", ({ expect }) => {
    const shifted = [
      { ...bought, unitPrice: 99 },
      { ...held, unitPrice: 906 },
    ];
    expect(JSON.parse(approvalPayload(request, shifted))).toMatchObject({ total: 1_500 });
    expect(approvalPayload(request, shifted)).not.toBe(payload);
  });

  it("changes with destination, request, and a line more or less", ({ expect }) => {
    expect(approvalPayload({ ...request, destination: "truck-002" }, [bought, held])).not.toBe(payload);
    expect(approvalPayload({ ...request, id: "req_2" }, [bought, held])).not.toBe(payload);
    expect(approvalPayload(request, [bought])).not.toBe(payload);
  });
});
