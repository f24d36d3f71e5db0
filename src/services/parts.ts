/** reserveParts: all places of an order or none; the refusal names the part that is short. */
import { RESERVATION_LIFE_MS } from "../config.ts";
import { reserve, shortages } from "../db/queries/order-stock.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import type { PlaceDemand } from "../domain/stock.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

/** The writes that reserve for an order, and the timer that gives the pieces back after 72 h. */
export function reserveParts(
  deps: ServiceDeps,
  order: { readonly id: string; readonly region: string },
  demand: readonly PlaceDemand[],
): { writes: GuardedWrite[]; events: AnyEventDraft[] } {
  if (demand.length === 0) return { writes: [], events: [] };
  const expires = deps.clock.now() + RESERVATION_LIFE_MS;
  return {
    writes: reserve(order.id, demand, new Date(expires).toISOString()),
    events: [
      {
        type: "ReservationDue",
        subject: `order/${order.id}`,
        region: order.region,
        sequence: 0,
        data: { order_id: order.id, timestamp: isoNow(deps) },
        notBefore: expires,
      },
    ],
  };
}

/** Why a reservation was refused, in words: which part, where, how many were wanted and how many are available. */
export async function explainShortage(deps: ServiceDeps, demand: readonly PlaceDemand[]): Promise<string> {
  const short = await shortages(deps.db, demand);
  if (short.length === 0) return "stock was taken by someone else in the same moment";
  return short.map((s) => `${s.sku} at ${s.location}: wanted ${s.wanted}, available ${s.available}`).join("; ");
}
