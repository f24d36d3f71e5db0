/** The agents' decision trace of a request: what each agent was given, what it gave, and which rules held. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { findAgentRun } from "../db/queries/agent-traces.ts";
import { findRequest } from "../db/queries/requests.ts";
import type { AppEnv } from "./app-env.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { problem } from "./problem.ts";
import { maySee } from "./requests.ts";

const run = createRoute({
  method: "get",
  path: "/api/agent-runs/{id}",
  tags: ["agents"],
  security: BEARER,
  middleware: [requires("audit.read")] as const,
  request: { params: z.object({ id: z.string().min(1).max(100) }) },
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
            input_hash: z.string(),
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

export function registerAgentRuns(app: OpenAPIHono<AppEnv>): void {
  app.openapi(run, async (c) => {
    const { db } = c.get("container");
    const traced = await findAgentRun(db, c.req.valid("param").id);
    const found = traced && (await findRequest(db, traced.run.requestId));
    if (!traced || !found || !maySee(c.get("principal"), found.request)) {
      return problem(c, { code: "NOT_FOUND", detail: "no such run, or its request was not read yet" });
    }
    const steps = traced.steps.map((step) => ({
      step: step.step,
      agent: step.agent,
      engine: step.engine,
      input_hash: step.inputHash,
      advice: JSON.parse(step.advice) as unknown,
      rule_hits: JSON.parse(step.ruleHits) as { rule: string; reason: string }[],
      final: JSON.parse(step.final) as unknown,
      override_reason: step.overrideReason,
      at: step.at,
    }));
    const { id, requestId, startedAt } = traced.run;
    return c.json({ run_id: id, request_id: requestId, started_at: startedAt, steps }, 200);
  });
}
