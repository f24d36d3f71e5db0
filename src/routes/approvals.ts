/** Approvals: what waits for me, and my decision. A GET never decides anything. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { MAX_JSON_BYTES } from "../config.ts";
import { listPending } from "../db/queries/approvals.ts";
import { decideApproval } from "../services/approvals.ts";
import { stockApprovalOf } from "../services/command-answers.ts";
import type { AppEnv } from "./app-env.ts";
import { KEYED, keyed, KEYED_JSON_PROBLEMS, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { requestSummary, summaryView } from "./request-views.ts";

/** A change of stock that waits for approval: exactly what would be done. One of `request` and `command` is set. */
const stockApprovalView = z.object({
  command_id: z.string(),
  type: z.string(),
  sku: z.string(),
  location: z.string(),
  bin: z.string(),
  change: z.int(),
  unit_price: z.int(),
  value: z.int(),
  currency: z.string(),
  rule: z.string(),
  reason: z.string(),
});

const mine = createRoute({
  method: "get",
  path: "/api/approvals",
  tags: ["approvals"],
  security: BEARER,
  middleware: [requires("approvals.read")] as const,
  responses: {
    200: json(
      z.object({
        data: z.array(
          z.object({
            id: z.string(),
            rule: z.string(),
            payload_hash: z.string(),
            due_at: z.string().nullable(),
            request: summaryView.nullable(),
            command: stockApprovalView.nullable(),
          }),
        ),
        meta: z.object({ count: z.int() }),
      }),
      "The steps that wait for the caller, oldest due first",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN"),
  },
});

const decide = createRoute({
  method: "post",
  path: "/api/approvals/{id}/decision",
  tags: ["approvals"],
  security: BEARER,
  ...KEYED,
  middleware: [requires("approvals.decide"), keyed, bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: {
    params: z.object({ id: z.string().min(1).max(100) }),
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z.strictObject({
            decision: z.enum(["approve", "reject"]),
            payload_hash: z
              .string()
              .regex(/^[0-9a-f]{64}$/, "the payload_hash of the step, as GET /api/approvals shows it"),
            reason: z.string().min(1).max(2_000).optional(),
          }),
        },
      },
    },
  },
  responses: {
    200: json(
      z.object({
        step_id: z.string(),
        request_id: z.string().optional(),
        command_id: z.string().optional(),
        state: z.enum(["approved", "rejected"]),
      }),
      "Decided",
    ),
    ...problems(...KEYED_JSON_PROBLEMS, "NOT_FOUND", "ALREADY_DECIDED", "PAYLOAD_CHANGED"),
  },
});

export function registerApprovals(app: OpenAPIHono<AppEnv>): void {
  app.openapi(mine, async (c) => {
    const rows = await listPending(c.get("container").db, c.get("principal").subject);
    const data = rows.map(({ step, request, command }) => ({
      id: step.id,
      rule: step.rule,
      payload_hash: step.payloadHash,
      due_at: step.dueAt,
      request: request ? requestSummary(request) : null,
      command: command ? stockApprovalOf(command) : null,
    }));
    return c.json({ data, meta: { count: data.length } }, 200);
  });

  app.openapi(decide, (c) => {
    const { id } = c.req.valid("param");
    const { decision, payload_hash: payloadHash, reason } = c.req.valid("json");
    return once(
      c,
      (deps) => decideApproval(deps, c.get("principal"), id, { decision, payloadHash, reason }, c.get("trace")),
      ({ about, state }) => ({ status: 200, body: { step_id: id, [`${about.kind}_id`]: about.id, state } }),
    );
  });
}
