/**
 * RegionalApprover: asks the people of the chain one after another, each with a due time and reminders before it, and
 * escalates a step that was not decided in time. It never decides itself, and silence never approves.
 */
import { nextEscalation, type DueStep, type Escalation } from "../domain/approval-escalation.ts";
import type { ApprovalPerson } from "../domain/policy.ts";
import type { ChainStep, RequestContext } from "../domain/request-context.ts";
import { timesOfAsk, type AskTimes } from "../services/ask-times.ts";
import { traced, type AgentResult } from "./agent-trace.ts";

export interface Ask extends AskTimes {
  readonly position: number;
  readonly approver: string;
  readonly rule: string;
}

/** All that asking rests on. */
export interface AskInput {
  readonly request: string;
  readonly step: ChainStep;
  /** Ms since the epoch. */
  readonly now: number;
}

/** Asks one step. `now` is ms since the epoch; the due time is exactly APPROVAL_DUE_MS later. */
export function askApprover(context: RequestContext, step: ChainStep, now: number): AgentResult<Ask> {
  return decideAsk({ request: context.trusted.request.id, step, now });
}

export function decideAsk(input: AskInput): AgentResult<Ask> {
  const { step, now } = input;
  const section: Ask = {
    position: step.position,
    approver: step.approver,
    rule: step.rule,
    ...timesOfAsk(now),
  };
  return traced(section, {
    agent: "RegionalApprover",
    decision: "ask_approver",
    engine: "rules",
    input,
    advice: null,
    ruleHits: [{ rule: step.rule, reason: step.reason }],
    final: section,
  });
}

export interface EscalationFacts {
  readonly people: readonly ApprovalPerson[];
  readonly step: DueStep;
  /** Everyone who holds or held a step of the request. */
  readonly taken: readonly string[];
}

/** All that an escalation rests on. `total` in minor units. */
export interface EscalationInput extends EscalationFacts {
  readonly request: string;
  readonly total: number;
}

/** What becomes of a step that is due without a decision. The total is the one that the chain was made for. */
export function escalateStep(context: RequestContext, facts: EscalationFacts): AgentResult<Escalation> {
  const total = context.trusted.sources?.total ?? Number.MAX_SAFE_INTEGER;
  return decideEscalation({ request: context.trusted.request.id, total, ...facts });
}

export function decideEscalation(input: EscalationInput): AgentResult<Escalation> {
  const section = nextEscalation(input.people, input.step, input.total, input.taken);
  return traced(section, {
    agent: "RegionalApprover",
    decision: "escalate_step",
    engine: "rules",
    input,
    advice: null,
    ruleHits: [{ rule: `escalation-${section.kind}`, reason: section.reason }],
    final: section,
  });
}
