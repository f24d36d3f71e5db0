/** reserveParts: all places of an order or none; the refusal names the part that is short. */
import { RESERVATION_LIFE_MS, RESERVATION_TIMER_MS } from "../config.ts";
import { release, reserve, shortages } from "../db/queries/order-stock.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import type { PlaceDemand } from "../domain/stock.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import { watchLow } from "./low-stock.ts";
import { staleParts } from "./stale-parts.ts";

/** The writes that reserve for an order, and the timer that gives the pieces back after 72 h. */
export function reserveParts(
  deps: ServiceDeps,
  order: { readonly id: string; readonly region: string },
  demand: readonly PlaceDemand[],
): { writes: GuardedWrite[]; events: AnyEventDraft[] } {
  if (demand.length === 0) return { writes: [], events: [] };
  const expires = deps.clock.now() + RESERVATION_LIFE_MS;
  const low = watchLow(
    deps,
    demand.map((place) => ({ ...place, region: order.region })),
  );
  return {
    writes: [...reserve(order.id, demand, new Date(expires).toISOString()), ...low.writes],
    events: [
      ...low.events,
      ...staleParts(deps, `order/${order.id}`, demand),
      {
        type: "ReservationDue",
        subject: `order/${order.id}`,
        region: order.region,
        sequence: 0,
        data: { order_id: order.id, timestamp: isoNow(deps) },
        notBefore: expires + RESERVATION_TIMER_MS,
      },
    ],
  };
}

/** The writes that give back what of the order is still reserved, if anything is. `demand`: all that it may have reserved. */
export function releaseParts(
  deps: ServiceDeps,
  order: { readonly id: string; readonly region: string },
  demand: readonly PlaceDemand[],
): { writes: GuardedWrite[]; events: AnyEventDraft[] } {
  const low = watchLow(
    deps,
    demand.map((place) => ({ ...place, region: order.region })),
  );
  return {
    writes: [...release(order.id, "released"), ...low.writes],
    events: [...low.events, ...staleParts(deps, `order/${order.id}`, demand)],
  };
}

/** Why a reservation was refused, in words: which part, where, how many were wanted and how many are available. */
export async function explainShortage(deps: ServiceDeps, demand: readonly PlaceDemand[]): Promise<string> {
  const short = await shortages(deps.db, demand);
  if (short.length === 0) return "stock was taken by someone else in the same moment";
  return short.map((s) => `${s.sku} at ${s.location}: wanted ${s.wanted}, available ${s.available}`).join("; ");
}
