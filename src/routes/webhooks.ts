/** Endpoints of webhooks: subscribe, look, change, rotate, test, delete. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { MAX_JSON_BYTES, WEBHOOK_ROTATION_MS } from "../config.ts";
import type { Container } from "../container.ts";
import { listWebhooks } from "../db/queries/webhooks.ts";
import { EVENT_TYPES } from "../domain/webhook-scope.ts";
import { isoNow } from "../services/deps.ts";
import { sendTest } from "../services/webhook-replays.ts";
import {
  changeWebhook,
  deleteWebhook,
  rotateSecret,
  subscribe,
  visibleWebhook,
  type Caller,
  type WebhookDeps,
} from "../services/webhooks.ts";
import type { AppEnv } from "./app-env.ts";
import { KEYED_JSON_PROBLEMS, KEY_PROBLEMS, KEYED, keyed, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { refused, untyped } from "./problem.ts";
import { shownWebhook, webhookView } from "./webhook-views.ts";

const params = z.object({ id: z.string().min(1).max(100) });
const url = z.string().min(1).max(2_000);
const types = z.array(z.enum(EVENT_TYPES)).min(1).max(EVENT_TYPES.length);
const withSecret = webhookView.extend({ secret: z.string() });
const common = { tags: ["webhooks"], security: BEARER };

const create = createRoute({
  ...common,
  ...KEYED,
  method: "post",
  path: "/api/webhooks",
  description: [
    "Subscribes an https endpoint (port 443 or 8443, a public host name) to events; `types` left out: all that the caller",
    "may hear of. Each event is POSTed as CloudEvents JSON by Standard Webhooks: verify `webhook-signature` with the",
    "`secret` of this answer, which is shown once, and drop a `webhook-id` that came before.",
  ].join(" "),
  middleware: [requires("webhooks.manage"), keyed, bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: {
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z.strictObject({
            url,
            types: types.optional(),
            region: z.string().min(1).max(100).nullable().optional(),
          }),
        },
      },
    },
  },
  responses: {
    201: json(withSecret, "Subscribed"),
    ...problems(...KEYED_JSON_PROBLEMS, "UNKNOWN_REFERENCE", "CONFLICT"),
  },
});

const list = createRoute({
  ...common,
  method: "get",
  path: "/api/webhooks",
  middleware: [requires("webhooks.manage")] as const,
  responses: {
    200: json(
      z.object({ data: z.array(webhookView), meta: z.object({ count: z.int() }) }),
      "The caller's endpoints; an admin's list is everyone's",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN"),
  },
});

const one = createRoute({
  ...common,
  method: "get",
  path: "/api/webhooks/{id}",
  middleware: [requires("webhooks.manage")] as const,
  request: { params },
  responses: { 200: json(webhookView, "The endpoint"), ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND") },
});

const change = createRoute({
  ...common,
  method: "patch",
  path: "/api/webhooks/{id}",
  description: "While it is off, no delivery begins, and those that are due end; they can be replayed.",
  middleware: [requires("webhooks.manage"), bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: {
    params,
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z
            .strictObject({ url: url.optional(), types: types.optional(), active: z.boolean().optional() })
            .refine((body) => Object.keys(body).length > 0, "name what to change"),
        },
      },
    },
  },
  responses: {
    200: json(webhookView, "Changed"),
    ...problems(
      "BAD_JSON",
      "UNAUTHENTICATED",
      "FORBIDDEN",
      "NOT_FOUND",
      "VALIDATION",
      "CONFLICT",
      "PAYLOAD_TOO_LARGE",
      "UNSUPPORTED_MEDIA_TYPE",
    ),
  },
});

const remove = createRoute({
  ...common,
  method: "delete",
  path: "/api/webhooks/{id}",
  middleware: [requires("webhooks.manage")] as const,
  request: { params },
  responses: {
    204: { description: "Deleted: deliveries that are due end" },
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "CONFLICT"),
  },
});

const rotate = createRoute({
  ...common,
  ...KEYED,
  method: "post",
  path: "/api/webhooks/{id}/rotate",
  description: `A new secret. For ${WEBHOOK_ROTATION_MS / 3_600_000} h every request carries the signatures of both.`,
  middleware: [requires("webhooks.manage"), keyed] as const,
  request: { params },
  responses: {
    200: json(withSecret, "The new secret, shown once"),
    ...problems(...KEY_PROBLEMS, "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "CONFLICT"),
  },
});

const test = createRoute({
  ...common,
  ...KEYED,
  method: "post",
  path: "/api/webhooks/{id}/test",
  description: "Sends an event of type `WebhookTest` to this endpoint alone.",
  middleware: [requires("webhooks.manage"), keyed] as const,
  request: { params },
  responses: {
    202: json(z.object({ delivery_id: z.string() }), "On its way; Location says where to look"),
    ...problems(...KEY_PROBLEMS, "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "CONFLICT"),
  },
});

function webhookDeps(container: Container): WebhookDeps {
  return {
    ...container,
    environment: container.settings.ENVIRONMENT,
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  };
}

export function callerOf(c: Context<AppEnv>): Caller {
  return { principal: c.get("principal"), trace: c.get("trace") };
}

export function registerWebhooks(app: OpenAPIHono<AppEnv>): void {
  app.openapi(create, (c) =>
    once(
      c,
      (deps) => subscribe(webhookDeps(deps), callerOf(c), c.req.valid("json")),
      ({ webhook }) => ({
        status: 201,
        location: `/api/webhooks/${webhook.id}`,
        body: { ...shownWebhook(webhook, isoNow(c.get("container"))), secret: webhook.secret },
      }),
    ),
  );

  app.openapi(list, async (c) => {
    const container = c.get("container");
    const { role, region, subject } = c.get("principal");
    const others = role !== "admin" ? "none" : region === null ? "all" : { region };
    const rows = await listWebhooks(container.db, subject, others);
    const data = rows.map((row) => shownWebhook(row, isoNow(container)));
    return c.json({ data, meta: { count: data.length } }, 200);
  });

  app.openapi(one, async (c) => {
    const container = c.get("container");
    const found = await visibleWebhook(container, c.get("principal"), c.req.valid("param").id);
    return found.ok ? c.json(shownWebhook(found.webhook, isoNow(container)), 200) : refused(c, found);
  });

  app.openapi(change, async (c) => {
    const deps = webhookDeps(c.get("container"));
    const changed = await changeWebhook(deps, callerOf(c), c.req.valid("param").id, c.req.valid("json"));
    return changed.ok ? c.json(shownWebhook(changed.webhook, isoNow(deps)), 200) : refused(c, changed);
  });

  app.openapi(remove, async (c) => {
    const deleted = await deleteWebhook(webhookDeps(c.get("container")), callerOf(c), c.req.valid("param").id);
    return deleted.ok ? untyped(c.body(null, 204)) : refused(c, deleted);
  });

  app.openapi(rotate, (c) =>
    once(
      c,
      (deps) => rotateSecret(webhookDeps(deps), callerOf(c), c.req.valid("param").id),
      ({ webhook }) => ({
        status: 200,
        body: { ...shownWebhook(webhook, isoNow(c.get("container"))), secret: webhook.secret },
      }),
    ),
  );

  app.openapi(test, (c) =>
    once(
      c,
      (deps) => sendTest(deps, callerOf(c), c.req.valid("param").id),
      ({ deliveryId }) => ({
        status: 202,
        location: `/api/webhooks/deliveries/${deliveryId}`,
        body: { delivery_id: deliveryId },
      }),
    ),
  );
}
