/**
 * What one supplier asks for one part: the quantity really ordered (MOQ, pack), the price break reached there, the
 * amount in the order's currency, and when it arrives. An offer that can't be ordered from says why.
 */
import { convertUp, type ExchangeRate } from "./exchange.ts";
import { isoDateAfter } from "./iso-date.ts";
import { leadTimeOf, type LeadTime } from "./lead-time.ts";

/** What a supplier charges for bringing one purchase order, in minor units of its currency. */
export interface FreightTerms {
  readonly flat: number;
  /** Goods from which the flat freight isn't asked; null: it always is. */
  readonly freeFrom: number | null;
  /** For each part of the purchase order. */
  readonly perLine: number;
}

export interface SupplierOffer {
  readonly sku: string;
  readonly supplier: string;
  readonly active: boolean;
  readonly preferred: boolean;
  /** 1 best .. 5. */
  readonly creditRating: number;
  /** Why this deployment can't call the supplier, as a sentence that names it; null: it can. */
  readonly noAccess: string | null;
  /** Stock units in one order unit. */
  readonly pack: number;
  /** Stock units. */
  readonly moq: number;
  /** Stock units; null: no upper bound. */
  readonly maxOrderQuantity: number | null;
  /** As the supplier states it. */
  readonly leadTimeDays: number;
  /** Days from placed to received of the latest receipts. */
  readonly arrivals: readonly number[];
  readonly currency: string;
  /** In which the supplier takes orders and charges freight. */
  readonly supplierCurrency: string;
  readonly freight: FreightTerms;
  /** Minor units per stock unit, from `minQuantity` on. Below the smallest one there is no price. */
  readonly priceBreaks: readonly { readonly minQuantity: number; readonly unitPrice: number }[];
}

export interface PurchaseNeeds {
  /** Ms since the epoch. */
  readonly now: number;
  /** A date or an instant; null: any date will do. */
  readonly neededBy: string | null;
  /** The order's. */
  readonly currency: string;
  /** The newest to the order's currency, one for each other currency. */
  readonly rates: readonly ExchangeRate[];
}

export interface Quote {
  readonly offer: SupplierOffer;
  /** What is needed of it. */
  readonly quantity: number;
  /** What must be bought: `quantity` rounded up to MOQ and pack. */
  readonly orderQuantity: number;
  /** In the supplier's currency, as is `goods`, the price of all that is ordered. */
  readonly unitPrice: number;
  readonly goods: number;
  /** `goods` in the order's currency, rounded up. */
  readonly amount: number;
  /** Freight of a purchase order of this alone, in the order's currency. */
  readonly ownFreight: number;
  /** null: the supplier sells in the order's currency. */
  readonly rate: ExchangeRate | null;
  readonly lead: LeadTime;
  readonly availableOn: string;
}

/**
 * No single purchase of one part may cost more: an order has at most 1,000 lines, so that every sum of such amounts is
 * a whole number that can be counted exactly.
 */
export const MAX_PURCHASE = Math.floor(Number.MAX_SAFE_INTEGER / 4_000);

const roundUp = (quantity: number, pack: number) => Math.ceil(quantity / pack) * pack;

export function smallestOrder(offer: SupplierOffer): number {
  const priced = Math.min(...offer.priceBreaks.map((one) => one.minQuantity));
  return roundUp(Math.max(offer.moq, priced), offer.pack);
}

/** The most that one order of this offer can bring; 0 when its own rules exclude each other. */
export function largestOrder(offer: SupplierOffer): number {
  if (offer.maxOrderQuantity === null) return Number.MAX_SAFE_INTEGER;
  const largest = Math.floor(offer.maxOrderQuantity / offer.pack) * offer.pack;
  return largest >= smallestOrder(offer) ? largest : 0;
}

/** The break reached when so many are ordered; minor units per stock unit. */
export function breakAt(offer: SupplierOffer, orderQuantity: number): { minQuantity: number; unitPrice: number } {
  const reached = offer.priceBreaks.filter((one) => one.minQuantity <= orderQuantity);
  return reached.reduce((a, b) => (b.minQuantity > a.minQuantity ? b : a));
}

/** Freight of one purchase order, in the supplier's currency. `lines`: its parts. */
export function freightOf(terms: FreightTerms, goods: number, lines: number): number {
  if (lines === 0) return 0;
  const free = terms.freeFrom !== null && goods >= terms.freeFrom;
  return (free ? 0 : terms.flat) + lines * terms.perLine;
}

export function rateOf(currency: string, needs: PurchaseNeeds): ExchangeRate | null {
  return needs.rates.find((rate) => rate.from === currency && rate.to === needs.currency) ?? null;
}

/** Null where the offer doesn't sell so many, or the amount can't be handled. */
export function quote(offer: SupplierOffer, quantity: number, needs: PurchaseNeeds): Quote | null {
  const orderQuantity = Math.max(roundUp(quantity, offer.pack), smallestOrder(offer));
  if (orderQuantity > largestOrder(offer)) return null;
  const { unitPrice } = breakAt(offer, orderQuantity);
  const goods = orderQuantity * unitPrice;
  const rate = rateOf(offer.currency, needs);
  const inOrder = (own: number) => (rate === null ? own : convertUp(own, rate));
  const freight = freightOf(offer.freight, goods, 1);
  const amount = goods <= MAX_PURCHASE ? inOrder(goods) : null;
  const ownFreight = freight <= MAX_PURCHASE ? inOrder(freight) : null;
  if (amount === null || ownFreight === null || amount > MAX_PURCHASE || ownFreight > MAX_PURCHASE) return null;
  const lead = leadTimeOf(offer.leadTimeDays, offer.arrivals);
  const availableOn = isoDateAfter(needs.now, lead.days);
  return { offer, quantity, orderQuantity, unitPrice, goods, amount, ownFreight, rate, lead, availableOn };
}

/** Why nothing can be ordered by this offer, as a sentence that names the supplier, or null. */
export function unusable(offer: SupplierOffer, needs: PurchaseNeeds): string | null {
  const { supplier, currency } = offer;
  if (!offer.active) return `${supplier} is inactive`;
  if (offer.noAccess !== null) return offer.noAccess;
  if (currency !== offer.supplierCurrency)
    return `${supplier} sells this in ${currency} but takes orders in ${offer.supplierCurrency}`;
  if (currency !== needs.currency && rateOf(currency, needs) === null)
    return `${supplier} sells in ${currency}, for which there is no rate to ${needs.currency}`;
  if (offer.priceBreaks.length === 0) return `${supplier} has no price`;
  return largestOrder(offer) === 0 ? `${supplier} has a largest order below its smallest` : null;
}
