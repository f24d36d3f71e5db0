/** Liveness and readiness. Readiness asks what a request needs: database, cache, relay. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { summariseOutbox } from "../db/queries/outbox.ts";
import { messageOf } from "../domain/errors.ts";
import type { AppEnv } from "./app-env.ts";
import { createRoute, json, z } from "./openapi.ts";

const live = createRoute({
  method: "get",
  path: "/health",
  tags: ["health"],
  responses: { 200: json(z.object({ status: z.literal("ok") }), "The Worker answers") },
});

const view = z.object({
  status: z.enum(["ok", "degraded"]),
  database: z.string(),
  cache: z.string(),
  relay_lag_ms: z.int().nullable(),
});

const ready = createRoute({
  method: "get",
  path: "/health/ready",
  tags: ["health"],
  responses: { 200: json(view, "Ready"), 503: json(view, "Something that requests need doesn't answer") },
});

export function registerHealth(app: OpenAPIHono<AppEnv>): void {
  app.openapi(live, (c) => c.json({ status: "ok" as const }, 200));

  app.openapi(ready, async (c) => {
    const { db, env, clock } = c.get("container");
    const now = clock.now();
    const [outbox, cache] = await Promise.allSettled([
      summariseOutbox(db, new Date(now).toISOString(), null),
      env.CACHE.get("health", "text"),
    ]);
    const ok = outbox.status === "fulfilled" && cache.status === "fulfilled";
    const oldest = outbox.status === "fulfilled" ? outbox.value.oldest_open_at : null;
    const body = {
      status: ok ? ("ok" as const) : ("degraded" as const),
      database: outbox.status === "fulfilled" ? "ok" : messageOf(outbox.reason),
      cache: cache.status === "fulfilled" ? "ok" : messageOf(cache.reason),
      relay_lag_ms: oldest === null ? null : now - Date.parse(oldest),
    };
    return ok ? c.json(body, 200) : c.json(body, 503);
  });
}
