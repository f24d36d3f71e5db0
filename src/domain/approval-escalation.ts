/**
 * Who is asked when an approval step is due without a decision. Silence never approves: the step goes up to someone
 * entitled who hasn't been asked, is left to the steps that remain, or is held and an alarm raised.
 */
import { entitledManagers } from "./approval-chain.ts";
import type { ApprovalPerson } from "./policy.ts";

export interface DueStep {
  readonly approver: string;
  readonly region: string;
  readonly requester: string;
  /** How many distinct approvals the level asks for (`approversNeeded`). */
  readonly needed: number;
  /** Approvers of the request's other steps that are approved, pending or waiting. */
  readonly others: readonly string[];
}

/**
 * `ask`: this person gets a new step in place of the due one. `leave`: the other steps suffice (enough distinct
 * people, and one whose limit covers the total), so the due one is closed as escalated. `hold`: nobody is left; it
 * stays open.
 */
export type Escalation =
  | { readonly kind: "ask"; readonly approver: string; readonly reason: string }
  | { readonly kind: "leave"; readonly reason: string }
  | { readonly kind: "hold"; readonly reason: string };

/**
 * Decides for a due step. `taken`: everyone who holds or held a step of the request; they aren't asked twice. Whoever
 * is asked has at least the limit of the one who was silent, or covers the total.
 */
export function nextEscalation(
  people: readonly ApprovalPerson[],
  step: DueStep,
  total: number,
  taken: readonly string[],
): Escalation {
  const limit = people.find((person) => person.id === step.approver)?.approvalLimit ?? total;
  const free = entitledManagers(people, step.region, step.requester)
    .filter((person) => person.id !== step.approver && !taken.includes(person.id) && !step.others.includes(person.id))
    .filter((person) => person.approvalLimit >= Math.min(limit, total))
    .sort(
      (a, b) =>
        Number(b.region === null) - Number(a.region === null) ||
        a.approvalLimit - b.approvalLimit ||
        (a.id < b.id ? -1 : 1),
    );
  const [next] = free;
  if (next) {
    return { kind: "ask", approver: next.id, reason: `${step.approver} didn't decide in time: ${next.id} is asked.` };
  }
  const others = new Set(step.others.filter((id) => id !== step.approver));
  const covered = people.some((person) => others.has(person.id) && person.approvalLimit >= total);
  if (others.size >= step.needed && covered) {
    const names = [...others].sort().join(", ");
    return { kind: "leave", reason: `${step.approver} didn't decide in time: ${names} can decide alone.` };
  }
  return { kind: "hold", reason: `${step.approver} didn't decide in time and nobody else is entitled to.` };
}
