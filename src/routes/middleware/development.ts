/**
 * What exists in development only, and for the person at this machine: elsewhere nothing of it runs, not even a
 * validation, and no page of another site can use it.
 */
import { createMiddleware } from "hono/factory";
import { AppError } from "../../domain/errors.ts";
import type { AppEnv } from "../app-env.ts";

/** 404 outside of development. */
export const developmentOnly = createMiddleware<AppEnv>(async (c, next) => {
  if (c.get("container").settings.ENVIRONMENT !== "development") throw new AppError("NOT_FOUND", "no such route");
  await next();
});

const OWN_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/**
 * 403 unless the request is for a name of this machine (another one was made to lead here, by DNS) and, where it changes
 * something, was sent by a page of ours: browsers say so with every POST, by `Origin` and `Sec-Fetch-Site`.
 */
export const ownPagesOnly = createMiddleware<AppEnv>(async (c, next) => {
  const { origin, hostname } = new URL(c.req.url);
  const fromHere =
    c.req.header("origin") === origin && (c.req.header("sec-fetch-site") ?? "same-origin") === "same-origin";
  if (!OWN_HOSTS.includes(hostname)) throw new AppError("FORBIDDEN", `only as ${OWN_HOSTS.join(", ")}`);
  if (!["GET", "HEAD"].includes(c.req.method) && !fromHere)
    throw new AppError("FORBIDDEN", "only the pages of this address may do this");
  await next();
});
