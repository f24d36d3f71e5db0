/** What every receipt does to stock, whatever it receives: on hand, in its bin, with movements, events and the watch on low stock. */
import { inventoryUpdated } from "../db/queries/inventory.ts";
import { totals } from "../db/queries/place-counters.ts";
import { receive, type Receipt } from "../db/queries/receipts.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import type { ServiceDeps } from "./deps.ts";
import { watchLow } from "./low-stock.ts";

/** `context.region`: of the place that receives. */
export function receiptWork(
  deps: ServiceDeps,
  context: { readonly region: string },
  receipt: Receipt,
): { writes: GuardedWrite[]; events: AnyEventDraft[] } {
  const { location, bin, source, at, lines, counter } = receipt;
  const { region } = context;
  const arrivals = totals(lines.map(({ sku, received: quantity }) => ({ sku, quantity }))).map((one) => ({
    ...one,
    movementId: deps.newId("movement"),
  }));
  const skus = [...new Set(lines.map((line) => line.sku))];
  const places = [...new Set([location, counter?.location ?? location])];
  const low = watchLow(
    deps,
    places.flatMap((place) => skus.map((sku) => ({ sku, location: place, region }))),
  );
  return {
    writes: [...receive(receipt, arrivals), ...low.writes],
    events: [
      ...arrivals.map((one) => inventoryUpdated({ ...one, location, bin, kind: "receipt", source, at }, region)),
      ...low.events,
    ],
  };
}
