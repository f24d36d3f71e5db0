/** moveStock: the movement of an order, and its reverse. Bins are chosen here, by what lies in them now. */
import { inventoryUpdated } from "../db/queries/inventory.ts";
import { binsOf, linesInTransit, reverseShipment, ship, type Pick } from "../db/queries/order-stock.ts";
import type { OrderLineRow, OrderRow } from "../db/queries/orders.ts";
import type { StockChange } from "../db/queries/stock.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import { AppError } from "../domain/errors.ts";
import { pickBins, sumDemand, type PlaceDemand } from "../domain/stock.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

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

function boughtOf(lines: readonly OrderLineRow[]): { sku: string; quantity: number }[] {
  return lines
    .filter((line) => line.source === "purchase")
    .map((line) => ({ sku: line.sku, quantity: line.orderQuantity }));
}

interface Moves {
  readonly writes: GuardedWrite[];
  readonly events: AnyEventDraft[];
}

export async function moveStock(deps: ServiceDeps, order: OrderRow, lines: readonly OrderLineRow[]): Promise<Moves> {
  const demand = demandOf(lines);
  const at = isoNow(deps);
  const picks = await choosePicks(deps, demand);
  return {
    writes: ship({ orderId: order.id, destination: order.destination, demand, picks, bought: boughtOf(lines), at }),
    events: stockEvents(
      order,
      picks.map((pick) => ({ ...pick, quantity: -pick.quantity })),
      at,
    ),
  };
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
export async function reverseMove(deps: ServiceDeps, order: OrderRow, lines: readonly OrderLineRow[]): Promise<Moves> {
  const at = isoNow(deps);
  const shipped = (await linesInTransit(deps.db, order.id)).map((line) => ({
    ...line,
    movementId: deps.newId("movement"),
  }));
  return {
    writes: reverseShipment(order.id, order.destination, shipped, boughtOf(lines), at),
    events: stockEvents(order, shipped, at),
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
