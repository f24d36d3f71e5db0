/** The invariants on the live data: checked now, or the reports of the nights before. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { INVARIANT_BUDGET_MS, PAGE_LIMIT_MAX } from "../config.ts";
import { listInvariantReports } from "../db/queries/invariant-reports.ts";
import { checkInvariants, INVARIANT_STEPS, type Place } from "../services/invariants.ts";
import { auditDeps } from "../wiring/audit.ts";
import type { AppEnv } from "./app-env.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { everyRegion, requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { problem } from "./problem.ts";

const scalar = z.union([z.string(), z.number()]).nullable();
const brokenView = z.object({
  rule: z.string(),
  subject: z.string(),
  detail: z.string(),
  expected: scalar,
  found: scalar,
});

const check = createRoute({
  method: "get",
  path: "/api/ops/invariants",
  tags: ["operations"],
  security: BEARER,
  middleware: [requires("ops.read"), everyRegion] as const,
  request: { query: z.strictObject({ cursor: z.string().min(1).max(500).optional() }) },
  responses: {
    200: json(
      z.object({
        data: z.array(brokenView),
        meta: z.object({ count: z.int(), complete: z.boolean(), next: z.string().nullable() }),
      }),
      "Each row that breaks a rule (the first thousand): none, when all is well. Not complete: go on with cursor=next",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const reports = createRoute({
  method: "get",
  path: "/api/ops/invariants/reports",
  tags: ["operations"],
  security: BEARER,
  middleware: [requires("ops.read"), everyRegion] as const,
  request: { query: z.strictObject({ limit: z.coerce.number().int().min(1).max(PAGE_LIMIT_MAX).default(7) }) },
  responses: {
    200: json(
      z.object({
        data: z.array(
          z.object({
            id: z.string(),
            started_at: z.string(),
            duration_ms: z.int(),
            broken: z.int(),
            rows: z.array(brokenView),
          }),
        ),
        meta: z.object({ count: z.int() }),
      }),
      "What the nightly check found, newest first",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const placeSchema = z.object({
  step: z
    .int()
    .min(0)
    .max(INVARIANT_STEPS - 1),
  after: z.union([z.string(), z.int()]).nullable(),
});

export function registerInvariants(app: OpenAPIHono<AppEnv>): void {
  app.openapi(check, async (c) => {
    const { cursor } = c.req.valid("query");
    const from = cursor === undefined ? undefined : placeOf(cursor);
    if (from === null) return problem(c, { code: "VALIDATION", detail: "cursor: not one of ours" });
    const found = await checkInvariants(auditDeps(c.get("container")), {
      budgetMs: INVARIANT_BUDGET_MS,
      ...(from ? { from } : {}),
    });
    const next = found.next && encodeCursor(JSON.stringify(found.next));
    return c.json({ data: [...found.rows], meta: { count: found.count, complete: next === null, next } }, 200);
  });

  app.openapi(reports, async (c) => {
    const rows = await listInvariantReports(c.get("container").db, c.req.valid("query").limit);
    const data = rows.map((row) => ({
      id: row.id,
      started_at: row.startedAt,
      duration_ms: row.durationMs,
      broken: row.broken,
      rows: z.array(brokenView).parse(JSON.parse(row.findings)),
    }));
    return c.json({ data, meta: { count: data.length } }, 200);
  });
}

function placeOf(cursor: string): Place | null {
  try {
    const parsed = placeSchema.safeParse(JSON.parse(decodeCursor(cursor) ?? ""));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
