/** Why a purchase goes where it goes, in words and figures: what it costs with freight, when it comes, who was next and why not. */
import { formatRate } from "./exchange.ts";
import { leadTimeInWords } from "./lead-time.ts";
import { formatMoney } from "./money.ts";
import type { Cover } from "./purchase-plan.ts";
import { breakAt, smallestOrder, type Quote } from "./purchase-quote.ts";

/** A reason stands in a request's context and in its order, a thousand times at most: bounded. */
const MAX_REASON = 600;
const MAX_NAMED = 2;

export interface ReasonFacts {
  /** The order's. */
  readonly currency: string;
  readonly freight: { readonly own: number; readonly goods: number; readonly lines: number } | undefined;
  /** The second best, and what more the whole order would cost with it. */
  readonly next: { readonly cover: Cover; readonly extra: number } | undefined;
  /** How many share the quantity. */
  readonly suppliers: number;
  /** When it is needed. */
  readonly day: string | undefined;
  /** The same day where nobody can meet it. */
  readonly missedDay: string | undefined;
  readonly tooLate: readonly Quote[];
  readonly leftOut: readonly string[];
}

export function reasonOf(one: Quote, facts: ReasonFacts): string {
  const words = [
    bought(one, facts),
    ...freight(one, facts),
    `available on ${one.availableOn} (${leadTimeInWords(one.lead)})`,
    ...punctuality(one, facts),
    ...(facts.suppliers > 1 ? [`no single supplier covers the quantity, ${facts.suppliers} share it`] : []),
    ...next(facts),
    ...tooLate(facts),
    ...(facts.leftOut.length > 0 ? [`not asked: ${named(facts.leftOut)}`] : []),
  ].join("; ");
  return words.length <= MAX_REASON ? words : `${words.slice(0, MAX_REASON - 1)}…`;
}

function bought(one: Quote, { currency }: ReasonFacts): string {
  const { offer, quantity, orderQuantity } = one;
  const rounding = orderQuantity > quantity ? ` (smallest order ${smallestOrder(offer)}, packs of ${offer.pack})` : "";
  const from = breakAt(offer, orderQuantity).minQuantity;
  const reached = from > 1 ? `, the price from ${from} on,` : "";
  const cost = `${formatMoney(one.unitPrice, offer.currency)}${reached} = ${formatMoney(one.goods, offer.currency)}`;
  const converted =
    one.rate === null
      ? ""
      : `, ${formatMoney(one.amount, currency)} at ${formatRate(one.rate)} of ${one.rate.asOf}, rounded up`;
  return `Bought from ${offer.supplier}: ${quantity} needed, ${orderQuantity} ordered${rounding} at ${cost}${converted}`;
}

function freight({ offer }: Quote, { freight: paid }: ReasonFacts): string[] {
  const { flat, freeFrom, perLine } = offer.freight;
  if (!paid || (flat === 0 && perLine === 0)) return [];
  const parts = paid.lines === 1 ? "this part" : `its ${paid.lines} parts`;
  const free = freeFrom === null ? "" : `, ${formatMoney(freeFrom, offer.currency)} would be free of the flat rate`;
  if (freeFrom !== null && paid.goods >= freeFrom)
    return [
      `freight ${formatMoney(paid.own, offer.currency)} for ${parts}, goods of ${formatMoney(paid.goods, offer.currency)} are above ${formatMoney(freeFrom, offer.currency)}`,
    ];
  return [`freight ${formatMoney(paid.own, offer.currency)} for ${parts}${free}`];
}

function punctuality(one: Quote, { day, missedDay }: ReasonFacts): string[] {
  if (missedDay !== undefined) {
    if (one.availableOn <= missedDay) return [`in time for ${missedDay}, but not all of it is`];
    return [`late for ${missedDay}: no supplier covers it in time, this is the earliest`];
  }
  return day === undefined ? [] : [`in time for ${day}`];
}

function next({ next: second, currency }: ReasonFacts): string[] {
  if (!second) return [];
  const who = second.cover.map((one) => one.offer.supplier).join(" and ");
  const cost = second.cover.reduce((sum, one) => sum + one.amount, 0);
  const last = second.cover.reduce((day, one) => (one.availableOn > day ? one.availableOn : day), "");
  const why =
    second.extra === 0
      ? "the order would cost the same"
      : `the order would cost ${formatMoney(second.extra, currency)} more`;
  return [`next ${who} ${formatMoney(cost, currency)} on ${last}, ${why}`];
}

function tooLate({ tooLate: quotes, currency }: ReasonFacts): string[] {
  if (quotes.length === 0) return [];
  const each = quotes.map((one) => `${one.offer.supplier} ${formatMoney(one.amount, currency)} on ${one.availableOn}`);
  return [`too late: ${named(each)}`];
}

function named(all: readonly string[]): string {
  const rest = all.length - MAX_NAMED;
  return `${all.slice(0, MAX_NAMED).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
