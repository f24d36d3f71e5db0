/** Wires the saga's steps: each supplier over HTTP, behind the breaker of that supplier. */
import type { Container } from "../container.ts";
import type { SupplierGateway } from "../domain/ports.ts";
import { breakerFor, throughBreaker } from "../integrations/breaker.ts";
import { log } from "../log.ts";
import type { StepDeps } from "../services/order-steps.ts";
import { accessTo, supplierGateway } from "./suppliers.ts";

export function stepDeps(container: Container): StepDeps {
  const { clock, env } = container;
  const gateway = supplierGateway(container);
  return {
    ...container,
    accessTo: (supplier) => accessTo(container, supplier),
    supplierOf: (supplier): SupplierGateway => {
      const breaker = breakerFor(env.BREAKER, `supplier:${supplier}`, { clock, log });
      return {
        placePurchaseOrder: (draft) => throughBreaker(breaker, () => gateway.placePurchaseOrder(draft)),
        findPurchaseOrder: (at, key) => throughBreaker(breaker, () => gateway.findPurchaseOrder(at, key)),
        cancelPurchaseOrder: (at, key, keep) =>
          throughBreaker(breaker, () => gateway.cancelPurchaseOrder(at, key, keep)),
        health: (at) => gateway.health(at),
      };
    },
  };
}
