/** How a route is described: its rights, its answers, and every problem that it can give. */
import { createRoute, z, type RouteConfig } from "@hono/zod-openapi";
import type { ErrorCode } from "../domain/errors.ts";
import { problemSchema, statusOf, titleOf } from "./problem.ts";

/** The OpenAPI answers of these codes, one per status, each with the problem types that it can carry. */
export function problems(...codes: ErrorCode[]): RouteConfig["responses"] {
  const always: ErrorCode[] = ["INTERNAL", "DEADLINE_EXCEEDED"];
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of [...codes, ...always]) {
    const known = byStatus.get(statusOf(code)) ?? [];
    if (!known.includes(code)) byStatus.set(statusOf(code), [...known, code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      String(status),
      {
        description: group.map(titleOf).join("; "),
        content: { "application/problem+json": { schema: problemSchema(group) } },
      },
    ]),
  );
}

/** A JSON answer. */
export function json<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** An answer of one JSON document a line, as its handler writes it. */
export function jsonLines(description: string): RouteConfig["responses"] {
  return { "200": { description, content: { "application/x-ndjson": { schema: z.string() } } } };
}

export const BEARER = [{ bearer: [] }];

export { createRoute, z };
