/**
 * Where each line comes from: own stock of the region first, the rest bought. A line is met whole or not at all, and
 * the demand of all lines of a SKU is summed before anything is decided; what is bought of all SKUs is chosen together,
 * since a supplier's freight is theirs together. Amounts are integer minor units, quantities stock units.
 */
import { convertUp, type ExchangeRate } from "./exchange.ts";
import { earliest, isoDate } from "./iso-date.ts";
import { formatMoney } from "./money.ts";
import { choosePurchases, coversOf, type Freight, type PartCovers, type Purchase } from "./purchase-choice.ts";
import type { PurchaseNeeds, SupplierOffer } from "./purchase-quote.ts";
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
  /** A date or an instant, for lines without one of their own; null: any date will do. */
  readonly neededBy: string | null;
  readonly currency: string;
  readonly stock: readonly StockFact[];
  readonly offers: readonly SupplierOffer[];
  /** The newest to this currency, one for each other one. */
  readonly rates: readonly ExchangeRate[];
}

/** One place that gives some of a part, before it is shared out to lines. */
interface Supply {
  readonly location?: string;
  readonly purchase?: Purchase;
  readonly quantity: number;
  /** Bought beyond `quantity` by MOQ and pack. */
  readonly surplus: number;
  readonly unitPrice: number;
  readonly availableOn: string;
  readonly reason: string;
}

type Covered = PartCovers & { ok: true };

/** How a SKU can be had: what stock gives, and the ways to buy the rest. */
interface Plan {
  readonly stock: readonly Supply[];
  readonly bought: Covered | null;
  /** No more than this is paid for it, however the purchases are chosen in the end. */
  readonly atMost: number;
}

type Planned = { readonly ok: true; readonly plan: Plan } | { readonly ok: false; readonly reason: string };

interface Priced {
  readonly orderQuantity: number;
  readonly unitPrice: number;
  readonly freight?: number | undefined;
  readonly terms?: { readonly amount: number } | null | undefined;
}

/** What an allocation costs: all that is taken or bought for it, and the freight that is booked on it, in minor units. */
export function allocationAmount({ orderQuantity, unitPrice, freight, terms }: Priced): number {
  return (terms?.amount ?? orderQuantity * unitPrice) + (freight ?? 0);
}

/** The sum over all allocations in minor units. */
export function totalOf(allocations: readonly Priced[]): number {
  return allocations.reduce((sum, allocation) => sum + allocationAmount(allocation), 0);
}

/**
 * Sources for every line: allocations in the order of the lines, and the lines that can't be met, with the reason.
 * Stock is priced at list price, purchases at the supplier's price for the quantity ordered, with freight.
 */
export function matchSources(lines: readonly ResolvedLine[], facts: SourcingFacts): Sources {
  const unresolved: Sources["unresolved"] = [];
  const stock = Map.groupBy(facts.stock, (place) => place.sku);
  const offers = Map.groupBy(facts.offers, (offer) => offer.sku);
  const met: { readonly lines: readonly ResolvedLine[]; readonly plan: Plan }[] = [];
  let atMost = 0;
  for (const [sku, wanted] of Map.groupBy(lines, (line) => line.sku)) {
    const planFor = (quantity: number) => planSku(wanted, quantity, facts, stock.get(sku) ?? [], offers.get(sku) ?? []);
    const own: ResolvedLine[] = [];
    let asked = 0;
    let plan: Plan | null = null;
    for (const line of wanted) {
      const next = line.currency === facts.currency ? planFor(asked + line.quantity) : foreign(line, facts);
      if (next.ok && Number.isSafeInteger(atMost + next.plan.atMost)) {
        plan = next.plan;
        asked += line.quantity;
        own.push(line);
      } else
        unresolved.push({ line: line.line, sku, reason: next.ok ? "The amount is too large to handle." : next.reason });
    }
    if (plan === null) continue;
    atMost += plan.atMost;
    met.push({ lines: own, plan });
  }
  const bought = met.flatMap(({ plan }) => plan.bought ?? []);
  const { purchases, freight } = choosePurchases(bought, { ...facts });
  const allocations = met.flatMap(({ lines: own, plan }) => {
    const chosen = plan.bought === null ? [] : (purchases[bought.indexOf(plan.bought)] ?? []);
    return shareOut(own, [...plan.stock, ...chosen.map(purchaseSupply)], facts.neededBy);
  });
  const byLine = (a: { line: number }, b: { line: number }) => a.line - b.line;
  const booked = bookFreight(allocations.sort(byLine), freight);
  return { allocations: booked, unresolved: unresolved.sort(byLine), total: totalOf(booked), currency: facts.currency };
}

function foreign(line: ResolvedLine, facts: SourcingFacts): Planned {
  return { ok: false, reason: `${line.sku} is priced in ${line.currency}, the request in ${facts.currency}.` };
}

/**
 * Sources for so many of one part, or why it can't be had. Nearest stock: in the region, the most available, then by
 * id. It is needed when the first of its lines needs it.
 */
function planSku(
  lines: readonly ResolvedLine[],
  quantity: number,
  facts: SourcingFacts,
  stock: readonly StockFact[],
  offers: readonly SupplierOffer[],
): Planned {
  const listPrice = lines[0]?.listPrice ?? 0;
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
  const fromStock = (quantity - missing) * listPrice;
  if (missing === 0) return { ok: true, plan: { stock: supplies, bought: null, atMost: fromStock } };
  const had = `${quantity} asked in all, ${quantity - missing} in stock in ${facts.region}`;
  if (lines.some((line) => line.discontinued === true))
    return { ok: false, reason: `${had}; for the rest nothing is bought: ${lines[0]?.sku} is discontinued.` };
  const needs: PurchaseNeeds = { ...facts, neededBy: earliest(lines, facts.neededBy) };
  const bought = coversOf(offers, missing, needs);
  if (!bought.ok) return { ok: false, reason: `${had}; for the rest ${bought.reason}.` };
  const [alone] = bought.covers;
  const purchase = (alone ?? []).reduce((sum, one) => sum + one.amount + one.ownFreight, 0);
  return { ok: true, plan: { stock: supplies, bought, atMost: fromStock + purchase } };
}

function stockSupply(place: StockFact, quantity: number, unitPrice: number, facts: SourcingFacts): Supply {
  const { location, available, region } = place;
  const price = `list price ${formatMoney(unitPrice, facts.currency)}`;
  const reason = `In stock at ${location}: ${quantity} of ${available} available in ${region}, at ${price}`;
  return { location, quantity, surplus: 0, unitPrice, availableOn: isoDate(facts.now), reason };
}

function purchaseSupply(purchase: Purchase): Supply {
  const { orderQuantity, quantity, rate, availableOn, reason } = purchase;
  const unitPrice = rate === null ? purchase.unitPrice : (convertUp(purchase.unitPrice, rate) ?? purchase.unitPrice);
  return { purchase, quantity, surplus: orderQuantity - quantity, unitPrice, availableOn, reason };
}

/** Gives the supplies to the lines in order; what is bought too much is booked on the last line of that purchase. */
function shareOut(lines: readonly ResolvedLine[], supplies: readonly Supply[], neededBy: string | null): Allocation[] {
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
      const orderQuantity = take + (last ? supply.surplus : 0);
      const due = line.neededBy ?? neededBy;
      allocations.push({
        line: line.line,
        sku: line.sku,
        quantity: take,
        orderQuantity,
        unitPrice: supply.unitPrice,
        availableOn: supply.availableOn,
        reason: supply.reason,
        ...(due === null ? {} : { neededBy: due }),
        ...sourceOf(supply, used, orderQuantity),
      });
      missing -= take;
      used = last ? 0 : used + take;
      if (last) index++;
    }
  }
  return allocations;
}

/** `before`: how many of the purchase earlier lines have; parts of an amount add up to the whole. */
function sourceOf({ location, purchase }: Supply, before: number, orderQuantity: number) {
  if (!purchase) return { source: "stock" as const, ...(location === undefined ? {} : { location }) };
  const { supplier, leadDays, rate, currency, unitPrice } = purchase;
  const of = { source: "purchase" as const, supplier, leadDays };
  if (rate === null) return of;
  const worth = (quantity: number) => convertUp(quantity * unitPrice, rate) ?? 0;
  const amount = worth(before + orderQuantity) - worth(before);
  return { ...of, terms: { currency, unitPrice, amount, freight: 0, rate: rate.billionths, asOf: rate.asOf } };
}

/** A supplier's freight is of its whole purchase order: it is booked once, on the supplier's first allocation. */
function bookFreight(allocations: readonly Allocation[], freight: ReadonlyMap<string, Freight>): Allocation[] {
  const open = new Map(freight);
  return allocations.map((one) => {
    const paid = one.supplier === undefined ? undefined : open.get(one.supplier);
    if (!paid || one.supplier === undefined) return one;
    open.delete(one.supplier);
    if (paid.own === 0) return one;
    return { ...one, freight: paid.amount, ...(one.terms ? { terms: { ...one.terms, freight: paid.own } } : {}) };
  });
}
