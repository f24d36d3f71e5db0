/** The trail: of one subject, as far as the caller's region goes; as a whole, verified and exported by operations only. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { AUDIT_VERIFY_SEALS, AUDIT_VERIFY_SEALS_MAX } from "../config.ts";
import { findSubjectRegion } from "../db/queries/audit.ts";
import { FINDING_KINDS } from "../domain/audit-findings.ts";
import { messageOf } from "../domain/errors.ts";
import { log } from "../log.ts";
import { exportAudit } from "../services/audit-export.ts";
import { verifyAudit } from "../services/audit-verify.ts";
import { trailOf } from "../services/timeline.ts";
import { auditDeps } from "../wiring/audit.ts";
import type { AppEnv } from "./app-env.ts";
import { everyRegion, requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, jsonLines, problems, z } from "./openapi.ts";
import { problem, untyped } from "./problem.ts";
import { stepView } from "./request-views.ts";

const ofSubject = createRoute({
  method: "get",
  path: "/api/audit",
  tags: ["audit"],
  security: BEARER,
  middleware: [requires("audit.read")] as const,
  request: { query: z.strictObject({ subject: z.string().min(1).max(300) }) },
  responses: {
    200: json(
      z.object({ data: z.array(stepView), meta: z.object({ count: z.int() }) }),
      "The trail of one subject, such as order/ord_…",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const findingView = z.object({
  kind: z.enum(FINDING_KINDS),
  from_seq: z.int(),
  to_seq: z.int(),
  detail: z.string(),
});

const verify = createRoute({
  method: "get",
  path: "/api/audit/verify",
  tags: ["audit"],
  security: BEARER,
  middleware: [requires("audit.verify"), everyRegion] as const,
  request: {
    query: z.strictObject({
      after: z.coerce.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).default(0),
      limit: z.coerce.number().int().min(1).max(AUDIT_VERIFY_SEALS_MAX).default(AUDIT_VERIFY_SEALS),
    }),
  },
  responses: {
    200: json(
      z.object({
        data: z.array(findingView),
        meta: z.object({ ok: z.boolean(), seals: z.int(), rows: z.int(), next: z.int().nullable() }),
        unsealed: z.object({ rows: z.int(), from_seq: z.int().nullable(), age_s: z.int().nullable() }),
      }),
      "What doesn't fit of the seals after `after`; the next call's `after` is `meta.next`, null at the end of the chain",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const sequence = z.coerce.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).optional();
const instant = z.iso.datetime().optional();

const exported = createRoute({
  method: "get",
  path: "/api/audit/export",
  tags: ["audit"],
  security: BEARER,
  middleware: [requires("audit.verify"), everyRegion] as const,
  request: {
    query: z
      .strictObject({ from_seq: sequence, to_seq: sequence, from: instant, to: instant })
      .refine((q) => q.from_seq === undefined || q.from === undefined, { error: "from_seq or from", path: ["from"] })
      .refine((q) => q.to_seq === undefined || q.to === undefined, { error: "to_seq or to", path: ["to"] }),
  },
  responses: {
    ...jsonLines(
      "A document a line: the public keys, each row, after the rows of a seal the seal, at last `end` with `next_from_seq`. Whole seals: what is asked for and what shares a seal with it",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

export function registerAudit(app: OpenAPIHono<AppEnv>): void {
  app.openapi(ofSubject, async (c) => {
    const { db } = c.get("container");
    const { region } = c.get("principal");
    const { subject } = c.req.valid("query");
    // Whatever can't be said to lie in the caller's region doesn't.
    if (region !== null && (await findSubjectRegion(db, subject)) !== region) {
      return problem(c, { code: "FORBIDDEN", detail: `${subject} is nothing of region ${region}` });
    }
    const data = await trailOf(db, [subject]);
    return c.json({ data, meta: { count: data.length } }, 200);
  });

  app.openapi(verify, async (c) => {
    const { after, limit } = c.req.valid("query");
    const { findings, seals, rows, next, unsealed } = await verifyAudit(auditDeps(c.get("container")), after, limit);
    return c.json({ data: [...findings], meta: { ok: findings.length === 0, seals, rows, next }, unsealed }, 200);
  });

  app.openapi(exported, async (c) => {
    const lines = exportAudit(auditDeps(c.get("container")), c.req.valid("query"));
    const headers = {
      "content-type": "application/x-ndjson",
      "content-disposition": 'attachment; filename="waybill-audit.ndjson"',
    };
    return untyped(new Response(streamOf(lines), { headers }));
  });
}

/** A fault on the way breaks the answer off: whoever reads it misses its last line. */
function streamOf(chunks: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      } catch (error) {
        log("error", "audit.export_failed", { error: messageOf(error) });
        controller.error(new Error("the export broke off"));
      }
    },
    cancel: async () => void (await chunks.return(undefined)),
  });
}
