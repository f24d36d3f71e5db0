/** The catalogue: `GET /api/parts` and `GET /api/parts/{sku}`, through the cache. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { cachedPart, cachedPartPage } from "../cache/parts-cache.ts";
import type { CacheDeps } from "../cache/read-through.ts";
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from "../config.ts";
import { sha256Hex, type Container } from "../container.ts";
import { findPartView, listParts } from "../db/queries/parts.ts";
import { partSummarySchema, partViewSchema } from "../domain/parts.ts";
import { log } from "../log.ts";
import type { AppEnv } from "./app-env.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { taggedJson } from "./etag.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { problem } from "./problem.ts";

const cacheStatus = z.enum(["HIT", "MISS"]);

const list = createRoute({
  method: "get",
  path: "/api/parts",
  tags: ["parts"],
  security: BEARER,
  middleware: [requires("parts.read")] as const,
  request: {
    query: z.strictObject({
      category: z.string().min(1).max(100).optional(),
      supplier: z.string().min(1).max(100).optional(),
      q: z.string().min(1).max(200).optional(),
      cursor: z.string().max(500).optional(),
      limit: z.coerce.number().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT),
    }),
  },
  responses: {
    200: json(
      z.object({
        data: z.array(partSummarySchema),
        meta: z.object({ count: z.int(), next_cursor: z.string().nullable(), cache: cacheStatus }),
      }),
      "A page of the catalogue in SKU order",
    ),
    304: { description: "Unchanged (If-None-Match)" },
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/parts/{sku}",
  tags: ["parts"],
  security: BEARER,
  middleware: [requires("parts.read")] as const,
  request: { params: z.object({ sku: z.string().min(1).max(100) }) },
  responses: {
    200: json(
      z.object({ data: partViewSchema, meta: z.object({ cache: cacheStatus }) }),
      "The part, its offers and its stock",
    ),
    304: { description: "Unchanged (If-None-Match)" },
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

export function registerParts(app: OpenAPIHono<AppEnv>): void {
  app.openapi(list, async (c) => {
    const container = c.get("container");
    const { cursor, ...filters } = c.req.valid("query");
    const query = { ...filters, cursor: cursor === undefined ? undefined : decodeCursor(cursor) };
    if (query.cursor === null) {
      return problem(c, {
        code: "VALIDATION",
        detail: "the cursor is none of ours: take next_cursor of the page before",
      });
    }
    const normalised = { ...query, cursor: query.cursor };
    const page = await cachedPartPage(cacheDeps(container), {
      queryHash: (await sha256Hex(JSON.stringify(normalised))).slice(0, 32),
      newVersion: () => crypto.randomUUID(),
      load: () => listParts(container.db, normalised),
    });
    const next = page.value.next_cursor === null ? null : encodeCursor(page.value.next_cursor);
    const { data } = page.value;
    const body = { data, meta: { count: data.length, next_cursor: next, cache: page.status } };
    return taggedJson(c, body, { data, next }, { "x-cache": page.status });
  });

  app.openapi(one, async (c) => {
    const container = c.get("container");
    const { sku } = c.req.valid("param");
    const found = await cachedPart(cacheDeps(container), sku, () => findPartView(container.db, sku));
    if (!found.value) return problem(c, { code: "NOT_FOUND", detail: `no part ${sku}` });
    const body = { data: found.value, meta: { cache: found.status } };
    return taggedJson(c, body, found.value, { "x-cache": found.status });
  });
}

function cacheDeps(container: Container): CacheDeps {
  return { kv: container.env.CACHE, clock: container.clock, background: container.background, log };
}
