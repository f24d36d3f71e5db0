/** First middleware: trace, deadline and container of the request; security headers on its answer. */
import { createMiddleware } from "hono/factory";
import { DEADLINE_MARGIN_MS, GATEWAY_DEADLINE_MS, SERVICE_DEADLINE_MS } from "../../config.ts";
import { clockOf, createContainer } from "../../container.ts";
import { AppError } from "../../domain/errors.ts";
import { startDeadline, tighten, withinDeadline } from "../../resilience/deadline.ts";
import type { AppEnv } from "../app-env.ts";

/**
 * The ladder: client 30 s > gateway 25 s > service 20 s > database 15 s. The gateway answers 504 at its own end even
 * when the service is stuck; the service's part of the time goes to the container, and from there to the database.
 */
export const requestContext = createMiddleware<AppEnv>(async (c, next) => {
  const clock = clockOf(c.env);
  const gateway = startDeadline(clock.now(), GATEWAY_DEADLINE_MS);
  const service = tighten(gateway, clock.now(), SERVICE_DEADLINE_MS, DEADLINE_MARGIN_MS);
  const container = createContainer(c.env, c.executionCtx, { deadline: service });
  c.set("container", container);
  c.set("deadline", service);
  c.set("trace", container.newTrace(c.req.header("traceparent")));
  await withinDeadline(
    () => next(),
    gateway,
    clock,
    () =>
      new AppError("DEADLINE_EXCEEDED", "the request took longer than the gateway allows; try again", {
        retryable: true,
      }),
  );
  c.header("traceparent", c.get("trace").traceparent);
});

export const securityHeaders = createMiddleware<AppEnv>(async (c, next) => {
  await next();
  if (c.res.status === 101) return;
  const headers = new Headers(c.res.headers);
  headers.set("x-content-type-options", "nosniff");
  headers.set("referrer-policy", "no-referrer");
  headers.set("x-frame-options", "DENY");
  headers.set(
    "content-security-policy",
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  );
  if (new URL(c.req.url).protocol === "https:") headers.set("strict-transport-security", "max-age=31536000");
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  c.res = new Response(c.res.body, { status: c.res.status, headers });
});
