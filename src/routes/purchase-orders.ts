/** Purchase orders with what of them is still open, so that a keeper knows what to receive. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { findPurchaseOrder, listAllPurchaseOrders, type PurchaseOrderOf } from "../db/queries/purchase-orders.ts";
import { listReceipts } from "../db/queries/transfers.ts";
import type { Principal } from "../domain/identity.ts";
import { moneySchema } from "../domain/parts.ts";
import { openOf } from "../domain/receipt.ts";
import type { AppEnv } from "./app-env.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { pageOf, pageQuery, pageSchema } from "./paging.ts";
import { problem } from "./problem.ts";
import { receiptView, viewReceipt } from "./receipts.ts";

const status = z.enum(["placed", "cancelled", "pending", "approved", "rejected", "completed"]);

const summary = z.object({
  id: z.string(),
  order_id: z.string().nullable(),
  supplier: z.string(),
  reference: z.string().nullable(),
  destination: z.string().nullable().openapi({ description: "Where it is received; null of imported history" }),
  status,
  total: moneySchema,
  created_at: z.string(),
  updated_at: z.string(),
});

const details = summary.extend({
  lines: z.array(
    z.object({
      line: z.int(),
      sku: z.string(),
      quantity: z.int(),
      received: z.int(),
      rejected: z.int(),
      open: z.int(),
      unit_price: moneySchema,
      due_at: z.string().nullable(),
    }),
  ),
  receipts: z.array(receiptView),
});

const list = createRoute({
  method: "get",
  path: "/api/purchase-orders",
  tags: ["purchase orders"],
  security: BEARER,
  middleware: [requires("purchase_orders.read")] as const,
  request: {
    query: z.strictObject({
      status: status.optional(),
      location: z.string().min(1).max(100).optional(),
      ...pageQuery,
    }),
  },
  responses: {
    200: json(
      pageSchema(summary),
      "Purchase orders of the caller's regions, newest first; `location` is where they go",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/purchase-orders/{id}",
  tags: ["purchase orders"],
  security: BEARER,
  middleware: [requires("purchase_orders.read")] as const,
  request: { params: z.object({ id: z.string().min(1).max(100) }) },
  responses: {
    200: json(details, "The purchase order, its lines with what is open, and what came of it when"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

export function registerPurchaseOrders(app: OpenAPIHono<AppEnv>): void {
  app.openapi(list, async (c) => {
    const { cursor, limit, ...filter } = c.req.valid("query");
    const { region } = c.get("principal");
    const query = { ...filter, region, after: cursor ?? null, limit: limit + 1 };
    const rows = await listAllPurchaseOrders(c.get("container").db, query);
    return c.json(
      pageOf(rows.map(view), limit, ({ id }) => id),
      200,
    );
  });

  app.openapi(one, async (c) => {
    const { db } = c.get("container");
    const found = await findPurchaseOrder(db, c.req.valid("param").id);
    if (!found || !maySee(c.get("principal"), found)) {
      return problem(c, { code: "NOT_FOUND", detail: "no such purchase order" });
    }
    const { currency } = found.po;
    const receipts = await listReceipts(db, `purchase-order/${found.po.id}`);
    const lines = found.lines.map((line) => ({
      line: line.line,
      sku: line.sku,
      quantity: line.quantity,
      received: line.received,
      rejected: line.rejected,
      open: openOf(line),
      unit_price: { amount: line.unitPrice, currency },
      due_at: line.dueAt,
    }));
    return c.json({ ...view(found), lines, receipts: receipts.map(viewReceipt) }, 200);
  });
}

/** Imported history belongs to no region. */
function maySee({ region }: Principal, { order }: PurchaseOrderOf): boolean {
  return region === null || order?.region === region;
}

function view({ po, order }: PurchaseOrderOf): z.output<typeof summary> {
  return {
    id: po.id,
    order_id: po.orderId,
    supplier: po.supplier,
    reference: po.supplierReference,
    destination: order?.destination ?? null,
    status: po.status,
    total: { amount: po.total, currency: po.currency },
    created_at: po.createdAt,
    updated_at: po.updatedAt,
  };
}
