/** The agents' decision trace of a request: what each agent was given, what it gave, and which rules held. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { readInput, replaySteps } from "../agents/replay.ts";
import { findAgentRun } from "../db/queries/agent-traces.ts";
import { findRequest } from "../db/queries/requests.ts";
import type { AppEnv } from "./app-env.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { problem } from "./problem.ts";
import { maySee } from "./requests.ts";

const params = z.object({ id: z.string().min(1).max(100) });

const run = createRoute({
  method: "get",
  path: "/api/agent-runs/{id}",
  tags: ["agents"],
  security: BEARER,
  middleware: [requires("audit.read")] as const,
  request: {
    params,
    query: z.strictObject({ inputs: z.enum(["true", "false"]).default("false") }),
  },
  responses: {
    200: json(
      z.object({
        run_id: z.string(),
        request_id: z.string(),
        started_at: z.string(),
        steps: z.array(
          z.object({
            step: z.int(),
            agent: z.string(),
            engine: z.string(),
            decision: z.string().nullable(),
            /** SHA-256 of the input in canonical JSON; the trail has it too. */
            input_hash: z.string(),
            /** All that the decision rests on, where `inputs=true` asks for it; null: it wasn't kept yet. */
            input: z.unknown().optional(),
            /** SHA-256 of all that was decided. */
            decision_hash: z.string().nullable(),
            model: z.string().nullable(),
            prompt_version: z.string().nullable(),
            floor: z.string().nullable(),
            advised: z.string().nullable(),
            level: z.string().nullable(),
            calls: z.int(),
            tokens: z.int(),
            cost_micro_usd: z.int(),
            ms: z.int(),
            advice: z.unknown(),
            rule_hits: z.array(z.object({ rule: z.string(), reason: z.string() })),
            final: z.unknown(),
            override_reason: z.string().nullable(),
            at: z.string(),
          }),
        ),
      }),
      "Every step of the agents, in order; found by the id of the run or of its request",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

const replay = createRoute({
  method: "get",
  path: "/api/agent-runs/{id}/replay",
  tags: ["agents"],
  security: BEARER,
  middleware: [requires("audit.read")] as const,
  request: { params },
  responses: {
    200: json(
      z.object({
        run_id: z.string(),
        request_id: z.string(),
        /** No step came out differently. */
        same: z.boolean(),
        steps: z.array(
          z.object({
            step: z.int(),
            agent: z.string(),
            decision: z.string().nullable(),
            outcome: z.enum(["same", "different", "not_kept"]),
            differs: z.array(z.string()),
          }),
        ),
      }),
      "Each step decided again by today's rules from its kept input and the advice of then",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

const NO_RUN = { code: "NOT_FOUND", detail: "no such run, or its request was not read yet" } as const;

/** The run of this id, or of this request's id, if its request is one that the caller may see. */
async function runThatMayBeSeen(c: Context<AppEnv>, id: string) {
  const { db } = c.get("container");
  const traced = await findAgentRun(db, id);
  const found = traced && (await findRequest(db, traced.run.requestId));
  return found && maySee(c.get("principal"), found.request) ? traced : null;
}

export function registerAgentRuns(app: OpenAPIHono<AppEnv>): void {
  app.openapi(run, async (c) => {
    const container = c.get("container");
    const traced = await runThatMayBeSeen(c, c.req.valid("param").id);
    if (!traced) return problem(c, NO_RUN);
    const inputs = new Map<number, unknown>();
    if (c.req.valid("query").inputs === "true") {
      for (const { step } of traced.steps) {
        const kept = await readInput(container, traced.run.id, step);
        inputs.set(step, kept === null ? null : JSON.parse(kept));
      }
    }
    const steps = traced.steps.map((step) => ({
      step: step.step,
      agent: step.agent,
      decision: step.decision,
      engine: step.engine,
      input_hash: step.inputHash,
      ...(inputs.has(step.step) ? { input: inputs.get(step.step) } : {}),
      decision_hash: step.decisionHash,
      model: step.model,
      prompt_version: step.promptVersion,
      floor: step.floor,
      advised: step.advised,
      level: step.level,
      calls: step.calls,
      tokens: step.tokens,
      cost_micro_usd: step.cost,
      ms: step.ms,
      advice: JSON.parse(step.advice) as unknown,
      rule_hits: JSON.parse(step.ruleHits) as { rule: string; reason: string }[],
      final: JSON.parse(step.final) as unknown,
      override_reason: step.overrideReason,
      at: step.at,
    }));
    const { id, requestId, startedAt } = traced.run;
    return c.json({ run_id: id, request_id: requestId, started_at: startedAt, steps }, 200);
  });

  app.openapi(replay, async (c) => {
    const traced = await runThatMayBeSeen(c, c.req.valid("param").id);
    if (!traced) return problem(c, NO_RUN);
    const steps = await replaySteps(c.get("container"), traced.steps);
    const same = steps.every(({ outcome }) => outcome !== "different");
    return c.json({ run_id: traced.run.id, request_id: traced.run.requestId, same, steps }, 200);
  });
}
