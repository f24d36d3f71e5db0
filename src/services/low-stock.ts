/** What every batch appends that changes on hand, reserved, incoming or a minimum: the mark of low stock and what it tells. */
import { markLow, stockBelowMinimum, type StockPlace } from "../db/queries/low-stock.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

/** `writes` come after all others of the batch. Nothing is written where nothing crosses. */
export function watchLow(
  deps: Pick<ServiceDeps, "clock" | "newId">,
  places: readonly StockPlace[],
): { writes: GuardedWrite[]; events: AnyEventDraft[] } {
  if (places.length === 0) return { writes: [], events: [] };
  const mark = deps.newId("lowMark");
  const at = isoNow(deps);
  const distinct = new Map(places.map((place) => [JSON.stringify([place.sku, place.location]), place]));
  const each = [...distinct.values()];
  return { writes: [markLow(mark, each)], events: [stockBelowMinimum(mark, each, at)] };
}
