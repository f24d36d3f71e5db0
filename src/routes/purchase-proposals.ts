/** What requests that still wait could buy together, for a buyer to decide on: a read, it changes nothing. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { BundledPart, Figures } from "../domain/consolidation.ts";
import { moneySchema } from "../domain/parts.ts";
import { proposePurchases, type PurchaseProposal } from "../services/purchase-proposals.ts";
import type { AppEnv } from "./app-env.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";

const figures = z.object({
  order_quantity: z.int(),
  /** Bought beyond what is needed, by MOQ and pack. */
  waste: z.int(),
  amount: moneySchema,
});

const proposal = z.object({
  region: z.string(),
  needed_by: z.string().nullable(),
  requests: z.array(z.object({ request_id: z.string(), request_number: z.string(), destination: z.string() })),
  parts: z.array(
    z.object({
      sku: z.string(),
      quantity: z.int(),
      /** The earliest day on which any of it is needed; today if that is over. */
      needed_by: z.string().nullable(),
      requests: z.array(z.string()),
      separately: figures,
      together: figures,
      waste_saved: z.int(),
      purchases: z.array(
        z.object({
          supplier: z.string(),
          quantity: z.int(),
          order_quantity: z.int(),
          /** In the supplier's currency. */
          unit_price: moneySchema,
          price_from: z.int().openapi({ description: "The price break that is reached: from so many on" }),
          available_on: z.string(),
          reason: z.string(),
        }),
      ),
    }),
  ),
  freight: z.object({
    separately: moneySchema,
    together: moneySchema,
    saved: moneySchema,
    by_supplier: z.array(z.object({ supplier: z.string(), amount: moneySchema })),
  }),
  /** Goods and freight. */
  separately: moneySchema,
  together: moneySchema,
  saved: moneySchema,
  act: z
    .object({
      method: z.literal("POST"),
      path: z.literal("/api/orders"),
      body: z.object({
        order_number: z.string(),
        device_id: z.string(),
        source: z.enum(["purchase"]).optional(),
        lines: z.array(z.object({ sku: z.string(), quantity: z.int(), needed_by: z.string().optional() })),
      }),
    })
    .nullable()
    .openapi({
      description: "A direct order that buys it for a shelf of the region, by whoever's own limit covers it",
    }),
});

const list = createRoute({
  method: "get",
  path: "/api/purchase-proposals",
  tags: ["purchase orders"],
  security: BEARER,
  description: [
    "Requests that wait for an approval and share a supplier or a part: what they would cost apart, as they were priced,",
    "and what the same quantities would cost today in one purchase. A proposal to a person; nothing comes of it by itself.",
  ].join(" "),
  middleware: [requires("purchase_proposals.read")] as const,
  responses: {
    200: json(
      z.object({
        data: z.array(proposal),
        meta: z.object({ count: z.int(), requests: z.int(), more_wait: z.boolean() }),
      }),
      "What saves money together, the most of it first; of the caller's regions",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN"),
  },
});

export function registerPurchaseProposals(app: OpenAPIHono<AppEnv>): void {
  app.openapi(list, async (c) => {
    const { proposals, requests, more } = await proposePurchases(c.get("container"), c.get("principal"));
    return c.json({ data: proposals.map(view), meta: { count: proposals.length, requests, more_wait: more } }, 200);
  });
}

function view(one: PurchaseProposal): z.output<typeof proposal> {
  const money = (amount: number) => ({ amount, currency: one.currency });
  const { freight, order } = one;
  return {
    region: one.region,
    needed_by: one.neededBy,
    requests: one.requests.map(({ id, requestNumber, destination }) => {
      return { request_id: id, request_number: requestNumber, destination };
    }),
    parts: one.parts.map((part) => partView(part, money)),
    freight: {
      separately: money(freight.separately),
      together: money(freight.together),
      saved: money(freight.separately - freight.together),
      by_supplier: freight.bySupplier.map(({ supplier, amount }) => ({ supplier, amount: money(amount) })),
    },
    separately: money(one.separately),
    together: money(one.together),
    saved: money(one.saved),
    act: order && { method: "POST", path: "/api/orders", body: { ...order, lines: [...order.lines] } },
  };
}

type Money = (amount: number) => { amount: number; currency: string };

function partView({ sku, quantity, neededBy, requests, separately, together, purchases }: BundledPart, money: Money) {
  return {
    sku,
    quantity,
    needed_by: neededBy,
    requests: [...requests],
    separately: figuresView(separately, money),
    together: figuresView(together, money),
    waste_saved: separately.waste - together.waste,
    purchases: purchases.map((one) => ({
      supplier: one.supplier,
      quantity: one.quantity,
      order_quantity: one.orderQuantity,
      unit_price: { amount: one.unitPrice, currency: one.currency },
      price_from: one.priceFrom,
      available_on: one.availableOn,
      reason: one.reason,
    })),
  };
}

function figuresView({ orderQuantity, waste, amount }: Figures, money: Money) {
  return { order_quantity: orderQuantity, waste, amount: money(amount) };
}
