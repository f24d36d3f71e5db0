/**
 * createPurchaseOrder: one purchase order per order and supplier, under one key. A reply that was lost is unknown, and
 * finding the order by its key tells; what the supplier has is then written down in one batch.
 */
import { insertPurchaseOrder, type OrderLineRow, type OrderRow } from "../db/queries/orders.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import type { PlacedPurchaseOrder, PurchaseOrderDraft, SupplierAddress } from "../domain/ports.ts";
import { totalOf, type OrderedTerms } from "../domain/purchase-terms.ts";
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

/** What is ordered of one supplier, and at which prices. */
export function termsOf(order: OrderRow, lines: readonly OrderLineRow[], supplier: string): OrderedTerms {
  return {
    currency: order.currency,
    lines: linesOf(lines, supplier).map((line) => ({
      sku: line.sku,
      quantity: line.orderQuantity,
      unitPrice: line.unitPrice,
    })),
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
  const own = linesOf(lines, placed.supplier);
  return {
    writes: insertPurchaseOrder({
      id,
      orderId: order.id,
      supplier: placed.supplier,
      key: placed.key,
      reference: placed.order.reference,
      total: totalOf(termsOf(order, lines, placed.supplier).lines),
      currency: order.currency,
      at,
      lines: own.map((line, index) => ({
        line: index + 1,
        sku: line.sku,
        quantity: line.orderQuantity,
        unitPrice: line.unitPrice,
        dueAt: line.availableOn,
      })),
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
