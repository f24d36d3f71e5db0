/** The invariants on the live data: checked now, or the reports of the nights before. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { PAGE_LIMIT_MAX } from "../config.ts";
import { listInvariantReports, type InvariantReportRow } from "../db/queries/invariant-reports.ts";
import { checkInvariants, FIRST_PLACE, INVARIANT_STEPS, readPlace } from "../services/invariants.ts";
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
            state: z.enum(["running", "complete"]),
            progress: z
              .object({ step: z.string(), after: scalar, steps_done: z.int(), steps: z.int() })
              .nullable()
              .openapi({ description: "Where a check that is under way goes on; null: it is complete" }),
            broken: z.int(),
            rows: z.array(brokenView),
          }),
        ),
        meta: z.object({ count: z.int() }),
      }),
      "What the nightly check found, newest first; of one that is under way, what it has found so far",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

export function registerInvariants(app: OpenAPIHono<AppEnv>): void {
  app.openapi(check, async (c) => {
    const { cursor } = c.req.valid("query");
    const from = cursor === undefined ? FIRST_PLACE : readPlace(decodeCursor(cursor) ?? "");
    if (from === null) return problem(c, { code: "VALIDATION", detail: "cursor: not one of ours" });
    const found = await checkInvariants(auditDeps(c.get("container")), from);
    const next = found.next && encodeCursor(JSON.stringify(found.next));
    return c.json({ data: [...found.rows], meta: { count: found.count, complete: next === null, next } }, 200);
  });

  app.openapi(reports, async (c) => {
    const rows = await listInvariantReports(c.get("container").db, c.req.valid("query").limit);
    const data = rows.map((row) => ({
      id: row.id,
      started_at: row.startedAt,
      duration_ms: row.durationMs,
      ...standOf(row),
      broken: row.broken,
      rows: z.array(brokenView).parse(JSON.parse(row.findings)),
    }));
    return c.json({ data, meta: { count: data.length } }, 200);
  });
}

function standOf({ place }: InvariantReportRow) {
  if (place === null) return { state: "complete" as const, progress: null };
  const { step, after } = readPlace(place) ?? FIRST_PLACE;
  const progress = { step, after, steps_done: INVARIANT_STEPS.indexOf(step), steps: INVARIANT_STEPS.length };
  return { state: "running" as const, progress };
}
