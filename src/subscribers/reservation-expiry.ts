/** Gives back what an order reserved and didn't use in time. Who uses a reservation later asserts that it is still open. */
import { dueReservations, release } from "../db/queries/order-stock.ts";
import { isoNow, type ServiceDeps } from "../services/deps.ts";
import { watchLow } from "../services/low-stock.ts";
import { staleParts } from "../services/stale-parts.ts";
import { commitEffect, markDone, type Delivery } from "./delivery.ts";

export async function expireReservation(deps: ServiceDeps, delivery: Delivery): Promise<void> {
  if (delivery.message.type !== "ReservationDue") return markDone(deps, delivery);
  const { order_id: orderId } = delivery.message.data;
  const due = await dueReservations(deps.db, orderId, isoNow(deps));
  if (due.length === 0) return markDone(deps, delivery);
  const { region } = delivery;
  const low = watchLow(deps, region === null ? [] : due.map((place) => ({ ...place, region })));
  await commitEffect(deps, delivery, {
    writes: [...release(orderId, "expired", isoNow(deps)), ...low.writes],
    events: [...low.events, ...staleParts(deps, `order/${orderId}`, due)],
    audit: [
      {
        actor: { id: "reservation-expiry", kind: "rule" },
        action: "reservation.expired",
        subject: `order/${orderId}`,
        reason: "what was still reserved was given back",
      },
    ],
  });
}
