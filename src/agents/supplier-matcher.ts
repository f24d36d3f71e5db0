/** SupplierMatcher: a source for every resolved line, by the rules of domain/sourcing.ts alone. No engine is asked. */
import type { RequestContext, ResolvedLine, Sources } from "../domain/request-context.ts";
import { formatMoney } from "../domain/money.ts";
import type { ExchangeRate } from "../domain/exchange.ts";
import type { SupplierOffer } from "../domain/purchase-quote.ts";
import { matchSources, type SourcingFacts, type StockFact } from "../domain/sourcing.ts";
import { hitForLines, traced, type AgentResult } from "./agent-trace.ts";

export interface SupplyFacts {
  /** Ms since the epoch. */
  readonly now: number;
  /** Stock of the lines' SKUs; other regions' rows are ignored. */
  readonly stock: readonly StockFact[];
  /** Every supplier's offer for the lines' SKUs, inactive suppliers included: the reasons name them. */
  readonly offers: readonly SupplierOffer[];
  /** The newest to the request's currency. */
  readonly rates: readonly ExchangeRate[];
}

/** All that the sources rest on. */
export interface SupplyInput {
  readonly lines: readonly ResolvedLine[];
  readonly sourcing: SourcingFacts;
}

/** Needs the `resolved` section. */
export function matchSuppliers(context: RequestContext, facts: SupplyFacts): AgentResult<Sources> {
  const { region, destination, neededBy, currency } = context.trusted.request;
  const lines = context.trusted.resolved?.lines ?? [];
  return decideSources({ lines, sourcing: { ...facts, region, destination, neededBy, currency } });
}

export function decideSources(input: SupplyInput): AgentResult<Sources> {
  const { lines, sourcing } = input;
  const section = matchSources(lines, sourcing);
  const of = (source: string) => section.allocations.filter((one) => one.source === source).map((one) => one.line);
  const unresolved = section.unresolved.map((one) => one.line);
  return traced(section, {
    agent: "SupplierMatcher",
    decision: "match_suppliers",
    engine: "rules",
    input,
    advice: null,
    ruleHits: [
      ...(of("stock").length > 0 ? [hitForLines("own-stock-first", "From stock of the region", of("stock"))] : []),
      ...(of("purchase").length > 0 ? [hitForLines("lowest-landed-cost", "Bought", of("purchase"))] : []),
      ...(unresolved.length > 0 ? [hitForLines("no-source", "Can't be supplied", unresolved)] : []),
    ],
    final: {
      total: formatMoney(section.total, section.currency),
      sources: section.allocations.map((one) => {
        return { line: one.line, sku: one.sku, quantity: one.quantity, from: one.location ?? one.supplier };
      }),
      unresolved,
    },
  });
}
