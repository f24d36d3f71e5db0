/**
 * What waiting requests would cost if what they buy were bought together: a proposal to a person, with exact figures. It
 * only compares: what each request was priced at, against one purchase of the same quantities at today's offers. Amounts
 * are minor units of the requests' currency.
 */
import { convertUp } from "./exchange.ts";
import { earliest, isoDate } from "./iso-date.ts";
import { choosePurchases, coversOf, type PartCovers, type Purchase } from "./purchase-choice.ts";
import { breakAt, type PurchaseNeeds, type SupplierOffer } from "./purchase-quote.ts";
import type { Allocation } from "./request-context.ts";
import { allocationAmount } from "./sourcing.ts";

/** A request that waits for its approval, with what it would buy. All of one region and currency. */
export interface WaitingRequest {
  readonly id: string;
  readonly requestNumber: string;
  readonly destination: string;
  /** The purchases among its allocations, at least one. */
  readonly purchases: readonly Allocation[];
}

export interface Figures {
  readonly orderQuantity: number;
  /** Bought beyond what is needed, by MOQ and pack. */
  readonly waste: number;
  /** Goods, without freight. */
  readonly amount: number;
}

export interface BundledPart {
  readonly sku: string;
  readonly quantity: number;
  /** The earliest day on which any of it is needed, today if that is over: what it is priced for. */
  readonly neededBy: string | null;
  readonly requests: readonly string[];
  readonly separately: Figures;
  readonly together: Figures;
  readonly purchases: readonly (Purchase & { readonly priceFrom: number })[];
}

export interface Bundle {
  readonly requests: readonly WaitingRequest[];
  /** The earliest day on which any of it is needed. */
  readonly neededBy: string | null;
  readonly parts: readonly BundledPart[];
  readonly freight: {
    readonly separately: number;
    readonly together: number;
    readonly bySupplier: readonly { readonly supplier: string; readonly amount: number }[];
  };
  /** Goods and freight. */
  readonly separately: number;
  readonly together: number;
  readonly saved: number;
}

/** The bundles that save money, the most first. Requests are together when they share a supplier or a part. */
export function proposeBundles(
  requests: readonly WaitingRequest[],
  offers: readonly SupplierOffer[],
  needs: Omit<PurchaseNeeds, "neededBy">,
): Bundle[] {
  const bySku = Map.groupBy(offers, (offer) => offer.sku);
  return groupsOf(requests)
    .filter((group) => group.length > 1)
    .map((group) => bundleOf(group, bySku, needs))
    .filter((bundle) => bundle !== null)
    .sort((a, b) => b.saved - a.saved || ((a.requests[0]?.id ?? "") < (b.requests[0]?.id ?? "") ? -1 : 1));
}

/** Connected by what they share, directly or over others; in the order given. */
function groupsOf(requests: readonly WaitingRequest[]): WaitingRequest[][] {
  let groups: { readonly keys: ReadonlySet<string>; readonly members: readonly WaitingRequest[] }[] = [];
  for (const request of requests) {
    const keys = new Set(request.purchases.flatMap(({ sku, supplier }) => [`part ${sku}`, `supplier ${supplier}`]));
    const joined = groups.filter((group) => !group.keys.isDisjointFrom(keys));
    const apart = groups.filter((group) => group.keys.isDisjointFrom(keys));
    const all = joined.reduce<ReadonlySet<string>>((union, group) => union.union(group.keys), keys);
    groups = [...apart, { keys: all, members: [...joined.flatMap((group) => group.members), request] }];
  }
  return groups.map(({ members }) => requests.filter((one) => members.includes(one)));
}

interface Wanted {
  readonly sku: string;
  readonly own: readonly (Allocation & { readonly requestId: string })[];
  readonly neededBy: string | null;
  readonly offers: readonly SupplierOffer[];
  readonly covers: PartCovers & { ok: true };
}

function bundleOf(
  requests: readonly WaitingRequest[],
  bySku: ReadonlyMap<string, readonly SupplierOffer[]>,
  needs: Omit<PurchaseNeeds, "neededBy">,
): Bundle | null {
  const all = requests.flatMap((request) => request.purchases.map((one) => ({ ...one, requestId: request.id })));
  const wanted: Wanted[] = [];
  for (const [sku, own] of Map.groupBy(all, (one) => one.sku)) {
    const offers = bySku.get(sku) ?? [];
    const neededBy = dayOf(earliest(own), needs.now);
    const covers = coversOf(
      offers,
      sum(own, (one) => one.quantity),
      { ...needs, neededBy },
    );
    // Beyond the suppliers' largest orders, or no longer to be had: nothing to propose for these together.
    if (!covers.ok) return null;
    wanted.push({ sku, own, neededBy, offers, covers });
  }
  const chosen = choosePurchases(
    wanted.map(({ covers }) => covers),
    { ...needs, neededBy: null },
  );
  const parts = wanted.map((one, at) => partOf(one, chosen.purchases[at] ?? []));
  const bySupplier = [...chosen.freight].map(([supplier, { amount }]) => ({ supplier, amount }));
  const freight = {
    separately: sum(all, (one) => one.freight ?? 0),
    together: sum(bySupplier, ({ amount }) => amount),
    bySupplier: bySupplier.sort((a, b) => (a.supplier < b.supplier ? -1 : 1)),
  };
  const separately = sum(all, allocationAmount);
  const together = sum(parts, (part) => part.together.amount) + freight.together;
  if (together >= separately) return null;
  return { requests, neededBy: earliest(all), parts, freight, separately, together, saved: separately - together };
}

function partOf({ sku, own, neededBy, offers }: Wanted, purchases: readonly Purchase[]): BundledPart {
  const quantity = sum(own, (one) => one.quantity);
  const figures = (orderQuantity: number, amount: number): Figures => {
    return { orderQuantity, waste: orderQuantity - quantity, amount };
  };
  const worth = ({ orderQuantity, unitPrice, rate }: Purchase) =>
    rate === null ? orderQuantity * unitPrice : (convertUp(orderQuantity * unitPrice, rate) ?? Number.MAX_SAFE_INTEGER);
  const goods = (one: Allocation) => allocationAmount({ ...one, freight: 0 });
  return {
    sku,
    quantity,
    neededBy,
    requests: [...new Set(own.map((one) => one.requestId))],
    separately: figures(
      sum(own, (one) => one.orderQuantity),
      sum(own, goods),
    ),
    together: figures(
      sum(purchases, (one) => one.orderQuantity),
      sum(purchases, worth),
    ),
    purchases: purchases.map((one) => {
      const offer = offers.find(({ supplier }) => supplier === one.supplier);
      return { ...one, priceFrom: offer ? breakAt(offer, one.orderQuantity).minQuantity : 1 };
    }),
  };
}

function dayOf(neededBy: string | null, now: number): string | null {
  const [day, today] = [neededBy?.slice(0, 10) ?? null, isoDate(now)];
  return day !== null && day < today ? today : day;
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}
