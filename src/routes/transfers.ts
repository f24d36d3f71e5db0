/** Transfers, so that a keeper knows what is on its way, what has arrived, and what of it was rejected. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { findTransfer, listReceipts, listTransfers, type TransferRow } from "../db/queries/transfers.ts";
import { coversRegion } from "../domain/identity.ts";
import type { AppEnv } from "./app-env.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { pageOf, pageQuery, pageSchema } from "./paging.ts";
import { problem } from "./problem.ts";
import { receiptView, viewReceipt } from "./receipts.ts";

const state = z.enum(["in_transit", "partially_received", "received", "reversed"]);

const summary = z.object({
  id: z.string(),
  order_id: z.string().nullable(),
  from_location: z.string(),
  to_location: z.string(),
  state,
  created_at: z.string(),
});

const details = summary.extend({
  lines: z.array(
    z.object({
      sku: z.string(),
      bin: z.string().openapi({ description: "The bin that it was picked from" }),
      quantity: z.int(),
      received: z.int(),
      rejected: z.int(),
    }),
  ),
  receipts: z.array(receiptView),
});

const list = createRoute({
  method: "get",
  path: "/api/transfers",
  tags: ["transfers"],
  security: BEARER,
  middleware: [requires("transfers.read")] as const,
  request: {
    query: z.strictObject({
      state: state.optional(),
      location: z.string().min(1).max(100).optional(),
      ...pageQuery,
    }),
  },
  responses: {
    200: json(pageSchema(summary), "Transfers to the caller's regions, newest first; `location` is either end"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/transfers/{id}",
  tags: ["transfers"],
  security: BEARER,
  middleware: [requires("transfers.read")] as const,
  request: { params: z.object({ id: z.string().min(1).max(100) }) },
  responses: {
    200: json(details, "The transfer, its lines, and what came of it when"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

export function registerTransfers(app: OpenAPIHono<AppEnv>): void {
  app.openapi(list, async (c) => {
    const { cursor, limit, ...filter } = c.req.valid("query");
    const { region } = c.get("principal");
    const query = { ...filter, region, after: cursor ?? null, limit: limit + 1 };
    const rows = await listTransfers(c.get("container").db, query);
    return c.json(
      pageOf(rows.map(view), limit, ({ id }) => id),
      200,
    );
  });

  app.openapi(one, async (c) => {
    const { db } = c.get("container");
    const found = await findTransfer(db, c.req.valid("param").id);
    if (!found || !coversRegion(c.get("principal"), found.region)) {
      return problem(c, { code: "NOT_FOUND", detail: "no such transfer" });
    }
    const receipts = await listReceipts(db, `transfer/${found.transfer.id}`);
    const lines = found.lines.map(({ sku, bin, quantity, received, rejected }) => ({
      sku,
      bin,
      quantity,
      received,
      rejected,
    }));
    return c.json({ ...view(found.transfer), lines, receipts: receipts.map(viewReceipt) }, 200);
  });
}

function view(row: TransferRow): z.output<typeof summary> {
  return {
    id: row.id,
    order_id: row.orderId,
    from_location: row.fromLocation,
    to_location: row.toLocation,
    state: row.state,
    created_at: row.createdAt,
  };
}
