/** What a buyer could buy together for requests that still wait: read from the primary, written nowhere. */
import { MAX_REQUEST_LINES, PROPOSAL_ALLOCATIONS, PROPOSAL_REQUESTS } from "../config.ts";
import { listWaitingPurchases, listWarehouseDevices, type WaitingRow } from "../db/queries/purchase-proposals.ts";
import { listOffers, listRates } from "../db/queries/sourcing.ts";
import { proposeBundles, type Bundle, type WaitingRequest } from "../domain/consolidation.ts";
import type { Principal } from "../domain/identity.ts";
import { isoDate } from "../domain/iso-date.ts";
import { allocationSchema } from "../domain/request-context.ts";
import type { DirectOrder } from "./direct-orders.ts";
import type { ServiceDeps } from "./deps.ts";

export interface PurchaseProposal extends Bundle {
  readonly region: string;
  readonly currency: string;
  /** What would buy it for a shelf of the region, as a direct order; null: the region has no warehouse, or an order can't have so many lines. */
  readonly order: DirectOrder | null;
}

export interface Proposals {
  readonly proposals: readonly PurchaseProposal[];
  /** How many waiting requests were looked at. */
  readonly requests: number;
  /** More wait than were looked at: the oldest were. */
  readonly more: boolean;
}

export async function proposePurchases(
  deps: Pick<ServiceDeps, "db" | "clock" | "sha256" | "supplierRules">,
  principal: Principal,
): Promise<Proposals> {
  const rows = await listWaitingPurchases(deps.db, {
    region: principal.region,
    requests: PROPOSAL_REQUESTS + 1,
    allocations: PROPOSAL_ALLOCATIONS,
  });
  const looked = rows.slice(0, PROPOSAL_REQUESTS).filter(({ allocations }) => allocations !== null);
  const devices = new Map((await listWarehouseDevices(deps.db)).map(({ id, region }) => [region, id]));
  const now = deps.clock.now();
  const rates = await ratesTo(deps, new Set(looked.map(({ currency }) => currency)), isoDate(now));
  const proposals: PurchaseProposal[] = [];
  for (const own of Map.groupBy(looked, (row) => JSON.stringify([row.region, row.currency])).values()) {
    const [{ region, currency } = { region: "", currency: "" }] = own;
    const requests = own.map(waiting).filter((one) => one.purchases.length > 0);
    const skus = requests.flatMap((one) => one.purchases.map(({ sku }) => sku));
    const offers = await listOffers(deps.db, skus, deps.supplierRules);
    for (const bundle of proposeBundles(requests, offers, { now, currency, rates: rates.get(currency) ?? [] })) {
      const device = devices.get(region);
      const fits = bundle.parts.length <= MAX_REQUEST_LINES;
      const order = device !== undefined && fits ? await orderOf(deps, bundle, device) : null;
      proposals.push({ ...bundle, region, currency, order });
    }
  }
  return { proposals, requests: looked.length, more: rows.length > looked.length };
}

/** Of the day, read once for each currency: they are the same in every region. */
async function ratesTo(deps: Pick<ServiceDeps, "db">, currencies: ReadonlySet<string>, day: string) {
  const read = [...currencies].map(async (to) => [to, await listRates(deps.db, to, day)] as const);
  return new Map(await Promise.all(read));
}

function waiting(row: WaitingRow): WaitingRequest {
  const allocations = allocationSchema.array().parse(JSON.parse(row.allocations ?? "[]"));
  const purchases = allocations.filter((one) => one.source === "purchase");
  return { id: row.id, requestNumber: row.request_number, destination: row.destination, purchases };
}

/** Its number is made of what it is for: acting on the same proposal twice is one order. */
async function orderOf(
  deps: Pick<ServiceDeps, "sha256">,
  { requests, parts }: Bundle,
  device: string,
): Promise<DirectOrder> {
  const bought = parts.map(({ sku, quantity }) => ({ sku, quantity }));
  const hash = await deps.sha256(JSON.stringify([device, requests.map(({ id }) => id).sort(), bought]));
  return {
    order_number: `bundle-${hash.slice(0, 16)}`,
    device_id: device,
    source: "purchase",
    lines: parts.map(({ sku, quantity, neededBy }) => {
      return { sku, quantity, ...(neededBy === null ? {} : { needed_by: neededBy }) };
    }),
  };
}
