/** moveStock: the movement of an order, and its reverse. Bins are chosen here, by what lies in them now. */
import { inventoryUpdated } from "../db/queries/inventory.ts";
import type { Pick } from "../db/queries/departures.ts";
import { binsOf, linesInTransit, reverseShipment, ship } from "../db/queries/order-stock.ts";
import { purchaseLinesOf, type PurchaseLine } from "../db/queries/order-purchases.ts";
import type { OrderLineRow, OrderRow } from "../db/queries/orders.ts";
import { totals } from "../db/queries/place-counters.ts";
import type { StockChange } from "../db/queries/stock.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import { AppError } from "../domain/errors.ts";
import { pickBins, sumDemand, type PlaceDemand } from "../domain/stock.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import { watchLow } from "./low-stock.ts";
import { staleParts } from "./stale-parts.ts";
import { transferShipped } from "./transfer-events.ts";

/** What an order takes from stock, summed per place. */
export function demandOf(lines: readonly OrderLineRow[]): PlaceDemand[] {
  return sumDemand(
    lines.flatMap((line) =>
      line.source !== "purchase" && line.location !== null
        ? [{ sku: line.sku, location: line.location, quantity: line.quantity }]
        : [],
    ),
  );
}

/** What is still to come: of a purchase that waited for a person something may have been received. */
function openOf(lines: readonly PurchaseLine[]): { sku: string; quantity: number }[] {
  return lines.filter(({ open }) => open > 0).map(({ sku, open: quantity }) => ({ sku, quantity }));
}

interface Moves {
  readonly writes: GuardedWrite[];
  readonly events: AnyEventDraft[];
}

export async function moveStock(deps: ServiceDeps, order: OrderRow, lines: readonly OrderLineRow[]): Promise<Moves> {
  const demand = demandOf(lines);
  const at = isoNow(deps);
  const picks = await choosePicks(deps, demand);
  const purchases = lines.some(({ source }) => source === "purchase") ? await purchaseLinesOf(deps.db, order.id) : [];
  const bought = openOf(purchases.filter(({ status }) => status === "placed"));
  const low = watchLow(deps, placesOf(order, bought));
  const left = picks.map((pick) => ({ ...pick, quantity: -pick.quantity }));
  return {
    writes: [...ship({ orderId: order.id, destination: order.destination, demand, picks, bought, at }), ...low.writes],
    events: [
      ...transfersShipped(order, picks, at),
      ...stockEvents(order, left, at),
      ...staleParts(deps, `order/${order.id}`, bought),
      ...low.events,
    ],
  };
}

/** The order's own place, for each of the parts. */
function placesOf(order: OrderRow, parts: readonly { readonly sku: string }[]) {
  return parts.map(({ sku }) => ({ sku, location: order.destination, region: order.region }));
}

function transfersShipped(order: OrderRow, picks: readonly Pick[], at: string): AnyEventDraft[] {
  return [...Map.groupBy(picks, (pick) => pick.transferId)].map(([id, own]) => {
    const from = own[0]?.location ?? "";
    const transfer = { id, orderId: order.id, from, to: order.destination, region: order.region };
    return transferShipped(transfer, totals(own), at);
  });
}

async function choosePicks(deps: ServiceDeps, demand: readonly PlaceDemand[]): Promise<Pick[]> {
  if (demand.length === 0) return [];
  const bins = await binsOf(deps.db, demand);
  const transferIds = new Map<string, string>();
  return demand.flatMap((place) => {
    const here = bins.filter((bin) => bin.sku === place.sku && bin.location === place.location);
    const picks = pickBins(here, place.quantity);
    if (!picks) {
      throw new AppError("CONFLICT", `the bins of ${place.sku} at ${place.location} hold less than is reserved`, {
        retryable: true,
      });
    }
    const transferId = transferIds.get(place.location) ?? deps.newId("transfer");
    transferIds.set(place.location, transferId);
    return picks.map((pick) => ({
      sku: place.sku,
      location: place.location,
      bin: pick.bin,
      quantity: pick.quantity,
      movementId: deps.newId("movement"),
      transferId,
    }));
  });
}

/** Puts back what is on its way. Nothing on its way and nothing bought: nothing to write. */
export async function reverseMove(deps: ServiceDeps, order: OrderRow): Promise<Moves> {
  const at = isoNow(deps);
  const shipped = (await linesInTransit(deps.db, order.id)).map((line) => ({
    ...line,
    movementId: deps.newId("movement"),
  }));
  const counted = (await purchaseLinesOf(deps.db, order.id)).filter(({ incomingAt }) => incomingAt !== null);
  const bought = openOf(counted);
  const back = shipped.map((line) => ({ ...line, region: order.region }));
  const low = watchLow(deps, [...back, ...placesOf(order, bought)]);
  return {
    writes: [...reverseShipment(order.id, order.destination, shipped, bought, at), ...low.writes],
    events: [...stockEvents(order, shipped, at), ...staleParts(deps, `order/${order.id}`, bought), ...low.events],
  };
}

function stockEvents(
  order: OrderRow,
  moves: readonly { sku: string; location: string; bin: string; quantity: number; movementId: string }[],
  at: string,
): AnyEventDraft[] {
  return moves.map((move) => {
    const change: StockChange = { ...move, kind: "ship", source: `order/${order.id}`, at };
    return inventoryUpdated(change, order.region);
  });
}
