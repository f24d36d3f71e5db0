/**
 * RegionalApprover: asks the people of the chain one after another, each with a due time and reminders before it, and
 * escalates a step that was not decided in time. It never decides itself, and silence never approves.
 */
import { nextEscalation, type DueStep, type Escalation } from "../domain/approval-escalation.ts";
import type { ApprovalPerson } from "../domain/policy.ts";
import type { ChainStep, RequestContext } from "../domain/request-context.ts";
import { timesOfAsk, type AskTimes } from "../services/ask-times.ts";
import type { AgentResult } from "./agent-trace.ts";

export interface Ask extends AskTimes {
  readonly position: number;
  readonly approver: string;
  readonly rule: string;
}

/** Asks one step. `now` is ms since the epoch; the due time is exactly APPROVAL_DUE_MS later. */
export function askApprover(context: RequestContext, step: ChainStep, now: number): AgentResult<Ask> {
  const section: Ask = {
    position: step.position,
    approver: step.approver,
    rule: step.rule,
    ...timesOfAsk(now),
  };
  return {
    section,
    trace: {
      agent: "RegionalApprover",
      engine: "rules",
      input: { request: context.trusted.request.id, step, now },
      advice: null,
      ruleHits: [{ rule: step.rule, reason: step.reason }],
      final: section,
    },
  };
}

export interface EscalationFacts {
  readonly people: readonly ApprovalPerson[];
  readonly step: DueStep;
  /** Everyone who holds or held a step of the request. */
  readonly taken: readonly string[];
}

/** What becomes of a step that is due without a decision. The total is the one that the chain was made for. */
export function escalateStep(context: RequestContext, facts: EscalationFacts): AgentResult<Escalation> {
  const total = context.trusted.sources?.total ?? Number.MAX_SAFE_INTEGER;
  const section = nextEscalation(facts.people, facts.step, total, facts.taken);
  return {
    section,
    trace: {
      agent: "RegionalApprover",
      engine: "rules",
      input: { request: context.trusted.request.id, total, ...facts },
      advice: null,
      ruleHits: [{ rule: `escalation-${section.kind}`, reason: section.reason }],
      final: section,
    },
  };
}
