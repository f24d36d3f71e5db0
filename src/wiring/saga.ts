/** Wires the saga's steps: each supplier over HTTP, behind the breaker of that supplier. */
import type { Container } from "../container.ts";
import type { SupplierGateway } from "../domain/ports.ts";
import { breakerFor, throughBreaker } from "../integrations/breaker.ts";
import { httpSupplier } from "../integrations/http-supplier.ts";
import { log } from "../log.ts";
import type { StepDeps } from "../services/order-steps.ts";

export function stepDeps(container: Container): StepDeps {
  const { clock, settings, env } = container;
  const gateway = httpSupplier({
    fetch: (input, init) => fetch(input, init),
    clock,
    environment: settings.ENVIRONMENT,
  });
  return {
    ...container,
    supplierOf: (supplier): SupplierGateway => {
      const breaker = breakerFor(env.BREAKER, `supplier:${supplier}`, { clock, log });
      return {
        placePurchaseOrder: (draft) => throughBreaker(breaker, () => gateway.placePurchaseOrder(draft)),
        findPurchaseOrder: (at, key) => throughBreaker(breaker, () => gateway.findPurchaseOrder(at, key)),
        cancelPurchaseOrder: (at, key) => throughBreaker(breaker, () => gateway.cancelPurchaseOrder(at, key)),
        health: (at) => gateway.health(at),
      };
    },
  };
}
