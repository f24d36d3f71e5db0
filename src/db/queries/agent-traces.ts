/** The decision trace: one run a request, one step an agent, written in the batch of the move that the step led to. */
import { asc, eq, or, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { agentRuns, agentSteps } from "../schema/requests.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export interface NewAgentStep {
  readonly agent: string;
  readonly engine: string;
  readonly inputHash: string;
  readonly advice: unknown;
  readonly ruleHits: unknown;
  readonly final: unknown;
  readonly overrideReason: string | null;
}

export function insertAgentStep(requestId: string, step: NewAgentStep, at: string): GuardedWrite[] {
  const run = `run_${requestId.slice(requestId.indexOf("_") + 1)}`;
  return [
    {
      statement: sql`INSERT INTO agent_runs(id, request_id, started_at) VALUES (${run}, ${requestId}, ${at})
        ON CONFLICT DO NOTHING`,
    },
    {
      statement: sql`INSERT INTO agent_steps(run_id, step, agent, engine, input_hash, advice, rule_hits, final,
          override_reason, at)
        SELECT ${run}, COALESCE(MAX(step), 0) + 1, ${step.agent}, ${step.engine}, ${step.inputHash},
          ${JSON.stringify(step.advice)}, ${JSON.stringify(step.ruleHits)}, ${JSON.stringify(step.final)},
          ${step.overrideReason}, ${at} FROM agent_steps WHERE run_id = ${run}`,
    },
  ];
}

/** The run of this id, or of the request of this id, with its steps in order. */
export async function findAgentRun(db: Database, id: string) {
  const [run] = await db
    .select()
    .from(agentRuns)
    .where(or(eq(agentRuns.id, id), eq(agentRuns.requestId, id)))
    .limit(1);
  if (!run) return null;
  const steps = await db.select().from(agentSteps).where(eq(agentSteps.runId, run.id)).orderBy(asc(agentSteps.step));
  return { run, steps };
}
