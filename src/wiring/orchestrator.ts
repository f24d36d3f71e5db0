/** Wires the orchestrator: its engine by DECISION_ENGINE, its files from the upload store. */
import type { Container } from "../container.ts";
import type { DecisionEngine } from "../agents/engine.ts";
import type { OrchestratorDeps } from "../agents/move.ts";
import { recordable } from "../agents/replay-engine.ts";
import { rulesEngine } from "../agents/rules-engine.ts";
import { workersAiEngine } from "../agents/workers-ai-engine.ts";
import { breakerFor, throughBreaker } from "../integrations/breaker.ts";
import { log } from "../log.ts";
import { readKeptUpload } from "./uploads.ts";

export function orchestratorDeps(container: Container): OrchestratorDeps {
  return { ...container, engine: engineOf(container), readUpload: (key) => readKeptUpload(container, key) };
}

function engineOf(container: Container): DecisionEngine {
  return recordable(
    container.settings.DECISION_ENGINE === "rules" ? rulesEngine : modelOf(container),
    container.sha256,
  );
}

function modelOf({ settings, env, clock }: Container): DecisionEngine {
  const breaker = breakerFor(env.BREAKER, "workers-ai", { clock, log });
  return workersAiEngine({
    ai: { run: (model, inputs) => (env.AI.run as (m: string, i: object) => Promise<unknown>)(model, inputs) },
    model: settings.AI_MODEL,
    clock,
    guard: (call) => throughBreaker(breaker, call),
  });
}
