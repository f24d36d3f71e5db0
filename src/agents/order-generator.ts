/**
 * OrderGenerator: one order draft per request from its approved allocations, its purchases one per supplier. It adds
 * and drops nothing: the draft's total is the total that was approved.
 */
import type { Allocation, OrderDraft, RequestContext } from "../domain/request-context.ts";
import { allocationAmount, totalOf } from "../domain/sourcing.ts";
import { traced, type AgentResult } from "./agent-trace.ts";

/** All that the order rests on. */
export interface DraftInput {
  readonly allocations: readonly Allocation[];
  readonly currency: string;
}

/** Needs the `sources` section. `line` is the order's own numbering, `requestLine` the request's. */
export function draftOrder(context: RequestContext): AgentResult<OrderDraft> {
  const { sources, request } = context.trusted;
  return decideDraft({ allocations: sources?.allocations ?? [], currency: request.currency });
}

export function decideDraft(input: DraftInput): AgentResult<OrderDraft> {
  const { allocations, currency } = input;
  const section: OrderDraft = {
    lines: allocations.map(({ line: requestLine, ...rest }, index) => ({ ...rest, line: index + 1, requestLine })),
    purchases: purchasesOf(allocations),
    total: totalOf(allocations),
    currency,
  };
  const suppliers = section.purchases.map((purchase) => purchase.supplier);
  return traced(section, {
    agent: "OrderGenerator",
    decision: "draft_order",
    engine: "rules",
    input,
    advice: null,
    ruleHits: [
      { rule: "one-order-per-request", reason: `${section.lines.length} order lines.` },
      ...(suppliers.length > 0
        ? [{ rule: "one-purchase-per-supplier", reason: `Purchases from ${suppliers.join(", ")}.` }]
        : []),
    ],
    final: { lines: section.lines.length, purchases: section.purchases, total: section.total },
  });
}

/** One purchase per supplier, one line per SKU in it, with the quantity that is ordered. */
function purchasesOf(allocations: readonly Allocation[]): OrderDraft["purchases"] {
  const bought = allocations.filter((one) => one.source === "purchase" && one.supplier !== undefined);
  const bySupplier = [...Map.groupBy(bought, (one) => one.supplier ?? "")].sort(([a], [b]) => (a < b ? -1 : 1));
  return bySupplier.map(([supplier, own]) => {
    const lines = [...Map.groupBy(own, (one) => one.sku).values()].map((same) => ({
      sku: same[0]?.sku ?? "",
      quantity: same.reduce((sum, one) => sum + one.orderQuantity, 0),
      unitPrice: same[0]?.unitPrice ?? 0,
    }));
    return { supplier, lines, total: own.reduce((sum, one) => sum + allocationAmount(one), 0) };
  });
}
