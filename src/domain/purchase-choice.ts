/**
 * Which suppliers get how much of one part: the lowest landed cost at the quantity really ordered (MOQ, pack and price
 * break), among those that deliver in time. MOQ, pack and largest order of every offer are kept.
 */
import { isoDateAfter } from "./iso-date.ts";
import { formatMoney } from "./money.ts";

export interface SupplierOffer {
  readonly sku: string;
  readonly supplier: string;
  readonly active: boolean;
  readonly preferred: boolean;
  /** 1 best .. 5. */
  readonly creditRating: number;
  /** null: can't be ordered from by machine. */
  readonly url: string | null;
  /** Stock units in one order unit. */
  readonly pack: number;
  /** Stock units. */
  readonly moq: number;
  /** Stock units; null: no upper bound. */
  readonly maxOrderQuantity: number | null;
  readonly leadTimeDays: number;
  readonly currency: string;
  /** Minor units per stock unit, from `minQuantity` on. Below the smallest one there is no price. */
  readonly priceBreaks: readonly { readonly minQuantity: number; readonly unitPrice: number }[];
}

export interface Purchase {
  readonly supplier: string;
  /** What is needed of it. */
  readonly quantity: number;
  /** What must be bought: `quantity` rounded up to MOQ and pack. */
  readonly orderQuantity: number;
  readonly unitPrice: number;
  readonly availableOn: string;
  readonly reason: string;
}

export interface PurchaseNeeds {
  /** Ms since the epoch. */
  readonly now: number;
  readonly neededBy: string | null;
  readonly currency: string;
}

export type PurchaseChoice =
  | { readonly ok: true; readonly purchases: readonly Purchase[] }
  | { readonly ok: false; readonly reason: string };

interface Quote {
  readonly offer: SupplierOffer;
  readonly quantity: number;
  readonly orderQuantity: number;
  readonly unitPrice: number;
  readonly cost: number;
  readonly availableOn: string;
}

const roundUp = (quantity: number, pack: number) => Math.ceil(quantity / pack) * pack;

function smallestOrder(offer: SupplierOffer): number {
  const priced = Math.min(...offer.priceBreaks.map((one) => one.minQuantity));
  return roundUp(Math.max(offer.moq, priced), offer.pack);
}

/** The most that one order of this offer can bring; 0 when its own rules exclude each other. */
function largestOrder(offer: SupplierOffer): number {
  if (offer.maxOrderQuantity === null) return Number.MAX_SAFE_INTEGER;
  const largest = Math.floor(offer.maxOrderQuantity / offer.pack) * offer.pack;
  return largest >= smallestOrder(offer) ? largest : 0;
}

/** Minor units per stock unit when so many are ordered. */
function priceAt(offer: SupplierOffer, orderQuantity: number): number {
  const reached = offer.priceBreaks.filter((one) => one.minQuantity <= orderQuantity);
  const best = reached.reduce((a, b) => (b.minQuantity > a.minQuantity ? b : a));
  return best.unitPrice;
}

function quote(offer: SupplierOffer, quantity: number, now: number): Quote | null {
  const orderQuantity = Math.max(roundUp(quantity, offer.pack), smallestOrder(offer));
  if (orderQuantity > largestOrder(offer)) return null;
  const unitPrice = priceAt(offer, orderQuantity);
  const cost = orderQuantity * unitPrice;
  if (!Number.isSafeInteger(cost)) return null;
  return { offer, quantity, orderQuantity, unitPrice, cost, availableOn: isoDateAfter(now, offer.leadTimeDays) };
}

type Order = (a: Quote, b: Quote) => number;

const byStanding: Order = (a, b) =>
  Number(b.offer.preferred) - Number(a.offer.preferred) ||
  a.offer.creditRating - b.offer.creditRating ||
  a.offer.leadTimeDays - b.offer.leadTimeDays ||
  (a.offer.supplier < b.offer.supplier ? -1 : 1);
const byCost: Order = (a, b) => a.cost - b.cost || byStanding(a, b);
const byUnitPrice: Order = (a, b) => a.unitPrice - b.unitPrice || byStanding(a, b);
const earliestFirst =
  (then: Order): Order =>
  (a, b) =>
    a.offer.leadTimeDays - b.offer.leadTimeDays || then(a, b);

interface Chosen {
  readonly quote: Quote;
  readonly runnerUp: Quote | undefined;
}

/** One supplier for all of it, if one can; else the best one's largest order and so on with the rest. */
function cover(offers: readonly SupplierOffer[], quantity: number, now: number, late: boolean): Chosen[] | null {
  const chosen: Chosen[] = [];
  let left = [...offers];
  let missing = quantity;
  while (missing > 0) {
    const whole = quotes(left, () => missing, now).sort(late ? earliestFirst(byCost) : byCost);
    const parts = whole.length > 0 ? [] : quotes(left, (offer) => Math.min(missing, largestOrder(offer)), now);
    const ranked = whole.length > 0 ? whole : parts.sort(late ? earliestFirst(byUnitPrice) : byUnitPrice);
    const [best, runnerUp] = ranked;
    if (!best) return null;
    chosen.push({ quote: best, runnerUp: whole.length > 0 ? runnerUp : undefined });
    missing -= best.quantity;
    left = left.filter((offer) => offer !== best.offer);
  }
  return chosen;
}

function quotes(offers: readonly SupplierOffer[], quantity: (offer: SupplierOffer) => number, now: number): Quote[] {
  return offers.map((offer) => quote(offer, quantity(offer), now)).filter((one) => one !== null);
}

/**
 * Buys `quantity` of one part. On-time suppliers first, several of them if none alone can; only if they can't cover
 * it, the earliest of all, and the reason says that it is late. Ties: preferred, credit rating, lead time, id.
 */
export function chooseOffers(offers: readonly SupplierOffer[], quantity: number, needs: PurchaseNeeds): PurchaseChoice {
  const usable = offers.filter((offer) => unusable(offer, needs.currency) === null);
  if (usable.length === 0) return { ok: false, reason: noSupplier(offers, needs.currency) };
  const day = needs.neededBy?.slice(0, 10);
  const onTime = usable.filter((offer) => day === undefined || isoDateAfter(needs.now, offer.leadTimeDays) <= day);
  const punctual = cover(onTime, quantity, needs.now, false);
  const chosen = punctual ?? cover(usable, quantity, needs.now, true);
  if (!chosen) return { ok: false, reason: `the suppliers' largest orders don't cover ${quantity}` };
  return {
    ok: true,
    purchases: chosen.map(({ quote: one, runnerUp }) => ({
      supplier: one.offer.supplier,
      quantity: one.quantity,
      orderQuantity: one.orderQuantity,
      unitPrice: one.unitPrice,
      availableOn: one.availableOn,
      reason: reasonOf(one, runnerUp, chosen.length, punctual ? undefined : day),
    })),
  };
}

function unusable(offer: SupplierOffer, currency: string): string | null {
  if (!offer.active) return "is inactive";
  if (offer.url === null) return "has no address to order at";
  if (offer.currency !== currency) return `sells in ${offer.currency}`;
  if (offer.priceBreaks.length === 0) return "has no price";
  return largestOrder(offer) === 0 ? "has a largest order below its smallest" : null;
}

function noSupplier(offers: readonly SupplierOffer[], currency: string): string {
  if (offers.length === 0) return "no supplier offers it";
  const each = offers.map((offer) => `${offer.supplier} ${unusable(offer, currency) ?? ""}`).sort();
  return `no supplier can be ordered from: ${each.slice(0, 5).join(", ")}`;
}

function reasonOf(one: Quote, runnerUp: Quote | undefined, suppliers: number, missedDay: string | undefined): string {
  const { offer } = one;
  const rounding =
    one.orderQuantity > one.quantity ? ` (smallest order ${smallestOrder(offer)}, packs of ${offer.pack})` : "";
  const cost = `${formatMoney(one.unitPrice, offer.currency)} = ${formatMoney(one.cost, offer.currency)}`;
  const late = missedDay !== undefined && one.availableOn > missedDay;
  return [
    `Bought from ${offer.supplier}: ${one.quantity} needed, ${one.orderQuantity} ordered${rounding} at ${cost}`,
    `available on ${one.availableOn}`,
    ...(late ? [`late for ${missedDay}: no supplier covers it in time, this is the earliest`] : []),
    ...(suppliers > 1 ? [`no single supplier covers the quantity, ${suppliers} share it`] : []),
    ...(runnerUp
      ? [`next ${runnerUp.offer.supplier} ${formatMoney(runnerUp.cost, offer.currency)} on ${runnerUp.availableOn}`]
      : []),
  ].join("; ");
}
