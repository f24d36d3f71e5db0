/**
 * What an approval is bound to, as one canonical text: destination, and per line SKU, quantity, source, price and freight.
 * Anything in it that changes gives another text, and with its hash the ballots given before are void.
 */
import { canonicalJson } from "./canonical-json.ts";
import type { Allocation } from "./request-context.ts";
import { totalOf } from "./sourcing.ts";

export interface ApprovedRequest {
  readonly id: string;
  readonly destination: string;
  readonly currency: string;
}

/**
 * The text to hash (SHA-256 by the caller). The order of the allocations doesn't matter; reasons and dates aren't
 * bound.
 */
export function approvalPayload(request: ApprovedRequest, allocations: readonly Allocation[]): string {
  const lines = allocations
    .map((one) =>
      canonicalJson({
        line: one.line,
        sku: one.sku,
        quantity: one.quantity,
        source: one.source,
        location: one.location ?? null,
        supplier: one.supplier ?? null,
        order_quantity: one.orderQuantity,
        unit_price: one.unitPrice,
        // What nothing stands for isn't spelled out: an approval given before there was freight stays bound to its text.
        ...(one.freight ? { freight: one.freight } : {}),
        ...(one.terms ? { supplier_terms: one.terms } : {}),
      }),
    )
    .sort()
    .map((line) => JSON.parse(line) as unknown);
  return canonicalJson({
    request_id: request.id,
    destination: request.destination,
    currency: request.currency,
    total: totalOf(allocations),
    lines,
  });
}
