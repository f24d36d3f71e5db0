/** Wires the orchestrator: its engine by DECISION_ENGINE, its files from the upload store. */
import type { Container } from "../container.ts";
import type { DecisionEngine } from "../agents/engine.ts";
import type { OrchestratorDeps } from "../agents/move.ts";
import { rulesEngine } from "../agents/rules-engine.ts";
import { workersAiEngine } from "../agents/workers-ai-engine.ts";
import { breakerFor, throughBreaker } from "../integrations/breaker.ts";
import { log } from "../log.ts";
import { readKeptUpload } from "./uploads.ts";

export function orchestratorDeps(container: Container): OrchestratorDeps {
  return { ...container, engine: engineOf(container), readUpload: (key) => readKeptUpload(container, key) };
}

function engineOf({ settings, env, clock }: Container): DecisionEngine {
  if (settings.DECISION_ENGINE === "rules") return rulesEngine;
  const breaker = breakerFor(env.BREAKER, "workers-ai", { clock, log });
  return workersAiEngine({
    ai: { run: (model, inputs) => (env.AI.run as (m: string, i: object) => Promise<unknown>)(model, inputs) },
    model: settings.AI_MODEL,
    clock,
    guard: (call) => throughBreaker(breaker, call),
  });
}
