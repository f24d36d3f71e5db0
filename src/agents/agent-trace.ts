/**
 * What every agent leaves behind: its section of the shared context and a record from which its decision can be
 * followed.
 */
import type { RuleHit } from "../domain/request-context.ts";
import type { Advice, AgentName } from "./engine.ts";

export interface AgentTrace {
  readonly agent: AgentName;
  /** Who advised: `rules` when no model was asked. */
  readonly engine: string;
  /** All that the decision rests on, for the caller to hash (canonical JSON). */
  readonly input: unknown;
  /** What the engine gave; null when it wasn't asked. */
  readonly advice: Advice | null;
  /** The rules that fired. */
  readonly ruleHits: readonly RuleHit[];
  /** What was decided, in short; in full it is the section. */
  readonly final: unknown;
  /** Why the advice didn't hold, in whole or in part. */
  readonly overrideReason?: string;
}

export interface AgentResult<Section> {
  readonly section: Section;
  readonly trace: AgentTrace;
}

const MAX_LISTED = 50;

/** One rule hit for all the lines that it decided: `lines 1, 2, 7`. */
export function hitForLines(rule: string, what: string, lines: readonly number[]): RuleHit {
  const listed = [...new Set(lines)];
  const rest = listed.length - MAX_LISTED;
  const more = rest > 0 ? ` and ${rest} more` : "";
  return { rule, reason: `${what}: line ${listed.slice(0, MAX_LISTED).join(", ")}${more}.` };
}
