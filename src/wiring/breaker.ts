/** Wires the breaker object: how each kind of dependency is asked for its health; and how operations reach one. */
import type { Container } from "../container.ts";
import { breakerFor } from "../integrations/breaker.ts";
import { checkHealth } from "../integrations/health.ts";
import { log } from "../log.ts";
import type { OperatedBreaker } from "../services/breakers.ts";
import { documentStore } from "./documents.ts";
import { accessTo, supplierGateway } from "./suppliers.ts";

export function isHealthy(container: Container, dependency: string): Promise<boolean> {
  const { clock } = container;
  const checks = {
    archive: async () => (await documentStore(container, "archive")?.health()) ?? true,
    // Where there is no way into it any more, nothing calls it either.
    sharepoint: async () => (await documentStore(container, "sharepoint")?.health()) ?? true,
    supplier: async (id: string) => {
      const access = await accessTo(container, id);
      return access.ok && (await supplierGateway(container).health(access.address));
    },
  };
  return checkHealth(dependency, checks, clock);
}

export function operatedBreaker({ env, clock }: Container, dependency: string): OperatedBreaker {
  return breakerFor(env.BREAKER, dependency, { clock, log });
}
