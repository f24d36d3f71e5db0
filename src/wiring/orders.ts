/** Wires what people see of an order's saga, and ask of it, to the object that keeps it. */
import type { Container } from "../container.ts";

export function sagaOf({ env }: Container, orderId: string) {
  return env.SAGA.get(env.SAGA.idFromName(orderId));
}
