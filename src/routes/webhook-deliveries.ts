/** Deliveries of webhooks: the log of an endpoint, one delivery with what was sent, and sending it again. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { listAttempts, listDeliveries } from "../db/queries/webhook-deliveries.ts";
import { replayDelivery, visibleDelivery } from "../services/webhook-replays.ts";
import { visibleWebhook } from "../services/webhooks.ts";
import type { AppEnv } from "./app-env.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { KEY_PROBLEMS, KEYED, keyed, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { pageLimit, pageSchema } from "./paging.ts";
import { problem, refused } from "./problem.ts";
import { deliveryDetails, deliveryView, shownDelivery } from "./webhook-views.ts";
import { callerOf } from "./webhooks.ts";

const params = z.object({ id: z.string().min(1).max(100) });
const common = { tags: ["webhooks"], security: BEARER };

const list = createRoute({
  ...common,
  method: "get",
  path: "/api/webhooks/{id}/deliveries",
  middleware: [requires("webhooks.manage")] as const,
  request: {
    params,
    query: z.strictObject({
      state: z.enum(["pending", "delivered", "failed"]).optional(),
      cursor: z.string().max(500).optional(),
      limit: pageLimit,
    }),
  },
  responses: {
    200: json(pageSchema(deliveryView), "Deliveries with every try, newest event first"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "VALIDATION"),
  },
});

const one = createRoute({
  ...common,
  method: "get",
  path: "/api/webhooks/deliveries/{id}",
  middleware: [requires("webhooks.manage")] as const,
  request: { params },
  responses: {
    200: json(deliveryDetails, "The delivery, with the event as it is sent"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

const replay = createRoute({
  ...common,
  ...KEYED,
  method: "post",
  path: "/api/webhooks/deliveries/{id}/replay",
  description: "Delivers the event once more with the same `webhook-id`; one that is pending is tried at once.",
  middleware: [requires("webhooks.manage"), keyed] as const,
  request: { params },
  responses: {
    202: json(z.object({ delivery_id: z.string(), attempt: z.int() }), "On its way; Location says where to look"),
    ...problems(...KEY_PROBLEMS, "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "CONFLICT"),
  },
});

export function registerWebhookDeliveries(app: OpenAPIHono<AppEnv>): void {
  app.openapi(list, async (c) => {
    const container = c.get("container");
    const found = await visibleWebhook(container, c.get("principal"), c.req.valid("param").id);
    if (!found.ok) return refused(c, found);
    const { cursor, limit, state } = c.req.valid("query");
    const after = cursor === undefined ? null : decodeCursor(cursor);
    if (cursor !== undefined && after === null)
      return problem(c, { code: "VALIDATION", detail: "the cursor is none of ours" });
    const rows = await listDeliveries(container.db, {
      webhookId: found.webhook.id,
      state: state ?? null,
      after,
      limit: limit + 1,
    });
    const page = rows.slice(0, limit);
    const log = await listAttempts(
      container.db,
      page.map(({ id }) => id),
    );
    const last = page.at(-1);
    const next = rows.length > limit && last ? encodeCursor(last.eventId) : null;
    const data = page.map((row) => shownDelivery(row, log));
    return c.json({ data, meta: { count: data.length, next_cursor: next } }, 200);
  });

  app.openapi(one, async (c) => {
    const container = c.get("container");
    const found = await visibleDelivery(container, c.get("principal"), c.req.valid("param").id);
    if (!found.ok) return refused(c, found);
    const { delivery } = found;
    const shown = shownDelivery(delivery, await listAttempts(container.db, [delivery.id]));
    return c.json({ ...shown, event: JSON.parse(delivery.event) as Record<string, unknown> }, 200);
  });

  app.openapi(replay, (c) =>
    once(
      c,
      (deps) => replayDelivery(deps, callerOf(c), c.req.valid("param").id),
      ({ deliveryId, attempt }) => ({
        status: 202,
        location: `/api/webhooks/deliveries/${deliveryId}`,
        body: { delivery_id: deliveryId, attempt },
      }),
    ),
  );
}
