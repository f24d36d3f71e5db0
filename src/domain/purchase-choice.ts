/**
 * Which suppliers get how much of each part of an order: the lowest landed cost of the whole order among those that
 * deliver in time. MOQ, pack, largest order, currency and needed-by date of every part are kept, and each choice says in
 * words and figures why.
 */
import { convertUp, type ExchangeRate } from "./exchange.ts";
import { isoDateAfter } from "./iso-date.ts";
import { leadTimeOf } from "./lead-time.ts";
import { planPurchases, type Cover, type FreightOf } from "./purchase-plan.ts";
import {
  freightOf,
  largestOrder,
  quote,
  rateOf,
  smallestOrder,
  unusable,
  type PurchaseNeeds,
  type Quote,
  type SupplierOffer,
} from "./purchase-quote.ts";
import { reasonOf } from "./purchase-reason.ts";

export interface Purchase {
  readonly supplier: string;
  /** What is needed of it. */
  readonly quantity: number;
  /** What must be bought: `quantity` rounded up to MOQ and pack. */
  readonly orderQuantity: number;
  /** Minor units of the supplier's currency per stock unit. */
  readonly unitPrice: number;
  readonly currency: string;
  /** To the order's currency; null: it is the same. */
  readonly rate: ExchangeRate | null;
  readonly leadDays: number;
  readonly availableOn: string;
  readonly reason: string;
}

/** The ways to get one part, or why there is none. */
export type PartCovers =
  | {
      readonly ok: true;
      /** The best by itself first. */
      readonly covers: readonly Cover[];
      /** The day that nobody can meet. */
      readonly missedDay: string | undefined;
      readonly day: string | undefined;
      /** What those ask who would be late, the cheapest first. */
      readonly tooLate: readonly Quote[];
      readonly leftOut: readonly string[];
    }
  | { readonly ok: false; readonly reason: string };

type Covered = PartCovers & { ok: true };

type Order = (a: Quote, b: Quote) => number;

const landed = (one: Quote) => one.amount + one.ownFreight;
const byStanding: Order = (a, b) =>
  Number(b.offer.preferred) - Number(a.offer.preferred) ||
  a.offer.creditRating - b.offer.creditRating ||
  a.lead.days - b.lead.days ||
  (a.offer.supplier < b.offer.supplier ? -1 : 1);
const byLanded: Order = (a, b) => landed(a) - landed(b) || byStanding(a, b);
const byUnit: Order = (a, b) => a.amount / a.orderQuantity - b.amount / b.orderQuantity || byStanding(a, b);
const earliestFirst =
  (then: Order): Order =>
  (a, b) =>
    a.lead.days - b.lead.days || then(a, b);

function quotes(
  offers: readonly SupplierOffer[],
  quantity: (offer: SupplierOffer) => number,
  needs: PurchaseNeeds,
): Quote[] {
  return offers.map((offer) => quote(offer, quantity(offer), needs)).filter((one) => one !== null);
}

/** The best one's largest order and so on with the rest; `first` begins where it is given. */
function split(
  offers: readonly SupplierOffer[],
  quantity: number,
  needs: PurchaseNeeds,
  how: { readonly late: boolean; readonly first?: SupplierOffer },
): Cover | null {
  const chosen: Quote[] = [];
  let left = [...offers];
  let missing = quantity;
  while (missing > 0) {
    const forced = chosen.length === 0 ? how.first : undefined;
    const whole = forced ? [] : quotes(left, () => missing, needs);
    const some = (offer: SupplierOffer) => Math.min(missing, largestOrder(offer));
    const pool = whole.length > 0 ? whole : quotes(forced ? [forced] : left, some, needs);
    const order = whole.length > 0 ? byLanded : byUnit;
    const [best] = pool.sort(how.late ? earliestFirst(order) : order);
    if (!best) return null;
    chosen.push(best);
    missing -= best.quantity;
    left = left.filter((offer) => offer !== best.offer);
  }
  return chosen;
}

/** One supplier for all of it, if one can; else several. Where all are late only the earliest count. */
function waysToCover(
  offers: readonly SupplierOffer[],
  quantity: number,
  needs: PurchaseNeeds,
  late: boolean,
): readonly Cover[] {
  const whole = quotes(offers, () => quantity, needs).sort(late ? earliestFirst(byLanded) : byLanded);
  const [best] = whole;
  if (best) return whole.filter((one) => !late || one.lead.days === best.lead.days).map((one) => [one]);
  const sum = (cover: Cover) => cover.reduce((total, one) => total + landed(one), 0);
  const starts = late ? [{ late }] : offers.map((first) => ({ late, first }));
  const splits = starts.map((how) => split(offers, quantity, needs, how)).filter((cover) => cover !== null);
  const named = splits.map(
    (cover) => [cover.map((one) => `${one.offer.supplier}:${one.quantity}`).join(), cover] as const,
  );
  return [...new Map(named)]
    .sort(([a, x], [b, y]) => sum(x) - sum(y) || x.length - y.length || (a < b ? -1 : 1))
    .map(([, cover]) => cover);
}

/** How `quantity` of one part can be bought: in time if anyone can, else by the earliest. */
export function coversOf(offers: readonly SupplierOffer[], quantity: number, needs: PurchaseNeeds): PartCovers {
  const ordered = offers.toSorted((a, b) => (a.supplier < b.supplier ? -1 : 1));
  const usable = ordered.filter((offer) => unusable(offer, needs) === null);
  const leftOut = ordered.flatMap((offer) => unusable(offer, needs) ?? []);
  if (usable.length === 0) return { ok: false, reason: noSupplier(leftOut) };
  const day = needs.neededBy?.slice(0, 10);
  const arrives = (offer: SupplierOffer) =>
    isoDateAfter(needs.now, leadTimeOf(offer.leadTimeDays, offer.arrivals).days);
  const punctual = usable.filter((offer) => day === undefined || arrives(offer) <= day);
  const inTime = waysToCover(punctual, quantity, needs, false);
  if (inTime.length > 0) {
    const rest = usable.filter((offer) => !punctual.includes(offer));
    const tooLate = quotes(rest, () => quantity, needs).sort(byLanded);
    return { ok: true, covers: inTime, missedDay: undefined, day, tooLate, leftOut };
  }
  const covers = waysToCover(usable, quantity, needs, true);
  if (covers.length === 0) return { ok: false, reason: tooMuch(usable, quantity) };
  return { ok: true, covers, missedDay: day, day, tooLate: [], leftOut };
}

function noSupplier(leftOut: readonly string[]): string {
  if (leftOut.length === 0) return "no supplier offers it";
  return `no supplier can be ordered from: ${leftOut.slice(0, 5).join(", ")}`;
}

function tooMuch(offers: readonly SupplierOffer[], quantity: number): string {
  if (offers.some((offer) => largestOrder(offer) >= Math.max(quantity, smallestOrder(offer))))
    return "the amount is too large to handle";
  const each = offers.map((offer) => `${offer.supplier} ${largestOrder(offer)}`);
  return `the suppliers' largest orders don't cover ${quantity}: ${each.slice(0, 5).join(", ")}`;
}

/** Freight of a supplier's one purchase order. */
export interface Freight {
  /** In the supplier's currency. */
  readonly own: number;
  /** In the order's currency, rounded up. */
  readonly amount: number;
  readonly goods: number;
  readonly lines: number;
}

export interface Chosen {
  /** For each part, in the order given: from one supplier, or from several. */
  readonly purchases: readonly (readonly Purchase[])[];
  readonly freight: ReadonlyMap<string, Freight>;
}

/** Chooses for all parts of an order together. */
export function choosePurchases(parts: readonly Covered[], needs: PurchaseNeeds): Chosen {
  const byCovers = new Map<string, SupplierOffer>();
  for (const { offer } of parts.flatMap((part) => part.covers.flat())) byCovers.set(offer.supplier, offer);
  const freight: FreightOf = (supplier, goods, lines) => freightAt(byCovers.get(supplier), goods, lines, needs).amount;
  const plan = planPurchases(
    parts.map((part) => part.covers),
    freight,
  );
  const covers = parts.map((part, at) => part.covers[plan.choice[at] ?? 0] ?? []);
  const baskets = Map.groupBy(covers.flat(), (one) => one.offer.supplier);
  const freights = new Map(
    [...baskets].map(([supplier, own]) => {
      const goods = own.reduce((sum, one) => sum + one.goods, 0);
      return [supplier, freightAt(byCovers.get(supplier), goods, own.length, needs)] as const;
    }),
  );
  const purchases = covers.map((cover, at) => {
    const part = parts[at];
    const [second] = plan.others[at] ?? [];
    const next = second && part?.covers[second.cover];
    return cover.map((one) =>
      purchaseOf(
        one,
        reasonOf(one, {
          currency: needs.currency,
          freight: freights.get(one.offer.supplier),
          next: next && second ? { cover: next, extra: second.total - plan.total } : undefined,
          suppliers: cover.length,
          day: part?.day,
          missedDay: part?.missedDay,
          tooLate: part?.tooLate ?? [],
          leftOut: part?.leftOut ?? [],
        }),
      ),
    );
  });
  return { purchases, freight: freights };
}

function freightAt(offer: SupplierOffer | undefined, goods: number, lines: number, needs: PurchaseNeeds): Freight {
  const own = offer ? freightOf(offer.freight, goods, lines) : 0;
  const rate = offer ? rateOf(offer.currency, needs) : null;
  // A quote's own freight was counted exactly, and this is at most so many of them.
  const amount = rate === null ? own : (convertUp(own, rate) ?? Number.MAX_SAFE_INTEGER);
  return { own, amount, goods, lines };
}

function purchaseOf(one: Quote, reason: string): Purchase {
  const { offer, quantity, orderQuantity, unitPrice, rate, lead, availableOn } = one;
  return {
    supplier: offer.supplier,
    quantity,
    orderQuantity,
    unitPrice,
    currency: offer.currency,
    rate,
    leadDays: lead.days,
    availableOn,
    reason,
  };
}
