/** Which methods a path answers: for 405 with `Allow` instead of 404. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnv } from "./app-env.ts";

export function allowedMethods(app: OpenAPIHono<AppEnv>, path: string): string[] {
  const methods = app.routes.flatMap((route) =>
    route.method !== "ALL" && matches(route.path, path) ? [route.method] : [],
  );
  return [...new Set(methods)].sort();
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  return (
    wanted.length === given.length &&
    wanted.every((part, index) => (part.startsWith(":") ? given[index] !== "" : part === given[index]))
  );
}
