/**
 * The approval policy as versioned data, and the rules that hold for a request: each rule that fires sets a level, the
 * strictest is the floor. Reads trusted facts only; amounts are minor units of the request's currency.
 */
import { maxLevel, type Level } from "./approval-level.ts";
import { formatMoney } from "./money.ts";
import type { RuleHit } from "./request-context.ts";

export interface PolicyCondition {
  /** Fires above this total, in minor units. */
  readonly totalAbove?: number;
  /** Fires when a line is of this category. */
  readonly category?: string;
  readonly urgency?: "normal" | "urgent";
  /** Fires when a line has no price: the total says nothing about it. */
  readonly unpriced?: boolean;
  /** The requester's own self-approval limit, where it covers the total, waives the rule. */
  readonly waivedBySelfLimit?: boolean;
}

export interface PolicyRule {
  readonly id: string;
  /** Every part of the condition must hold. */
  readonly when: PolicyCondition;
  readonly level: Level;
  readonly reason: string;
}

export interface Policy {
  readonly version: string;
  readonly rules: readonly PolicyRule[];
}

/** Up to here no approval is needed (minor units: 100.00). */
export const AUTO_LIMIT = 10_000;

export const POLICY: Policy = {
  version: "2026-11-23",
  rules: [
    {
      id: "amount-above-100",
      when: { totalAbove: AUTO_LIMIT, waivedBySelfLimit: true },
      level: "one",
      reason: "Above 100.00 a manager approves.",
    },
    {
      id: "electronics-above-1000",
      when: { totalAbove: 100_000, category: "electronics" },
      level: "one",
      reason: "Requests with electronics above 1,000.00 are always approved by someone else.",
    },
    {
      id: "amount-above-50000",
      when: { totalAbove: 5_000_000 },
      level: "two",
      reason: "Above 50,000.00 two people approve, whatever their limits.",
    },
    {
      id: "unpriced",
      when: { unpriced: true },
      level: "one",
      reason: "A part without a price is looked at by a manager: the total doesn't show what it is worth.",
    },
  ],
};

export interface ApprovalPerson {
  readonly id: string;
  readonly role: string;
  /** null: every region. */
  readonly region: string | null;
  readonly approvalLimit: number;
  readonly selfApprovalLimit: number;
}

export interface ApprovalFacts {
  readonly total: number;
  readonly currency: string;
  readonly region: string;
  readonly requester: string;
  readonly categories: readonly string[];
  readonly urgency: "normal" | "urgent";
  /** A line's unit price is 0. */
  readonly unpriced: boolean;
  /** Whoever may be asked, and the requester if a person. */
  readonly people: readonly ApprovalPerson[];
}

export interface Floor {
  readonly level: Level;
  /** The rules that fired, in the policy's order, with their level. */
  readonly hits: readonly (RuleHit & { readonly level: Level })[];
}

function holds(condition: PolicyCondition, facts: ApprovalFacts, selfLimit: number): boolean {
  if (condition.totalAbove !== undefined && !(facts.total > condition.totalAbove)) return false;
  if (condition.category !== undefined && !facts.categories.includes(condition.category)) return false;
  if (condition.urgency !== undefined && facts.urgency !== condition.urgency) return false;
  if (condition.unpriced !== undefined && facts.unpriced !== condition.unpriced) return false;
  return !(condition.waivedBySelfLimit === true && facts.total <= selfLimit);
}

/** The least scrutiny that the policy asks for. A total that isn't a safe whole number is rejected. */
export function decideFloor(facts: ApprovalFacts, policy: Policy): Floor {
  if (!Number.isSafeInteger(facts.total) || facts.total < 0) {
    const hit = {
      rule: "total-not-countable",
      reason: "The total is not an amount that can be checked.",
      level: "reject",
    } as const;
    return { level: "reject", hits: [hit] };
  }
  const selfLimit = facts.people.find((person) => person.id === facts.requester)?.selfApprovalLimit ?? 0;
  const hits = policy.rules
    .filter((rule) => holds(rule.when, facts, selfLimit))
    .map((rule) => ({ rule: rule.id, level: rule.level, reason: rule.reason }));
  if (hits.length > 0) return { level: hits.map((hit) => hit.level).reduce(maxLevel), hits };
  const total = formatMoney(facts.total, facts.currency);
  return { level: "auto", hits: [{ rule: "auto", level: "auto", reason: `${total} needs no approval.` }] };
}
