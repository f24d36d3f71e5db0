/** Stock levels, as they are in the database now. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { PAGE_LIMIT_MAX } from "../config.ts";
import { listBins, listStock } from "../db/queries/stock.ts";
import type { AppEnv } from "./app-env.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";

const levels = createRoute({
  method: "get",
  path: "/api/stock",
  tags: ["stock"],
  security: BEARER,
  middleware: [requires("stock.read")] as const,
  request: {
    query: z.strictObject({
      sku: z.string().min(1).max(100).optional(),
      location: z.string().min(1).max(100).optional(),
      low: z
        .enum(["true", "false"])
        .transform((text) => text === "true")
        .optional(),
    }),
  },
  responses: {
    200: json(
      z.object({
        data: z.array(
          z.object({
            sku: z.string(),
            location: z.string(),
            region: z.string(),
            on_hand: z.int(),
            reserved: z.int(),
            available: z.int(),
            incoming: z.int(),
            in_transit: z.int(),
            minimum: z.int(),
            maximum: z.int().nullable(),
            low: z.boolean(),
            version: z.int(),
            bins: z.array(z.object({ bin: z.string(), quantity: z.int() })).optional(),
          }),
        ),
        meta: z.object({ count: z.int() }),
      }),
      "Levels in the caller's regions; with a SKU and a location also the bins",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

export function registerStock(app: OpenAPIHono<AppEnv>): void {
  app.openapi(levels, async (c) => {
    const { db } = c.get("container");
    const { sku, location, low } = c.req.valid("query");
    const rows = await listStock(db, { sku, location, low, region: c.get("principal").region, limit: PAGE_LIMIT_MAX });
    const withBins = sku !== undefined && location !== undefined;
    const data = await Promise.all(
      rows.map(async (row) => (withBins ? { ...row, bins: await listBins(db, row.sku, row.location) } : row)),
    );
    return c.json({ data, meta: { count: data.length } }, 200);
  });
}
