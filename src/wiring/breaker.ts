/** Wires the breaker object: how each kind of dependency is asked for its health; and how operations reach one. */
import type { Container } from "../container.ts";
import { archiveStore } from "../integrations/archive.ts";
import { breakerFor } from "../integrations/breaker.ts";
import { checkHealth } from "../integrations/health.ts";
import { log } from "../log.ts";
import type { OperatedBreaker } from "../services/breakers.ts";
import { accessTo, supplierGateway } from "./suppliers.ts";

export function isHealthy(container: Container, dependency: string): Promise<boolean> {
  const { env, clock } = container;
  const checks = {
    archive: () => archiveStore(env.ARCHIVE).health(),
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
