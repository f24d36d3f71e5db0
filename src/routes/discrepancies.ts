/** Discrepancies: the scans that contradict the books, kept for a person of the place or its region to resolve. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { MAX_JSON_BYTES } from "../config.ts";
import { findDiscrepancy, listDiscrepancies, type DiscrepancyRow } from "../db/queries/discrepancies.ts";
import { MAX_QUANTITY } from "../domain/commands.ts";
import { resolveDiscrepancy, seesDiscrepancy } from "../services/discrepancies.ts";
import type { AppEnv } from "./app-env.ts";
import { KEYED, keyed, KEYED_JSON_PROBLEMS, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { pageOf, pageQuery, pageSchema } from "./paging.ts";
import { problem } from "./problem.ts";

const view = z.object({
  id: z.string(),
  command_id: z.string(),
  kind: z.enum(["shortage", "count", "stale", "not_approved"]),
  state: z.enum(["open", "resolved"]),
  device_id: z.string(),
  region: z.string(),
  location: z.string(),
  sku: z.string(),
  bin: z.string(),
  says: z.enum(["taken", "counted"]).openapi({ description: "What `found` is: pieces taken, or pieces counted" }),
  expected: z.int().openapi({ description: "By the books: free in the bin, or in the bin" }),
  found: z.int(),
  seen_version: z.int().nullable(),
  version: z.int(),
  reason: z.string(),
  scan: z.record(z.string(), z.any()).openapi({ description: "The command as the device sent it" }),
  created_at: z.string(),
  resolution: z
    .object({
      resolution: z.enum(["accept_scan", "keep_books", "recount"]),
      counted: z.int().nullable(),
      note: z.string().nullable(),
      by: z.string(),
      at: z.string(),
    })
    .nullable(),
});

const list = createRoute({
  method: "get",
  path: "/api/discrepancies",
  tags: ["discrepancies"],
  security: BEARER,
  middleware: [requires("discrepancies.read")] as const,
  request: {
    query: z.strictObject({
      ...pageQuery,
      state: z.enum(["open", "resolved"]).optional(),
      location: z.string().min(1).max(100).optional(),
      sku: z.string().min(1).max(100).optional(),
    }),
  },
  responses: {
    200: json(pageSchema(view), "Those that the caller may see, newest first"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const params = z.object({ id: z.string().min(1).max(100) });

const one = createRoute({
  method: "get",
  path: "/api/discrepancies/{id}",
  tags: ["discrepancies"],
  security: BEARER,
  middleware: [requires("discrepancies.read")] as const,
  request: { params },
  responses: {
    200: json(view, "The discrepancy with its scan"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

const note = z.string().min(1).max(2_000).optional();

const resolve = createRoute({
  method: "post",
  path: "/api/discrepancies/{id}/resolve",
  tags: ["discrepancies"],
  security: BEARER,
  ...KEYED,
  middleware: [requires("discrepancies.resolve"), keyed, bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: {
    params,
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z.discriminatedUnion("resolution", [
            z.strictObject({ resolution: z.literal("accept_scan"), note }),
            z.strictObject({ resolution: z.literal("keep_books"), note }),
            z.strictObject({
              resolution: z.literal("recount"),
              counted: z.int().min(0).max(MAX_QUANTITY).openapi({ description: "Pieces that lie in the bin now" }),
              note,
            }),
          ]),
        },
      },
    },
  },
  responses: {
    200: json(view, "Resolved"),
    ...problems(...KEYED_JSON_PROBLEMS, "NOT_FOUND", "ALREADY_DECIDED", "INSUFFICIENT_STOCK", "OVER_LIMIT", "CONFLICT"),
  },
});

export function registerDiscrepancies(app: OpenAPIHono<AppEnv>): void {
  app.openapi(list, async (c) => {
    const principal = c.get("principal");
    const { cursor, limit, location, ...filter } = c.req.valid("query");
    const own = principal.role === "keeper" ? (principal.location ?? "") : location;
    const nothing = location !== undefined && location !== own;
    const page = { ...filter, location: own, region: principal.region, before: cursor?.[1], limit: limit + 1 };
    const rows = nothing ? [] : await listDiscrepancies(c.get("container").db, page);
    return c.json(
      pageOf(rows.map(viewOf), limit, ({ id }) => id),
      200,
    );
  });

  app.openapi(one, async (c) => {
    const row = await findDiscrepancy(c.get("container").db, c.req.valid("param").id);
    if (!row || !seesDiscrepancy(c.get("principal"), row)) {
      return problem(c, { code: "NOT_FOUND", detail: "no such discrepancy" });
    }
    return c.json(viewOf(row), 200);
  });

  app.openapi(resolve, (c) => {
    const { id } = c.req.valid("param");
    return once(
      c,
      (deps) => resolveDiscrepancy(deps, c.get("principal"), id, c.req.valid("json"), c.get("trace")),
      ({ row, replayed }) => ({ status: 200, body: viewOf(row), replayed }),
    );
  });
}

function viewOf(row: DiscrepancyRow) {
  const { resolution, resolvedBy: by, resolvedAt: at } = row;
  const isResolved = resolution !== null && by !== null && at !== null;
  return {
    id: row.id,
    command_id: row.commandId,
    kind: row.kind,
    state: row.state,
    device_id: row.deviceId,
    region: row.region,
    location: row.location,
    sku: row.sku,
    bin: row.bin,
    says: row.says,
    expected: row.expected,
    found: row.found,
    seen_version: row.seenVersion,
    version: row.version,
    reason: row.reason,
    scan: JSON.parse(row.scan) as z.output<typeof view>["scan"],
    created_at: row.createdAt,
    resolution: isResolved ? { resolution, counted: row.counted, note: row.note, by, at } : null,
  };
}
