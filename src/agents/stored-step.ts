/** The record of one decision as the trace keeps it: its input whole, its hashes, and what its advice cost. */
import type { NewAgentStep } from "../db/queries/agent-traces.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import { decidedBy, type AgentTrace } from "./agent-trace.ts";
import type { AiCall } from "./engine.ts";
import { packInput } from "./packed-input.ts";

type Sha256 = (text: string) => Promise<string>;

export async function storedStep(trace: AgentTrace, sha256: Sha256): Promise<NewAgentStep> {
  const input = canonicalJson(trace.input);
  const [own, ...rest] = await packInput(input);
  const calls: readonly AiCall[] = trace.advice?.calls ?? [];
  const sum = (of: (call: AiCall) => number) => Math.round(calls.reduce((all, call) => all + of(call), 0));
  return {
    agent: trace.agent,
    decision: trace.decision,
    engine: trace.engine,
    inputHash: await sha256(input),
    input: own ?? new Uint8Array(),
    furtherInput: rest,
    decisionHash: await sha256(canonicalJson(decidedBy(trace))),
    advice: trace.advice,
    ruleHits: trace.ruleHits,
    final: trace.final,
    overrideReason: trace.overrideReason ?? null,
    floor: trace.levels?.floor ?? null,
    advised: trace.advice?.level ?? null,
    level: trace.levels?.level ?? null,
    model: calls[0]?.model ?? null,
    promptVersion: calls.length === 0 ? null : [...new Set(calls.map((call) => call.prompt))].join(" "),
    calls: calls.length,
    tokens: sum((call) => call.tokens),
    cost: sum((call) => call.cost),
    ms: sum((call) => call.ms),
  };
}
