/** Purchase orders with what of them is still open, so that a keeper knows what to receive. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { LIST_WALK_ROWS, MAX_JSON_BYTES } from "../config.ts";
import {
  findPurchaseOrder,
  listAllPurchaseOrders,
  findPurchaseOrderWalkEnd,
  type PurchaseOrderLineRow,
  type PurchaseOrderOf,
} from "../db/queries/purchase-orders.ts";
import { listReceipts } from "../db/queries/transfers.ts";
import { isoDate } from "../domain/iso-date.ts";
import { moneySchema } from "../domain/parts.ts";
import { openOf, readClosedShort } from "../domain/receipt.ts";
import { closeShort, seesPurchaseOrder } from "../services/purchase-order-closing.ts";
import type { AppEnv } from "./app-env.ts";
import { KEYED, keyed, KEYED_JSON_PROBLEMS, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
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
  /** Freight is in it. */
  total: moneySchema,
  freight: moneySchema,
  closed_short: z.object({ at: z.string(), by: z.string(), reason: z.string() }).nullable(),
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
      closed: z.int().openapi({ description: "Given up when it was closed short" }),
      open: z.int(),
      unit_price: moneySchema,
      due_at: z.string().nullable(),
      first_due_at: z.string().nullable().openapi({ description: "Before the supplier told another date" }),
      overdue: z.boolean(),
      back_order: z
        .object({ open: z.int(), due_at: z.string().nullable() })
        .nullable()
        .openapi({ description: "What is still awaited of a line of which something has come" }),
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
      "Purchase orders of the caller's regions, newest first; `location` is where they go. Not full, or empty: there are more while there is a next cursor",
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

const close = createRoute({
  method: "post",
  path: "/api/purchase-orders/{id}/close",
  tags: ["purchase orders"],
  security: BEARER,
  description: "Closes it short: what is open is given up and no longer incoming. It can't be opened again.",
  ...KEYED,
  middleware: [requires("purchase_orders.close"), keyed, bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: {
    params: z.object({ id: z.string().min(1).max(100) }),
    body: {
      required: true,
      content: { "application/json": { schema: z.strictObject({ reason: z.string().trim().min(1).max(500) }) } },
    },
  },
  responses: {
    200: json(
      z.object({
        purchase_order_id: z.string(),
        status: z.literal("completed"),
        lines: z.array(z.object({ line: z.int(), sku: z.string(), closed: z.int() })),
      }),
      "Closed: what was given up of each line",
    ),
    ...problems(...KEYED_JSON_PROBLEMS, "NOT_FOUND", "CONFLICT"),
  },
});

export function registerPurchaseOrders(app: OpenAPIHono<AppEnv>): void {
  app.openapi(list, async (c) => {
    const { cursor, limit, ...filter } = c.req.valid("query");
    const { region } = c.get("principal");
    const { db } = c.get("container");
    const after = cursor ?? null;
    // The open ones are few; of all the others it is the walk that is bounded.
    const until = filter.status === "placed" ? null : await findPurchaseOrderWalkEnd(db, after, LIST_WALK_ROWS);
    const rows = await listAllPurchaseOrders(db, { ...filter, region, after, until, limit: limit + 1 });
    return c.json(
      pageOf(rows.map(view), limit, ({ id }) => id, until),
      200,
    );
  });

  app.openapi(close, (c) => {
    const { id } = c.req.valid("param");
    const { reason } = c.req.valid("json");
    return once(
      c,
      (deps) => closeShort(deps, c.get("principal"), id, reason, c.get("trace")),
      ({ lines }) => ({
        status: 200,
        body: { purchase_order_id: id, status: "completed" as const, lines: [...lines] },
      }),
    );
  });

  app.openapi(one, async (c) => {
    const { db, clock } = c.get("container");
    const today = isoDate(clock.now());
    const found = await findPurchaseOrder(db, c.req.valid("param").id);
    if (!found || !seesPurchaseOrder(c.get("principal"), found)) {
      return problem(c, { code: "NOT_FOUND", detail: "no such purchase order" });
    }
    const { currency } = found.po;
    const receipts = await listReceipts(db, `purchase-order/${found.po.id}`);
    const lines = found.lines.map((line) => lineView(line, currency, found.po.status === "placed", today));
    return c.json({ ...view(found), lines, receipts: receipts.map(viewReceipt) }, 200);
  });
}

/** `awaited`: what is open of it still comes. */
function lineView(line: PurchaseOrderLineRow, currency: string, awaited: boolean, today: string) {
  const { quantity, received, rejected, closed, dueAt } = line;
  const open = openOf(line);
  return {
    line: line.line,
    sku: line.sku,
    quantity,
    received,
    rejected,
    closed,
    open,
    unit_price: { amount: line.unitPrice, currency },
    due_at: dueAt,
    first_due_at: line.firstDueAt,
    overdue: awaited && open > 0 && dueAt !== null && dueAt.slice(0, 10) < today,
    back_order: awaited && open > 0 && received + rejected > 0 ? { open, due_at: dueAt } : null,
  };
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
    freight: { amount: po.freight, currency: po.currency },
    closed_short: readClosedShort(po.closedShort),
    created_at: po.createdAt,
    updated_at: po.updatedAt,
  };
}
