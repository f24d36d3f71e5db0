/**
 * A supplier over JSON and HTTPS. Nothing that a supplier answers is trusted: an answer that isn't about the order we
 * asked for counts as no answer, so whether the supplier accepted is then unknown.
 */
import { z } from "zod";
import { SUPPLIER_ANSWER_BYTES, SUPPLIER_TIMEOUT_MS, type Settings } from "../config.ts";
import { AppError } from "../domain/errors.ts";
import type { PlacedPurchaseOrder, PurchaseOrderDraft, SupplierAddress, SupplierGateway } from "../domain/ports.ts";
import { exchangeJson, type Exchange, type ExchangeAnswer, type ExchangeDeps } from "./json-exchange.ts";

export interface HttpSupplierDeps extends ExchangeDeps {
  readonly environment: Settings["ENVIRONMENT"];
}

const MAX_ORDERS_UNDER_A_KEY = 20;

// A reference becomes a path segment: "." and ".." would lead to another address.
const reference = z.string().regex(/^(?!\.{1,2}$)[\x21-\x7e]{1,200}$/);
const orderSchema = z.object({
  reference,
  status: z.enum(["accepted", "cancelled"]),
  idempotency_key: z.string(),
});
const placedSchema = orderSchema.extend({ order_id: z.string() });
const foundSchema = z.object({ orders: z.array(orderSchema).max(MAX_ORDERS_UNDER_A_KEY) });
const cancelledSchema = z.object({ reference, status: z.literal("cancelled") });
const healthySchema = z.object({ status: z.literal("ok") });

/**
 * Faults, all AppError: retryable DEPENDENCY_FAILED where a repetition may help (see `exchangeJson`), also for a
 * broken or foreign answer; DEPENDENCY_FAILED without retry for an address that may not be called; SUPPLIER_REFUSED
 * when a look-up is refused (4xx), because that says nothing about whether there is an order.
 */
export function httpSupplier(deps: HttpSupplierDeps): SupplierGateway {
  const call = (at: SupplierAddress, path: string, exchange: Pick<Exchange, "method" | "headers" | "body">) =>
    exchangeJson(deps, {
      ...exchange,
      dependency: nameOf(at),
      url: endpoint(at, path, deps.environment),
      timeoutMs: SUPPLIER_TIMEOUT_MS,
      maxAnswerBytes: SUPPLIER_ANSWER_BYTES,
    });

  /** Every order under the key, in the supplier's order. */
  const ordersUnder = async (at: SupplierAddress, key: string): Promise<PlacedPurchaseOrder[]> => {
    const answer = await call(at, `purchase-orders?idempotency_key=${encodeURIComponent(key)}`, { method: "GET" });
    if (!answer.ok) throw new AppError("SUPPLIER_REFUSED", `${nameOf(at)} refused the look-up: ${answer.reason}`);
    const { orders } = parsed(at, foundSchema, answer);
    if (orders.some((order) => order.idempotency_key !== key)) throw foreign(at);
    return orders.map((order) => ({ reference: order.reference, status: order.status }));
  };

  const cancelOne = async (at: SupplierAddress, order: PlacedPurchaseOrder): Promise<string | null> => {
    const path = `purchase-orders/${encodeURIComponent(order.reference)}/cancel`;
    const answer = await call(at, path, { method: "POST" });
    if (!answer.ok) return `${order.reference}: ${answer.reason}`;
    if (parsed(at, cancelledSchema, answer).reference !== order.reference) throw foreign(at);
    return null;
  };

  return {
    async placePurchaseOrder(draft) {
      const answer = await call(draft, "purchase-orders", {
        method: "POST",
        headers: { "idempotency-key": draft.idempotencyKey },
        body: bodyOf(draft),
      });
      if (!answer.ok) return { ok: false, reason: answer.reason };
      const order = parsed(draft, placedSchema, answer);
      if (order.order_id !== draft.orderId || order.idempotency_key !== draft.idempotencyKey) throw foreign(draft);
      return { ok: true, order: { reference: order.reference, status: order.status } };
    },

    async findPurchaseOrder(at, idempotencyKey) {
      const orders = await ordersUnder(at, idempotencyKey);
      return orders.find((order) => order.status === "accepted") ?? orders[0] ?? null;
    },

    async cancelPurchaseOrder(at, idempotencyKey) {
      const live = (await ordersUnder(at, idempotencyKey)).filter((order) => order.status === "accepted");
      // All are tried although one fails: each that is left is goods that nobody asked for.
      const tried = await Promise.allSettled(live.map((order) => cancelOne(at, order)));
      for (const one of tried) if (one.status === "rejected") throw one.reason;
      const refused = tried.flatMap((one) => (one.status === "fulfilled" && one.value !== null ? [one.value] : []));
      return refused.length === 0 ? { ok: true } : { ok: false, reason: refused.join("; ") };
    },

    async health(at) {
      try {
        const answer = await call(at, "health", { method: "GET" });
        return answer.ok && healthySchema.safeParse(answer.value).success;
      } catch (error) {
        if (error instanceof AppError) return false; // to fail is an answer here
        throw error;
      }
    },
  };
}

/** The address under the supplier's base URL. HTTPS; in development also HTTP to this machine. */
function endpoint(at: SupplierAddress, path: string, environment: Settings["ENVIRONMENT"]): URL {
  const base = URL.parse(at.url);
  const loopback = base !== null && ["localhost", "127.0.0.1", "[::1]"].includes(base.hostname);
  const secure =
    base?.protocol === "https:" || (environment === "development" && base?.protocol === "http:" && loopback);
  if (!base || !secure || base.username !== "" || base.password !== "") {
    throw new AppError("DEPENDENCY_FAILED", `${nameOf(at)}: its address must be an https URL without credentials`);
  }
  return new URL(path, `${base.origin}${base.pathname.replace(/\/*$/, "/")}`);
}

function bodyOf(draft: PurchaseOrderDraft): unknown {
  return {
    order_id: draft.orderId,
    currency: draft.currency,
    lines: draft.lines.map((line) => ({ sku: line.sku, quantity: line.quantity, unit_price: line.unitPrice })),
  };
}

function parsed<T>(at: SupplierAddress, schema: z.ZodType<T>, answer: ExchangeAnswer & { ok: true }): T {
  const result = schema.safeParse(answer.value);
  if (result.success) return result.data;
  throw new AppError("DEPENDENCY_FAILED", `${nameOf(at)}: the answer has another shape than agreed`, {
    retryable: true,
    cause: result.error,
  });
}

function foreign(at: SupplierAddress): AppError {
  return new AppError("DEPENDENCY_FAILED", `${nameOf(at)}: the answer is about another order`, { retryable: true });
}

function nameOf(at: SupplierAddress): string {
  return `supplier ${at.supplier}`;
}
