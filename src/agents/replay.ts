/**
 * Decides a run again, each step from its kept input with today's rules and the advice of then, and compares: the same
 * means the same bit for bit. Nothing is written.
 */
import { readInputPieces, type AgentStepRow } from "../db/queries/agent-traces.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import { messageOf } from "../domain/errors.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { DECISION_KINDS, decidedBy, type DecisionKind } from "./agent-trace.ts";
import { DECISIONS, type Decide } from "./decisions.ts";
import { adviceSchema } from "./engine.ts";
import { unpackInput } from "./packed-input.ts";
import { replayEngine } from "./replay-engine.ts";

type ReplayDeps = Pick<ServiceDeps, "db" | "sha256">;

export interface ReplayedStep {
  readonly step: number;
  readonly agent: string;
  readonly decision: string | null;
  /** `not_kept`: of before inputs were kept. */
  readonly outcome: "same" | "different" | "not_kept";
  /** What differs, in words. */
  readonly differs: string[];
}

/** `steps`: of one run, in order. `decisions`: the rules to decide by. */
export async function replaySteps(
  deps: ReplayDeps,
  steps: readonly AgentStepRow[],
  decisions: Readonly<Record<DecisionKind, Decide>> = DECISIONS,
): Promise<ReplayedStep[]> {
  const replayed: ReplayedStep[] = [];
  for (const step of steps) {
    const { step: number, agent, decision } = step;
    const differs = await differencesOf(deps, step, decisions);
    const outcome = differs === null ? "not_kept" : differs.length === 0 ? "same" : "different";
    replayed.push({ step: number, agent, decision, outcome, differs: differs ?? [] });
  }
  return replayed;
}

/** The input of a step as it was kept: canonical JSON. Null: none was. Rejects when it can't be read any more. */
export async function readInput(deps: ReplayDeps, runId: string, step: number): Promise<string | null> {
  const pieces = await readInputPieces(deps.db, runId, step);
  return pieces === null ? null : unpackInput(pieces);
}

async function differencesOf(
  deps: ReplayDeps,
  step: AgentStepRow,
  decisions: Readonly<Record<DecisionKind, Decide>>,
): Promise<string[] | null> {
  if (step.decision === null) return null;
  const kind = DECISION_KINDS.find((one) => one === step.decision);
  if (kind === undefined) return [`there is no decision ${step.decision} any more`];
  try {
    const input = await readInput(deps, step.runId, step.step);
    if (input === null) return null;
    const changed =
      (await deps.sha256(input)) === step.inputHash ? [] : ["the kept input isn't the one that was decided on"];
    return [...changed, ...(await decidedAgain(deps, step, decisions[kind], JSON.parse(input) as unknown))];
  } catch (error) {
    return [`it can't be decided again: ${messageOf(error)}`];
  }
}

async function decidedAgain(deps: ReplayDeps, step: AgentStepRow, decide: Decide, input: unknown): Promise<string[]> {
  const advice = adviceSchema.nullable().parse(JSON.parse(step.advice));
  const engine = replayEngine(step.engine, advice === null ? [] : [advice], deps.sha256);
  const { trace } = await decide(input, engine);
  const again = decidedBy(trace);
  if ((await deps.sha256(canonicalJson(again))) === step.decisionHash) return [];
  const was: Readonly<Record<string, string | null>> = {
    "the rules that fired": step.ruleHits,
    "what was decided": step.final,
    "why the advice didn't hold": JSON.stringify(step.overrideReason),
  };
  const is = [again.ruleHits, again.final, again.overrideReason];
  const differs = Object.entries(was).filter(
    ([, kept], index) => canonicalJson(JSON.parse(kept ?? "null")) !== canonicalJson(is[index]),
  );
  return differs.length === 0 ? ["the decision in full"] : differs.map(([what]) => what);
}
