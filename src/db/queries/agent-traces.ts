/** The decision trace: one run a request, one step a decision, written in the batch of the move that the step led to. */
import { asc, eq, getTableColumns, or, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { agentRuns, agentSteps } from "../schema/requests.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export interface NewAgentStep {
  readonly agent: string;
  readonly decision: string;
  readonly engine: string;
  readonly inputHash: string;
  /** The packed input's first piece. */
  readonly input: Uint8Array;
  /** Its others: of an input that is larger than one value may be. */
  readonly furtherInput: readonly Uint8Array[];
  readonly decisionHash: string;
  readonly advice: unknown;
  readonly ruleHits: unknown;
  readonly final: unknown;
  readonly overrideReason: string | null;
  readonly floor: string | null;
  readonly advised: string | null;
  readonly level: string | null;
  readonly model: string | null;
  readonly promptVersion: string | null;
  readonly calls: number;
  readonly tokens: number;
  /** In millionths of a dollar. */
  readonly cost: number;
  readonly ms: number;
}

export function runIdOf(requestId: string): string {
  return `run_${requestId.slice(requestId.indexOf("_") + 1)}`;
}

export function insertAgentStep(requestId: string, step: NewAgentStep, at: string): GuardedWrite[] {
  const run = runIdOf(requestId);
  return [
    {
      statement: sql`INSERT INTO agent_runs(id, request_id, started_at) VALUES (${run}, ${requestId}, ${at})
        ON CONFLICT DO NOTHING`,
    },
    {
      statement: sql`INSERT INTO agent_steps(run_id, step, agent, engine, input_hash, advice, rule_hits, final,
          override_reason, at, decision, input, decision_hash, model, prompt_version, floor, advised, level,
          calls, tokens, cost, ms)
        SELECT ${run}, COALESCE(MAX(step), 0) + 1, ${step.agent}, ${step.engine}, ${step.inputHash},
          ${JSON.stringify(step.advice)}, ${JSON.stringify(step.ruleHits)}, ${JSON.stringify(step.final)},
          ${step.overrideReason}, ${at}, ${step.decision}, ${step.input}, ${step.decisionHash}, ${step.model},
          ${step.promptVersion}, ${step.floor}, ${step.advised}, ${step.level}, ${step.calls},
          ${step.tokens}, ${step.cost}, ${step.ms}
        FROM agent_steps WHERE run_id = ${run}`,
    },
    ...step.furtherInput.map((piece, index) => ({
      statement: sql`INSERT INTO agent_inputs(run_id, step, part, piece)
        SELECT ${run}, MAX(step), ${index + 1}, ${piece} FROM agent_steps WHERE run_id = ${run}`,
    })),
  ];
}

const { input: _, ...WITHOUT_INPUT } = getTableColumns(agentSteps);

export type AgentStepRow = Awaited<ReturnType<typeof listAgentSteps>>[number];

/** The run of this id, or of the request of this id, with its steps in order; their inputs are asked for one by one. */
export async function findAgentRun(db: Database, id: string) {
  const [run] = await db
    .select()
    .from(agentRuns)
    .where(or(eq(agentRuns.id, id), eq(agentRuns.requestId, id)))
    .limit(1);
  return run ? { run, steps: await listAgentSteps(db, run.id) } : null;
}

export function listAgentSteps(db: Database, runId: string) {
  return db.select(WITHOUT_INPUT).from(agentSteps).where(eq(agentSteps.runId, runId)).orderBy(asc(agentSteps.step));
}

/** The packed input of a step, in its pieces; null: it is of before inputs were kept. */
export async function readInputPieces(db: Database, runId: string, step: number): Promise<Uint8Array[] | null> {
  // D1 gives a blob as a list of its bytes.
  const rows = await db.all<{ piece: ArrayLike<number> | null }>(sql`
    SELECT 0 AS part, input AS piece FROM agent_steps WHERE run_id = ${runId} AND step = ${step}
    UNION ALL SELECT part, piece FROM agent_inputs WHERE run_id = ${runId} AND step = ${step}
    ORDER BY part`);
  const pieces = rows.flatMap(({ piece }) => (piece === null ? [] : [Uint8Array.from(piece)]));
  return pieces.length === 0 ? null : pieces;
}
