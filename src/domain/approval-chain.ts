/**
 * Who has to approve a request, in which order, and who is asked when a step is due. Every approver is entitled in the
 * region, distinct, and never the requester; the chain climbs until someone's limit covers the total. Default: deny.
 */
import { applyFloor, approversNeeded, type Level } from "./approval-level.ts";
import { formatMoney } from "./money.ts";
import { decideFloor, type ApprovalFacts, type ApprovalPerson, type Policy } from "./policy.ts";
import type { Chain, ChainStep } from "./request-context.ts";

const byLimit = (a: ApprovalPerson, b: ApprovalPerson) => a.approvalLimit - b.approvalLimit || (a.id < b.id ? -1 : 1);

/** Managers who may be asked: of the region or of every region, not the requester, with a limit at all. */
export function entitledManagers(
  people: readonly ApprovalPerson[],
  region: string,
  requester: string,
): ApprovalPerson[] {
  return people.filter(
    (person) =>
      person.role === "manager" &&
      (person.region === null || person.region === region) &&
      person.id !== requester &&
      person.approvalLimit > 0,
  );
}

/**
 * The order in which people are asked: one manager of the region (the smallest limit that covers the total, else the
 * largest), then upward the managers of every region by rising limit; after them, for a second opinion only, the rest.
 */
function climb(people: readonly ApprovalPerson[], total: number): ApprovalPerson[] {
  const regional = people.filter((person) => person.region !== null).sort(byLimit);
  const national = people.filter((person) => person.region === null).sort(byLimit);
  const first = regional.find((person) => person.approvalLimit >= total) ?? regional.at(-1);
  const upward = national.filter((person) => person.approvalLimit > (first?.approvalLimit ?? 0));
  const climbing = [...(first ? [first] : []), ...upward];
  const others = [...national, ...regional].filter((person) => !climbing.includes(person)).reverse();
  return [...climbing, ...others];
}

interface Chosen {
  readonly person: ApprovalPerson;
  readonly rule: string;
  readonly reason: string;
}

/**
 * The approval chain. `advised` is an engine's opinion: it can raise the level, never lower it. Outcomes: `auto` (no
 * steps), `steps`, `reject` (by the rule in `reason`), `needs_attention` (the level can't be met by anyone entitled).
 */
export function decideChain(facts: ApprovalFacts, policy: Policy, advised?: Level): Chain {
  const floor = decideFloor(facts, policy);
  const level = applyFloor(floor.level, { level: advised });
  const raised = level !== floor.level;
  const hits = floor.hits.map(({ rule, reason }) => ({ rule, reason }));
  if (raised)
    hits.push({ rule: "advice", reason: `The engine asked for more scrutiny: ${floor.level} became ${level}.` });
  const base = { policyVersion: policy.version, floor: floor.level, level, hits };
  const rule = raised ? "advice" : (floor.hits.find((hit) => hit.level === level)?.rule ?? "policy");
  const reason = hits.find((hit) => hit.rule === rule)?.reason ?? "";
  if (level === "reject") return { ...base, outcome: "reject", steps: [], reason: `${rule}: ${reason}` };
  if (level === "auto") return { ...base, outcome: "auto", steps: [], reason };
  const chosen = chooseApprovers(facts, level, rule);
  if (!chosen.ok) return { ...base, outcome: "needs_attention", steps: [], reason: chosen.reason };
  const steps = chosen.approvers.map((one, index): ChainStep => {
    return { position: index + 1, approver: one.person.id, rule: one.rule, reason: one.reason };
  });
  return { ...base, outcome: "steps", steps, reason };
}

type Choice =
  | { readonly ok: true; readonly approvers: readonly Chosen[] }
  | { readonly ok: false; readonly reason: string };

function chooseApprovers(facts: ApprovalFacts, level: Level, rule: string): Choice {
  const total = formatMoney(facts.total, facts.currency);
  const candidates = climb(entitledManagers(facts.people, facts.region, facts.requester), facts.total);
  const covering = candidates.findIndex((person) => person.approvalLimit >= facts.total);
  if (covering === -1) {
    const highest = [...candidates].sort(byLimit).at(-1);
    const who = highest
      ? `the highest is ${highest.id} with ${formatMoney(highest.approvalLimit, facts.currency)}`
      : `nobody but the requester is entitled in ${facts.region}`;
    return { ok: false, reason: `No approver's limit covers ${total}: ${who}.` };
  }
  const needed = approversNeeded(level);
  const people = candidates.slice(0, Math.max(covering + 1, needed));
  if (people.length < needed) {
    return { ok: false, reason: `${needed} distinct approvers are needed and only ${people.length} is entitled.` };
  }
  const approvers = people.map((person, index): Chosen => {
    const before = people[index - 1];
    if (!before) return { person, rule, reason: firstReason(person, total) };
    if (index <= covering) {
      const limit = formatMoney(before.approvalLimit, facts.currency);
      return { person, rule: "limit-climb", reason: `${total} is above the limit of ${before.id} (${limit}).` };
    }
    return { person, rule, reason: `${needed} distinct approvers are needed.` };
  });
  if (level !== "two_finance") return { ok: true, approvers };
  const finance = facts.people.find((one) => isFinance(one, facts, people));
  if (!finance) return { ok: false, reason: "A finance approver is asked for, and nobody entitled has that role." };
  return { ok: true, approvers: [...approvers, { person: finance, rule, reason: "Finance confirms the amount." }] };
}

function firstReason(person: ApprovalPerson, total: string): string {
  return `${person.id} approves for ${person.region ?? "every region"}: ${total}.`;
}

function isFinance(person: ApprovalPerson, facts: ApprovalFacts, taken: readonly ApprovalPerson[]): boolean {
  if (person.role !== "finance" || person.id === facts.requester || taken.includes(person)) return false;
  return person.region === null || person.region === facts.region;
}
