/**
 * A supplier over JSON and HTTPS, as design/suppliers.md says. Every call that writes is signed. Nothing that a supplier
 * answers is trusted: an answer that isn't about the order we asked for counts as no answer, so whether the supplier
 * accepted is then unknown; an answer about ours is handed on with the terms that it confirms.
 */
import { z } from "zod";
import { MAX_REQUEST_LINES, SUPPLIER_ANSWER_BYTES, SUPPLIER_TIMEOUT_MS } from "../config.ts";
import { AppError } from "../domain/errors.ts";
import type { PlacedPurchaseOrder, PurchaseOrderDraft, SupplierAddress, SupplierGateway } from "../domain/ports.ts";
import { wrongSupplierUrl, type Environment } from "../domain/supplier-access.ts";
import { signatureHeaders } from "../domain/webhook-signature.ts";
import { exchangeJson, type Exchange, type ExchangeAnswer, type ExchangeDeps } from "./json-exchange.ts";
import { hmacSha256 } from "./webhook-post.ts";

export interface HttpSupplierDeps extends ExchangeDeps {
  readonly environment: Environment;
}

const MAX_ORDERS_UNDER_A_KEY = 20;

// A reference becomes a path segment: "." and ".." would lead to another address.
const reference = z.string().regex(/^(?!\.{1,2}$)[\x21-\x7e]{1,200}$/);
const orderSchema = z.object({
  reference,
  status: z.enum(["accepted", "cancelled"]),
  idempotency_key: z.string(),
  order_id: z.string(),
  currency: z.string().regex(/^[A-Z]{3}$/),
  total: z.int(), // below zero too: that is no broken answer, but another price than ordered
  lines: z.array(z.object({ sku: z.string(), quantity: z.int(), unit_price: z.int() })).max(MAX_REQUEST_LINES),
});
const foundSchema = z.object({ orders: z.array(orderSchema).max(MAX_ORDERS_UNDER_A_KEY) });
const cancelledSchema = z.object({ reference, status: z.literal("cancelled") });
const healthySchema = z.object({ status: z.literal("ok") });

/**
 * Faults, all AppError: retryable DEPENDENCY_FAILED where a repetition may help (see `exchangeJson`), also for a
 * broken or foreign answer; DEPENDENCY_FAILED without retry for an address that may not be called; SUPPLIER_REFUSED
 * when a look-up is refused (4xx), because that says nothing about whether there is an order.
 */
export function httpSupplier(deps: HttpSupplierDeps): SupplierGateway {
  const call = (at: SupplierAddress, path: string, exchange: Pick<Exchange, "method" | "headers" | "body" | "sign">) =>
    exchangeJson(deps, {
      ...exchange,
      dependency: nameOf(at),
      url: endpoint(at, path, deps.environment),
      timeoutMs: SUPPLIER_TIMEOUT_MS,
      maxAnswerBytes: SUPPLIER_ANSWER_BYTES,
    });

  const write = (at: SupplierAddress, id: string, path: string, exchange: Pick<Exchange, "headers" | "body">) => {
    if (at.secrets.length === 0) throw new AppError("DEPENDENCY_FAILED", `${nameOf(at)}: no secret to sign with`);
    return call(at, path, { ...exchange, method: "POST", sign: signer(at, id) });
  };

  /** Every order under the key, in the supplier's order. */
  const ordersUnder = async (at: SupplierAddress, key: string): Promise<PlacedPurchaseOrder[]> => {
    const answer = await call(at, `purchase-orders?idempotency_key=${encodeURIComponent(key)}`, { method: "GET" });
    if (!answer.ok) throw new AppError("SUPPLIER_REFUSED", `${nameOf(at)} refused the look-up: ${answer.reason}`);
    const { orders } = parsed(at, foundSchema, answer);
    if (orders.some((order) => order.idempotency_key !== key)) throw foreign(at);
    return orders.map(placedOf);
  };

  const cancelOne = async (at: SupplierAddress, key: string, cancelled: string): Promise<string | null> => {
    const path = `purchase-orders/${encodeURIComponent(cancelled)}/cancel`;
    const body = { idempotency_key: key, reference: cancelled };
    const answer = await write(at, `cancel:${cancelled}`, path, { body });
    if (!answer.ok) return `${cancelled}: ${answer.reason}`;
    if (parsed(at, cancelledSchema, answer).reference !== cancelled) throw foreign(at);
    return null;
  };

  return {
    async placePurchaseOrder(draft) {
      const answer = await write(draft, `place:${draft.idempotencyKey}`, "purchase-orders", {
        headers: { "idempotency-key": draft.idempotencyKey },
        body: bodyOf(draft),
      });
      if (!answer.ok) return { ok: false, reason: answer.reason };
      const order = parsed(draft, orderSchema, answer);
      if (order.order_id !== draft.orderId || order.idempotency_key !== draft.idempotencyKey) throw foreign(draft);
      return { ok: true, order: placedOf(order) };
    },

    async findPurchaseOrder(at, idempotencyKey) {
      const orders = await ordersUnder(at, idempotencyKey);
      return orders.find((order) => order.status === "accepted") ?? orders[0] ?? null;
    },

    async cancelPurchaseOrder(at, idempotencyKey, keep) {
      const orders = await ordersUnder(at, idempotencyKey);
      const live = orders.filter((order) => order.status === "accepted" && order.reference !== keep);
      // All are tried although one fails: each that is left is goods that nobody asked for.
      const tried = await Promise.allSettled(live.map((order) => cancelOne(at, idempotencyKey, order.reference)));
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

/** The address under the supplier's base URL, judged again at every call. */
function endpoint(at: SupplierAddress, path: string, environment: Environment): URL {
  const wrong = wrongSupplierUrl(at.url, environment);
  if (wrong !== null) throw new AppError("DEPENDENCY_FAILED", `${nameOf(at)}: its address ${wrong}`);
  const base = new URL(at.url);
  return new URL(path, `${base.origin}${base.pathname.replace(/\/*$/, "/")}`);
}

/** Signs as Standard Webhooks says; every try of the same thing has the same id. A dot would end the id too early. */
function signer(at: SupplierAddress, id: string): NonNullable<Exchange["sign"]> {
  const safeId = encodeURIComponent(id).replaceAll(".", "%2E");
  return (body, nowMs) =>
    signatureHeaders({ id: safeId, timestampS: Math.floor(nowMs / 1000), body }, at.secrets, hmacSha256);
}

function bodyOf(draft: PurchaseOrderDraft): unknown {
  return {
    idempotency_key: draft.idempotencyKey,
    order_id: draft.orderId,
    currency: draft.currency,
    lines: draft.lines.map((line) => ({ sku: line.sku, quantity: line.quantity, unit_price: line.unitPrice })),
  };
}

function placedOf({ reference, status, currency, total, lines }: z.output<typeof orderSchema>): PlacedPurchaseOrder {
  const confirmedLines = lines.map(({ sku, quantity, unit_price }) => ({ sku, quantity, unitPrice: unit_price }));
  return { reference, status, confirmed: { currency, total, lines: confirmedLines } };
}

function parsed<T>(at: SupplierAddress, schema: z.ZodType<T>, answer: ExchangeAnswer & { ok: true }): T {
  const result = schema.safeParse(answer.value);
  if (result.success) return result.data;
  const what = answer.value === null ? "is empty" : "has another shape than agreed";
  throw new AppError("DEPENDENCY_FAILED", `${nameOf(at)}: the answer ${what}`, {
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
