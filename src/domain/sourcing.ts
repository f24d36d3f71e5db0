/**
 * Where each line comes from: own stock of the region first, the rest bought. A line is met whole or not at all, and
 * the demand of all lines of a SKU is summed before anything is decided. Amounts are integer minor units, quantities
 * stock units.
 */
import { isoDate } from "./iso-date.ts";
import { formatMoney } from "./money.ts";
import { chooseOffers, type Purchase, type SupplierOffer } from "./purchase-choice.ts";
import type { Allocation, ResolvedLine, Sources } from "./request-context.ts";

export interface StockFact {
  readonly sku: string;
  readonly location: string;
  readonly region: string;
  /** On hand less reserved. */
  readonly available: number;
}

export interface SourcingFacts {
  /** Ms since the epoch. */
  readonly now: number;
  readonly region: string;
  /** The location that asks: its own stock is not a source. */
  readonly destination: string;
  /** A date or an instant; null: any date will do. */
  readonly neededBy: string | null;
  readonly currency: string;
  readonly stock: readonly StockFact[];
  readonly offers: readonly SupplierOffer[];
}

/** One place that gives some of a part, before it is shared out to lines. */
interface Supply {
  readonly source: Allocation["source"];
  readonly location?: string;
  readonly supplier?: string;
  readonly quantity: number;
  /** Bought beyond `quantity` by MOQ and pack. */
  readonly surplus: number;
  readonly unitPrice: number;
  readonly availableOn: string;
  readonly reason: string;
}

type Plan =
  | { readonly ok: true; readonly supplies: readonly Supply[] }
  | { readonly ok: false; readonly reason: string };

/** What an allocation costs: all that is taken or bought for it, at its unit price, in minor units. */
export function allocationAmount(allocation: { readonly orderQuantity: number; readonly unitPrice: number }): number {
  return allocation.orderQuantity * allocation.unitPrice;
}

/** The sum over all allocations in minor units. */
export function totalOf(
  allocations: readonly { readonly orderQuantity: number; readonly unitPrice: number }[],
): number {
  return allocations.reduce((sum, allocation) => sum + allocationAmount(allocation), 0);
}

/**
 * Sources for every line: allocations in the order of the lines, and the lines that can't be met, with the reason.
 * Stock is priced at list price, purchases at the supplier's price for the quantity ordered.
 */
export function matchSources(lines: readonly ResolvedLine[], facts: SourcingFacts): Sources {
  const allocations: Allocation[] = [];
  const unresolved: Sources["unresolved"] = [];
  const stock = Map.groupBy(facts.stock, (place) => place.sku);
  const offers = Map.groupBy(facts.offers, (offer) => offer.sku);
  let total = 0;
  for (const [sku, wanted] of Map.groupBy(lines, (line) => line.sku)) {
    const planFor = (quantity: number) =>
      planSku(wanted[0]?.listPrice ?? 0, quantity, facts, stock.get(sku) ?? [], offers.get(sku) ?? []);
    const met: ResolvedLine[] = [];
    let asked = 0;
    let plan: Plan = { ok: true, supplies: [] };
    for (const line of wanted) {
      const next = line.currency === facts.currency ? planFor(asked + line.quantity) : foreign(line, facts);
      if (next.ok && Number.isSafeInteger(total + costOf(next.supplies))) {
        plan = next;
        asked += line.quantity;
        met.push(line);
      } else
        unresolved.push({ line: line.line, sku, reason: next.ok ? "The amount is too large to handle." : next.reason });
    }
    if (!plan.ok || met.length === 0) continue;
    total += costOf(plan.supplies);
    allocations.push(...shareOut(met, plan.supplies));
  }
  const byLine = (a: { line: number }, b: { line: number }) => a.line - b.line;
  return {
    allocations: allocations.sort(byLine),
    unresolved: unresolved.sort(byLine),
    total,
    currency: facts.currency,
  };
}

function costOf(supplies: readonly Supply[]): number {
  return supplies.reduce((sum, supply) => sum + (supply.quantity + supply.surplus) * supply.unitPrice, 0);
}

function foreign(line: ResolvedLine, facts: SourcingFacts): Plan {
  return { ok: false, reason: `${line.sku} is priced in ${line.currency}, the request in ${facts.currency}.` };
}

/**
 * Sources for so many of one part, or why it can't be had. Nearest stock: in the region, the most available, then by
 * id.
 */
function planSku(
  listPrice: number,
  quantity: number,
  facts: SourcingFacts,
  stock: readonly StockFact[],
  offers: readonly SupplierOffer[],
): Plan {
  const places = stock
    .filter((place) => place.region === facts.region && place.location !== facts.destination && place.available > 0)
    .sort((a, b) => b.available - a.available || (a.location < b.location ? -1 : 1));
  const supplies: Supply[] = [];
  let missing = quantity;
  for (const place of places) {
    if (missing === 0) break;
    const take = Math.min(place.available, missing);
    missing -= take;
    supplies.push(stockSupply(place, take, listPrice, facts));
  }
  if (missing === 0) return { ok: true, supplies };
  const bought = chooseOffers(offers, missing, facts);
  if (bought.ok) return { ok: true, supplies: [...supplies, ...bought.purchases.map(purchaseSupply)] };
  const had = quantity - missing;
  return {
    ok: false,
    reason: `${quantity} asked in all, ${had} in stock in ${facts.region}; for the rest ${bought.reason}.`,
  };
}

function stockSupply(place: StockFact, quantity: number, unitPrice: number, facts: SourcingFacts): Supply {
  const { location, available, region } = place;
  const price = `list price ${formatMoney(unitPrice, facts.currency)}`;
  const reason = `In stock at ${location}: ${quantity} of ${available} available in ${region}, at ${price}`;
  return { source: "stock", location, quantity, surplus: 0, unitPrice, availableOn: isoDate(facts.now), reason };
}

function purchaseSupply(purchase: Purchase): Supply {
  const { orderQuantity, quantity, ...rest } = purchase;
  return { source: "purchase", quantity, surplus: orderQuantity - quantity, ...rest };
}

/** Gives the supplies to the lines in order; what is bought too much is booked on the last line of that purchase. */
function shareOut(lines: readonly ResolvedLine[], supplies: readonly Supply[]): Allocation[] {
  const allocations: Allocation[] = [];
  let index = 0;
  let used = 0;
  for (const line of lines) {
    let missing = line.quantity;
    while (missing > 0) {
      const supply = supplies[index];
      if (!supply) break;
      const take = Math.min(missing, supply.quantity - used);
      const last = used + take === supply.quantity;
      const { source, location, supplier, unitPrice, availableOn, reason } = supply;
      allocations.push({
        line: line.line,
        sku: line.sku,
        quantity: take,
        source,
        ...(location === undefined ? {} : { location }),
        ...(supplier === undefined ? {} : { supplier }),
        orderQuantity: take + (last ? supply.surplus : 0),
        unitPrice,
        availableOn,
        reason,
      });
      missing -= take;
      used = last ? 0 : used + take;
      if (last) index++;
    }
  }
  return allocations;
}
