/** placeOrder: the batch that accepts an order writes its row and OrderPlaced; the event starts the saga, so none is lost. */
import { insertOrder, type NewOrder, type OrderLineRow, type OrderRow } from "../db/queries/orders.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import type { Allocation, SupplierTerms } from "../domain/request-context.ts";
import { allocationAmount } from "../domain/sourcing.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export function placeOrder(order: NewOrder): { writes: GuardedWrite[]; events: AnyEventDraft[] } {
  return {
    writes: insertOrder(order),
    events: [
      {
        type: "OrderPlaced",
        subject: `order/${order.id}`,
        region: order.region,
        sequence: 1,
        data: {
          order_id: order.id,
          timestamp: order.at,
          ...(order.requestId === null ? {} : { request_id: order.requestId }),
        },
      },
    ],
  };
}

/** The order's lines from what was allocated; `requestLine` is null where no request stands behind them. */
export function orderLines(
  allocations: readonly (Omit<Allocation, "line"> & { readonly requestLine: number | null })[],
): NewOrder["lines"] {
  return allocations.map((one, index) => ({
    line: index + 1,
    requestLine: one.requestLine,
    sku: one.sku,
    quantity: one.quantity,
    source: one.source,
    location: one.location ?? null,
    supplier: one.supplier ?? null,
    orderQuantity: one.orderQuantity,
    unitPrice: one.unitPrice,
    availableOn: one.availableOn,
    reason: one.reason,
    neededBy: one.neededBy ?? null,
    leadDays: one.leadDays ?? null,
    freight: one.freight ?? 0,
    supplierTerms: one.terms === undefined ? null : JSON.stringify(one.terms),
  }));
}

/** Goods and the freight booked on the line, in the order's currency. */
export function amountOfLine(line: OrderLineRow): number {
  const terms = line.supplierTerms === null ? null : (JSON.parse(line.supplierTerms) as SupplierTerms);
  return allocationAmount({ ...line, terms });
}

/** What is told at an order's end: to its devices, and to its request. */
export function orderEnded(
  deps: Pick<ServiceDeps, "clock">,
  order: OrderRow,
  status: "Completed" | "Cancelled" | "NeedsAttention",
): AnyEventDraft[] {
  const timestamp = isoNow(deps);
  const request = order.requestId === null ? {} : { request_id: order.requestId };
  const base = { subject: `order/${order.id}`, region: order.region, sequence: order.version + 1 };
  return [
    {
      type: "StatusChanged",
      ...base,
      data: {
        kind: "order",
        id: order.id,
        from: order.status,
        to: status,
        timestamp,
        device_id: order.deviceId,
        ...request,
      },
    },
    { type: "OrderEnded", ...base, data: { order_id: order.id, status, timestamp, ...request } },
  ];
}
