/** Circuit breakers for operations: every dependency with its state, one as its object has it, opening and resetting by hand. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { BREAKER_REASON_CHARS, MAX_JSON_BYTES } from "../config.ts";
import { readBreaker, readBreakers, turnByHand } from "../services/breakers.ts";
import { operatedBreaker } from "../wiring/breaker.ts";
import type { AppEnv } from "./app-env.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { KEYED, KEYED_JSON_PROBLEMS, keyed, once } from "./idempotency.ts";
import { everyRegion, requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { pageLimit, pageSchema } from "./paging.ts";
import { refused } from "./problem.ts";

const params = z.object({
  dependency: z
    .string()
    .min(1)
    .max(200)
    .openapi({ description: "As the list names it, percent-encoded: `supplier%3Aacme`", example: "supplier:acme" }),
});
const by = z.object({ id: z.string(), kind: z.string() }).nullable();
const turnedView = z.object({
  dependency: z.string(),
  state: z.enum(["closed", "open", "half_open"]),
  forced: z.boolean().openapi({ description: "Opened by hand: only a reset closes it" }),
  since: z.string().nullable().openapi({ description: "In this state since; null: from the beginning" }),
  by,
  reason: z.string().nullable(),
});
const breakerView = turnedView.extend({
  failures: z.int().openapi({ description: "Failed attempts that count at this moment" }),
  retry_after_s: z.int().openapi({ description: "Until a call may be let through; 0: now" }),
  as_of: z.string().nullable().openapi({ description: "When the breaker last said so; null: it never had to" }),
  live: z.boolean().openapi({ description: "True: asked of the breaker just now. False: what it wrote last" }),
});

const list = createRoute({
  method: "get",
  path: "/api/breakers",
  tags: ["operations"],
  security: BEARER,
  middleware: [requires("ops.read")] as const,
  request: {
    query: z.strictObject({
      state: z.enum(["closed", "open", "half_open"]).optional(),
      cursor: z
        .string()
        .max(500)
        .refine((text) => decodeCursor(text) !== null, "take it from `meta.next_cursor` of the page before")
        .optional(),
      limit: pageLimit,
    }),
  },
  responses: {
    200: json(
      pageSchema(breakerView),
      "Every dependency by name, each as its breaker last wrote it; ask for one to have it live",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/breakers/{dependency}",
  tags: ["operations"],
  security: BEARER,
  middleware: [requires("ops.read")] as const,
  request: { params },
  responses: {
    200: json(breakerView, "As the breaker itself says; `live` is false when it couldn't be asked"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "VALIDATION"),
  },
});

const reasoned = z.strictObject({
  reason: z.string().trim().min(1).max(BREAKER_REASON_CHARS).openapi({ example: "they move their data centre" }),
});

const TURN_PROBLEMS = problems(...KEYED_JSON_PROBLEMS, "NOT_FOUND", "DEPENDENCY_FAILED");

const opened = createRoute({
  method: "post",
  path: "/api/breakers/{dependency}/open",
  tags: ["operations"],
  security: BEARER,
  ...KEYED,
  middleware: [requires("ops.repair"), everyRegion, keyed, bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: { params, body: { content: { "application/json": { schema: reasoned } }, required: true } },
  responses: {
    200: json(turnedView, "No call goes out until a reset; what is held open already stays as it is"),
    ...TURN_PROBLEMS,
  },
});

const reset = createRoute({
  method: "post",
  path: "/api/breakers/{dependency}/reset",
  tags: ["operations"],
  security: BEARER,
  ...KEYED,
  middleware: [requires("ops.repair"), everyRegion, keyed, bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: { params, body: { content: { "application/json": { schema: reasoned } }, required: true } },
  responses: { 200: json(turnedView, "Closed, and its failures forgotten"), ...TURN_PROBLEMS },
});

export function registerBreakers(app: OpenAPIHono<AppEnv>): void {
  app.openapi(list, async (c) => {
    const { cursor, limit, state } = c.req.valid("query");
    const after = cursor === undefined ? "" : (decodeCursor(cursor) ?? "");
    const found = await readBreakers(c.get("container"), { after, limit: limit + 1, state });
    const data = found.slice(0, limit);
    const last = found.length > limit ? data.at(-1) : undefined;
    const next = last ? encodeCursor(last.dependency) : null;
    return c.json({ data, meta: { count: data.length, next_cursor: next } }, 200);
  });

  app.openapi(one, async (c) => {
    const { dependency } = c.req.valid("param");
    const container = c.get("container");
    const found = await readBreaker(container, dependency, operatedBreaker(container, dependency));
    return "ok" in found ? refused(c, found) : c.json(found, 200);
  });

  app.openapi(opened, (c) => turned(c, c.req.valid("param").dependency, "open", c.req.valid("json").reason));
  app.openapi(reset, (c) => turned(c, c.req.valid("param").dependency, "closed", c.req.valid("json").reason));
}

function turned(c: Context<AppEnv>, dependency: string, to: "open" | "closed", reason: string) {
  return once(
    c,
    (deps, intent) =>
      turnByHand(deps, operatedBreaker(deps, dependency), {
        dependency,
        to,
        reason,
        intent,
        principal: c.get("principal"),
        trace: c.get("trace"),
      }),
    ({ breaker }) => ({ status: 200, body: breaker }),
  );
}
