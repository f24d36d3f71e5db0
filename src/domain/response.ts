/** response.json: the answer to a request, the same for the device, the API and the archive. Money is minor units + currency. */
import type { Allocation, RequestContext } from "./request-context.ts";
import type { ResponseOutcome } from "./request.ts";

export interface DecidedBy {
  readonly step: string;
  readonly by: string;
  readonly rule: string;
  readonly at: string;
}

export interface ResponseFacts {
  readonly responseId: string;
  readonly requestId: string;
  readonly outcome: ResponseOutcome;
  /** For everything but `completed`: who or which rule, why, and what to change. */
  readonly reason: string | null;
  readonly context: RequestContext | null;
  readonly orderId: string | null;
  readonly decidedBy: readonly DecidedBy[];
  readonly createdAt: string;
}

export function responseDocument(facts: ResponseFacts) {
  const trusted = facts.context?.trusted;
  const granted = facts.outcome === "completed";
  const currency = trusted?.sources?.currency ?? trusted?.request.currency ?? "USD";
  return {
    response_id: facts.responseId,
    request_id: facts.requestId,
    outcome: facts.outcome,
    ...(facts.reason === null ? {} : { reason: facts.reason }),
    lines: (trusted?.sources?.allocations ?? []).map((one) => lineOf(one, granted, currency)),
    ...(facts.orderId === null ? {} : { order_id: facts.orderId }),
    total: { amount: granted ? (trusted?.sources?.total ?? 0) : 0, currency },
    decided_by: facts.decidedBy,
    created_at: facts.createdAt,
  };
}

/** Needed before the day on which it arrives. */
export function isLate(one: { readonly neededBy?: string | null | undefined; readonly availableOn: string }): boolean {
  return typeof one.neededBy === "string" && one.availableOn > one.neededBy.slice(0, 10);
}

/** A line that several sources serve is several entries with the same number. */
function lineOf(one: Allocation, granted: boolean, currency: string) {
  return {
    line: one.line,
    sku: one.sku,
    requested: one.quantity,
    granted: granted ? one.quantity : 0,
    source: one.source,
    ...(one.location === undefined ? {} : { location: one.location }),
    ...(one.supplier === undefined ? {} : { supplier: one.supplier }),
    unit_price: { amount: one.unitPrice, currency },
    ...(one.freight === undefined ? {} : { freight: { amount: one.freight, currency } }),
    available_on: one.availableOn,
    ...(one.neededBy === undefined ? {} : { needed_by: one.neededBy, late: isLate(one) }),
    reason: one.reason,
  };
}
