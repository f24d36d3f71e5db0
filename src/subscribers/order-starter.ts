/** Starts the saga of a placed order. Idempotent by order id: a second start finds the journal. */
import type { ServiceDeps } from "../services/deps.ts";
import { markDone, type Delivery } from "./delivery.ts";

export interface OrderStarterDeps extends ServiceDeps {
  /** Returns once the saga's first intent is durable. */
  readonly startSaga: (orderId: string, traceparent: string) => Promise<void>;
}

export async function startOrder(deps: OrderStarterDeps, delivery: Delivery): Promise<void> {
  if (delivery.message.type === "OrderPlaced") {
    await deps.startSaga(delivery.message.data.order_id, delivery.message.traceparent);
  }
  await markDone(deps, delivery);
}
