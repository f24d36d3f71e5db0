/**
 * What every agent leaves behind: its section of the shared context, and a record that holds all its decision rests on,
 * so that the same rules decide the same again from it, bit for bit.
 */
import type { Level } from "../domain/approval-level.ts";
import type { RuleHit } from "../domain/request-context.ts";
import type { Advice, AgentName } from "./engine.ts";

/** What is decided; `decisions.ts` has the function of each, which takes the record's input and nothing else. */
export const DECISION_KINDS = [
  "route_request",
  "resolve_parts",
  "match_suppliers",
  "route_approval",
  "ask_approver",
  "escalate_step",
  "draft_order",
] as const;
export type DecisionKind = (typeof DECISION_KINDS)[number];

export interface AgentTrace {
  readonly agent: AgentName;
  readonly decision: DecisionKind;
  /** Who advised: `rules` when no model was asked. */
  readonly engine: string;
  /** All that the decision rests on but the advice. JSON: it is kept, and decided from again. */
  readonly input: unknown;
  /** What the engine gave; null when it wasn't asked. */
  readonly advice: Advice | null;
  /** The rules that fired. */
  readonly ruleHits: readonly RuleHit[];
  /** What was decided, in short. */
  readonly final: object;
  /** What was decided, in full. */
  readonly section: unknown;
  /** Where scrutiny was decided: the rules' level and the one that holds. */
  readonly levels?: { readonly floor: Level; readonly level: Level };
  /** Why the advice didn't hold, in whole or in part. */
  readonly overrideReason?: string;
}

export interface AgentResult<Section> {
  readonly section: Section;
  readonly trace: AgentTrace;
}

/** The result and its record. */
export function traced<Section>(section: Section, trace: Omit<AgentTrace, "section">): AgentResult<Section> {
  return { section, trace: { ...trace, section } };
}

/** All that was decided, for its hash: equal decisions are equal in canonical JSON. */
export function decidedBy({ section, ruleHits, final, overrideReason }: AgentTrace) {
  return { section, ruleHits, final, overrideReason: overrideReason ?? null };
}

const MAX_LISTED = 50;

/** One rule hit for all the lines that it decided: `lines 1, 2, 7`. */
export function hitForLines(rule: string, what: string, lines: readonly number[]): RuleHit {
  const listed = [...new Set(lines)];
  const rest = listed.length - MAX_LISTED;
  const more = rest > 0 ? ` and ${rest} more` : "";
  return { rule, reason: `${what}: line ${listed.slice(0, MAX_LISTED).join(", ")}${more}.` };
}
