/** Which orders are stuck, and of each order everything that its saga did, who asked for it, and what may be asked now. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { ORDER_OVERDUE_MS } from "../config.ts";
import { listStuckOrders, type StuckOrder } from "../db/queries/order-watch.ts";
import { findOrder } from "../db/queries/orders.ts";
import { coversRegion } from "../domain/identity.ts";
import { sagaOf } from "../wiring/orders.ts";
import type { AppEnv } from "./app-env.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { pageQuery, pageSchema, pageOf } from "./paging.ts";
import { problem } from "./problem.ts";

const errorView = z.object({ step: z.string(), code: z.string(), reason: z.string() });

const stuckView = z.object({
  order_id: z.string(),
  request_id: z.string().nullable(),
  device_id: z.string().openapi({ description: "For which truck or warehouse it is" }),
  region: z.string(),
  destination: z.string(),
  status: z.enum(["Pending", "Cancelling", "NeedsAttention"]),
  why: z.enum(["needs_attention", "overdue", "waiting"]).openapi({
    description:
      "It waits for a person; it is more than a minute past its wake time, which is told and mended by itself; or it waits " +
      "for a supplier or for the database and will try again at `next_wake_at`",
  }),
  step: z.string(),
  stuck_since: z.string(),
  stuck_for_s: z.int(),
  attempts: z.int(),
  next_wake_at: z.string().nullable(),
  last_error: z.string().nullable().openapi({ description: "What made it wait last" }),
  error: errorView.nullable().openapi({ description: "Why it needs attention, or is being cancelled" }),
});

const stuck = createRoute({
  method: "get",
  path: "/api/orders/stuck",
  tags: ["orders"],
  security: BEARER,
  middleware: [requires("orders.operate")] as const,
  request: { query: z.strictObject(pageQuery) },
  responses: {
    200: json(pageSchema(stuckView), "Orders of the caller's regions that get no further, those stuck longest first"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const possible = z.object({
  action: z.enum(["retry", "skip", "resolve", "resume", "cancel"]),
  step: z.string().optional(),
  to: z.enum(["Completed", "Cancelled"]).optional(),
});

const traceparent = z.string().openapi({ description: "W3C trace under which it happened" });

const saga = createRoute({
  method: "get",
  path: "/api/orders/{id}/saga",
  tags: ["orders"],
  security: BEARER,
  middleware: [requires("orders.read")] as const,
  request: { params: z.object({ id: z.string().min(1).max(100) }) },
  responses: {
    200: json(
      z.object({
        order_id: z.string(),
        phase: z.string(),
        status: z.string(),
        definition: z.int(),
        fence: z.int(),
        traceparent,
        next_wake_at: z.string().nullable(),
        error: errorView.nullable(),
        steps: z.array(
          z.object({ step: z.string(), state: z.string(), attempt: z.int(), round: z.int(), doubtful: z.boolean() }),
        ),
        possible: z.array(possible).openapi({ description: "What a person may ask of it now" }),
        acts: z.array(
          z.object({
            id: z.string(),
            at: z.string(),
            action: possible.shape.action,
            step: z.string().nullable(),
            to: z.enum(["Completed", "Cancelled"]).nullable(),
            reason: z.string(),
            by: z.string(),
            traceparent,
          }),
        ),
        journal: z.array(
          z.object({
            seq: z.int(),
            at: z.string(),
            step: z.string(),
            attempt: z.int(),
            key: z.string().openapi({ description: "Of a step its idempotency key, of a `take_over` the act's id" }),
            state: z.string(),
            detail: z.string().nullable(),
            by: z.string().openapi({ description: "Who acted: the saga, or the person whose act it carries out" }),
            traceparent,
          }),
        ),
      }),
      "Every step, attempt, outcome and compensation with its time and trace, and every act of a person",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

export function registerOrderSagas(app: OpenAPIHono<AppEnv>): void {
  app.openapi(stuck, async (c) => {
    const { cursor, limit } = c.req.valid("query");
    const { db, clock } = c.get("container");
    const now = clock.now();
    const before = new Date(now - ORDER_OVERDUE_MS).toISOString();
    const { region } = c.get("principal");
    const rows = await listStuckOrders(db, { region, before, after: cursor ?? null, limit: limit + 1 });
    const keyed = rows.map((row) => ({ created_at: row.stuckSince, order_id: row.id, row }));
    const { data, meta } = pageOf(keyed, limit, ({ order_id: id }) => id);
    return c.json({ data: data.map(({ row }) => viewStuck(row, now)), meta }, 200);
  });

  app.openapi(saga, async (c) => {
    const container = c.get("container");
    const found = await findOrder(container.db, c.req.valid("param").id);
    const seen =
      found && coversRegion(c.get("principal"), found.order.region)
        ? await sagaOf(container, found.order.id).inspect()
        : null;
    if (!seen) return problem(c, { code: "NOT_FOUND", detail: "no such order, or its saga hasn't begun" });
    const { state, acts, journal } = seen;
    const actOf = new Map(acts.map((act) => [act.id, act]));
    return c.json(
      {
        order_id: state.orderId,
        phase: state.phase,
        status: state.status,
        definition: state.definition,
        fence: state.fence,
        traceparent: seen.traceparent,
        next_wake_at: seen.next_wake_at,
        error: state.error,
        steps: state.steps.map(({ step, state: is, attempt, round, doubtful }) => ({
          step,
          state: is,
          attempt,
          round,
          doubtful,
        })),
        possible: [...seen.possible],
        acts: acts.map(({ by, ...act }) => ({ ...act, by: by.id })),
        journal: journal.map((row) => {
          const act = actOf.get(row.key);
          const under = row.traceparent ?? act?.traceparent ?? seen.traceparent;
          return { ...row, by: act?.by.id ?? "order-saga", traceparent: under };
        }),
      },
      200,
    );
  });
}

function viewStuck(row: StuckOrder, now: number): z.output<typeof stuckView> {
  return {
    order_id: row.id,
    request_id: row.requestId,
    device_id: row.deviceId,
    region: row.region,
    destination: row.destination,
    status: row.status,
    why: row.status === "NeedsAttention" ? "needs_attention" : row.overdue === 1 ? "overdue" : "waiting",
    step: row.step,
    stuck_since: row.stuckSince,
    stuck_for_s: Math.max(0, Math.round((now - Date.parse(row.stuckSince)) / 1000)),
    attempts: row.attempts,
    next_wake_at: row.nextWakeAt,
    last_error: row.lastError,
    error: row.error === null ? null : errorView.parse(JSON.parse(row.error)),
  };
}
