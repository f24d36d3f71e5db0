/**
 * createPurchaseOrder: one purchase order per order and supplier, under one key. A reply that was lost is unknown, and
 * finding the order by its key tells; what the supplier has is then written down in one batch.
 */
import { insertPurchaseOrder, type OrderLineRow, type OrderRow } from "../db/queries/orders.ts";
import { findBuyable } from "../db/queries/suppliers.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import { isoDateAfter } from "../domain/iso-date.ts";
import type { PlacedPurchaseOrder, PurchaseOrderDraft, SupplierAddress } from "../domain/ports.ts";
import { totalOf, type OrderedTerms } from "../domain/purchase-terms.ts";
import type { SupplierTerms } from "../domain/request-context.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

/** The lines of an order that one supplier delivers. */
export function linesOf(lines: readonly OrderLineRow[], supplier: string): OrderLineRow[] {
  return lines.filter((line) => line.source === "purchase" && line.supplier === supplier);
}

/** Suppliers that an order buys from. */
export function suppliersOf(lines: readonly OrderLineRow[]): string[] {
  return [
    ...new Set(lines.flatMap((line) => (line.source === "purchase" && line.supplier ? [line.supplier] : []))),
  ].sort();
}

interface PurchaseLine {
  readonly sku: string;
  readonly quantity: number;
  /** Minor units of the supplier's currency. */
  readonly unitPrice: number;
  readonly dueAt: string;
}

/** What one supplier is asked for: each part once, at the supplier's own price in its own currency. Due from `now` on. */
function purchaseOf(order: OrderRow, lines: readonly OrderLineRow[], supplier: string, now: number) {
  const own = linesOf(lines, supplier).map((line) => {
    const terms = line.supplierTerms === null ? null : (JSON.parse(line.supplierTerms) as SupplierTerms);
    return { ...line, terms, price: terms?.unitPrice ?? line.unitPrice };
  });
  const parts = [...Map.groupBy(own, (line) => line.sku)].map(([sku, same]): PurchaseLine => {
    const [first] = same;
    const leadDays = first?.leadDays ?? null;
    return {
      sku,
      quantity: same.reduce((sum, line) => sum + line.orderQuantity, 0),
      unitPrice: first?.price ?? 0,
      dueAt: leadDays === null ? (first?.availableOn ?? "") : isoDateAfter(now, leadDays),
    };
  });
  const freight = own.reduce((sum, line) => sum + (line.terms?.freight ?? line.freight), 0);
  return { parts, freight, total: totalOf(parts) + freight, currency: own[0]?.terms?.currency ?? order.currency };
}

/** Why nothing may be bought there any more although it was approved, or null: what was true then may have changed. */
export async function whyNotBought(
  deps: Pick<ServiceDeps, "db">,
  lines: readonly OrderLineRow[],
  supplier: string,
): Promise<string | null> {
  const skus = linesOf(lines, supplier).map((line) => line.sku);
  const facts = await findBuyable(deps.db, supplier, skus);
  if (!facts) return `there is no supplier ${supplier}`;
  if (!facts.active) return `${supplier} has become inactive: nothing is bought there any more`;
  const [gone] = facts.discontinued;
  return gone === undefined ? null : `${gone} has been discontinued: nothing of it is bought any more`;
}

/** What is ordered of one supplier, and at which prices: the goods, in its own currency. */
export function termsOf(order: OrderRow, lines: readonly OrderLineRow[], supplier: string): OrderedTerms {
  const { parts, currency } = purchaseOf(order, lines, supplier, 0);
  return {
    currency,
    lines: parts.map(({ sku, quantity, unitPrice }) => ({ sku, quantity, unitPrice })),
  };
}

export function draftPurchaseOrder(
  order: OrderRow,
  lines: readonly OrderLineRow[],
  at: SupplierAddress,
  key: string,
): PurchaseOrderDraft {
  return { ...at, idempotencyKey: key, orderId: order.id, ...termsOf(order, lines, at.supplier) };
}

/** What is written down once the supplier has accepted. */
export function createPurchaseOrder(
  deps: ServiceDeps,
  order: OrderRow,
  lines: readonly OrderLineRow[],
  placed: { supplier: string; key: string; order: PlacedPurchaseOrder },
): { writes: GuardedWrite[]; events: AnyEventDraft[] } {
  const at = isoNow(deps);
  const id = deps.newId("purchaseOrder");
  const { parts, ...money } = purchaseOf(order, lines, placed.supplier, deps.clock.now());
  return {
    writes: insertPurchaseOrder({
      id,
      orderId: order.id,
      supplier: placed.supplier,
      key: placed.key,
      reference: placed.order.reference,
      ...money,
      at,
      lines: parts.map((part, index) => ({ line: index + 1, ...part })),
    }),
    events: [
      {
        type: "PurchaseOrderPlaced",
        subject: `purchase-order/${id}`,
        region: order.region,
        sequence: 1,
        data: {
          purchase_order_id: id,
          order_id: order.id,
          supplier: placed.supplier,
          reference: placed.order.reference,
          timestamp: at,
        },
      },
    ],
  };
}
