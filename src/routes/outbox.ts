/** Parked events: what the relay has given up, and giving it back when the cause is gone. The counts are at `/api/outbox`. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { listParked, type ParkedEvent } from "../db/queries/outbox.ts";
import { unparkEvent } from "../services/parking.ts";
import type { AppEnv } from "./app-env.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { KEYED, KEY_PROBLEMS, keyed, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { pageLimit, pageSchema } from "./paging.ts";
import { problem } from "./problem.ts";

const parkedView = z.object({
  event_id: z.string(),
  type: z.string(),
  subject: z.string(),
  region: z.string().nullable(),
  created_at: z.string(),
  parked_at: z.string(),
  reason: z.string().nullable(),
});

const parked = createRoute({
  method: "get",
  path: "/api/outbox/parked",
  tags: ["operations"],
  security: BEARER,
  middleware: [requires("ops.read")] as const,
  request: {
    query: z.strictObject({
      cursor: z.string().max(500).optional(),
      limit: pageLimit,
    }),
  },
  responses: {
    200: json(pageSchema(parkedView), "In the order in which they were committed"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const unparked = createRoute({
  method: "post",
  path: "/api/outbox/{event_id}/unpark",
  tags: ["operations"],
  security: BEARER,
  ...KEYED,
  middleware: [requires("ops.repair"), keyed] as const,
  request: { params: z.object({ event_id: z.string().min(1).max(100) }) },
  responses: {
    200: json(parkedView, "The relay has it again, under its own id: what is done stays done"),
    ...problems(...KEY_PROBLEMS, "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "CONFLICT"),
  },
});

export function registerOutbox(app: OpenAPIHono<AppEnv>): void {
  app.openapi(parked, async (c) => {
    const { cursor, limit } = c.req.valid("query");
    const after = cursor === undefined ? 0 : Number(decodeCursor(cursor) ?? Number.NaN);
    if (!Number.isSafeInteger(after)) return problem(c, { code: "VALIDATION", detail: "the cursor is none of ours" });
    const rows = await listParked(c.get("container").db, {
      region: c.get("principal").region,
      after,
      limit: limit + 1,
    });
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const next = rows.length > limit && last ? encodeCursor(String(last.seq)) : null;
    return c.json({ data: page.map(view), meta: { count: page.length, next_cursor: next } }, 200);
  });

  app.openapi(unparked, (c) =>
    once(
      c,
      (deps) =>
        unparkEvent(deps, c.req.valid("param").event_id, { principal: c.get("principal"), trace: c.get("trace") }),
      ({ event }) => ({ status: 200, body: view(event) }),
    ),
  );
}

function view(event: ParkedEvent): z.output<typeof parkedView> {
  const { event_id, type, subject, region, created_at, parked_at, error } = event;
  return { event_id, type, subject, region, created_at, parked_at, reason: error };
}
