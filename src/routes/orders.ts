/** Orders: placing one directly within one's own limit, and where each one stands. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { MAX_JSON_BYTES } from "../config.ts";
import { findOrder, listOrders, listPurchaseOrders, type OrderRow } from "../db/queries/orders.ts";
import { coversRegion } from "../domain/identity.ts";
import { moneySchema } from "../domain/parts.ts";
import { neededBySchema } from "../domain/request-file.ts";
import { isLate } from "../domain/response.ts";
import { placeDirectOrder } from "../services/direct-orders.ts";
import { amountOfLine } from "../services/orders.ts";
import type { AppEnv } from "./app-env.ts";
import { KEYED, keyed, KEYED_JSON_PROBLEMS, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { pageOf, pageQuery, pageSchema } from "./paging.ts";
import { problem } from "./problem.ts";

const status = z.enum(["Pending", "Cancelling", "Completed", "Cancelled", "NeedsAttention"]);
const errorView = z.object({ step: z.string(), code: z.string(), reason: z.string() });

const summary = z.object({
  order_id: z.string(),
  request_id: z.string().nullable(),
  device_id: z.string(),
  region: z.string(),
  destination: z.string(),
  status,
  step: z.string(),
  total: moneySchema,
  error: errorView.nullable(),
  created_at: z.string(),
  updated_at: z.string(),
});

const details = summary.extend({
  lines: z.array(
    z.object({
      line: z.int(),
      sku: z.string(),
      quantity: z.int(),
      source: z.string(),
      location: z.string().nullable(),
      supplier: z.string().nullable(),
      order_quantity: z.int(),
      unit_price: moneySchema,
      /** Goods and the freight that is booked on the line. */
      amount: moneySchema,
      /** Of all that is bought from the supplier, on its first line. */
      freight: moneySchema,
      available_on: z.string(),
      needed_by: z.string().nullable(),
      late: z.boolean(),
      reason: z.string(),
    }),
  ),
  purchase_orders: z.array(
    z.object({
      id: z.string(),
      supplier: z.string(),
      reference: z.string().nullable(),
      status: z.string(),
      total: moneySchema,
    }),
  ),
});

const params = z.object({ id: z.string().min(1).max(100) });

const create = createRoute({
  method: "post",
  path: "/api/orders",
  tags: ["orders"],
  security: BEARER,
  description: "For a manager, up to their own self-approval limit. Above it send a request: it finds its approvers.",
  ...KEYED,
  middleware: [requires("orders.create"), keyed, bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: {
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z.strictObject({
            order_number: z.string().min(1).max(100),
            device_id: z.string().min(1).max(100),
            needed_by: neededBySchema.optional(),
            source: z
              .enum(["purchase"])
              .optional()
              .openapi({ description: "Bought even where stock would do, as to fill a shelf" }),
            lines: z
              .array(
                z.strictObject({
                  sku: z.string().min(1).max(100),
                  quantity: z.int().min(1).max(1_000_000),
                  needed_by: neededBySchema.optional().openapi({ description: "The line's own, before the order's" }),
                }),
              )
              .min(1)
              .max(1_000),
          }),
        },
      },
    },
  },
  responses: {
    202: json(z.object({ order_id: z.string(), status }), "Accepted; Location says where to look"),
    ...problems(...KEYED_JSON_PROBLEMS, "OVER_LIMIT", "UNKNOWN_REFERENCE", "DUPLICATE"),
  },
});

const list = createRoute({
  method: "get",
  path: "/api/orders",
  tags: ["orders"],
  security: BEARER,
  middleware: [requires("orders.read")] as const,
  request: {
    query: z.strictObject({ ...pageQuery, status: status.optional() }),
  },
  responses: {
    200: json(pageSchema(summary), "Orders in the caller's regions, newest first; cancelled ones only by `status`"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/orders/{id}",
  tags: ["orders"],
  security: BEARER,
  middleware: [requires("orders.read")] as const,
  request: { params },
  responses: {
    200: json(details, "The order, its lines and its purchase orders"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

export function registerOrders(app: OpenAPIHono<AppEnv>): void {
  app.openapi(create, (c) =>
    once(
      c,
      (deps) => placeDirectOrder(deps, c.get("principal"), c.req.valid("json"), c.get("trace")),
      ({ orderId }) => ({
        status: 202,
        location: `/api/orders/${orderId}`,
        body: { order_id: orderId, status: "Pending" as const },
      }),
    ),
  );

  app.openapi(list, async (c) => {
    const { cursor, limit, status: only } = c.req.valid("query");
    const { region } = c.get("principal");
    const rows = await listOrders(c.get("container").db, {
      region,
      status: only,
      after: cursor ?? null,
      limit: limit + 1,
    });
    return c.json(
      pageOf(rows.map(view), limit, ({ order_id: id }) => id),
      200,
    );
  });

  app.openapi(one, async (c) => {
    const { db } = c.get("container");
    const found = await findOrder(db, c.req.valid("param").id);
    if (!found || !coversRegion(c.get("principal"), found.order.region))
      return problem(c, { code: "NOT_FOUND", detail: "no such order" });
    const { order, lines } = found;
    const bought = await listPurchaseOrders(db, order.id);
    return c.json(
      {
        ...view(order),
        lines: lines.map((line) => ({
          line: line.line,
          sku: line.sku,
          quantity: line.quantity,
          source: line.source,
          location: line.location,
          supplier: line.supplier,
          order_quantity: line.orderQuantity,
          unit_price: { amount: line.unitPrice, currency: order.currency },
          amount: { amount: amountOfLine(line), currency: order.currency },
          freight: { amount: line.freight, currency: order.currency },
          available_on: line.availableOn,
          needed_by: line.neededBy,
          late: isLate(line),
          reason: line.reason,
        })),
        purchase_orders: bought.map((po) => ({
          id: po.id,
          supplier: po.supplier,
          reference: po.supplierReference,
          status: po.status,
          total: { amount: po.total, currency: po.currency },
        })),
      },
      200,
    );
  });
}

function view(order: OrderRow): z.output<typeof summary> {
  return {
    order_id: order.id,
    request_id: order.requestId,
    device_id: order.deviceId,
    region: order.region,
    destination: order.destination,
    status: order.status,
    step: order.step,
    total: { amount: order.total, currency: order.currency },
    error: order.error === null ? null : errorView.parse(JSON.parse(order.error)),
    created_at: order.createdAt,
    updated_at: order.updatedAt,
  };
}
