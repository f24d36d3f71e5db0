/** Wires the breaker object: how each kind of dependency is asked for its health, and who is told of an outage. */
import type { Container } from "../container.ts";
import { archiveStore } from "../integrations/archive.ts";
import { checkHealth } from "../integrations/health.ts";
import type { Transition } from "../resilience/circuit-breaker.ts";
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

/** `CircuitOpened` and `CircuitClosed` alternate; what happens in between is for the log alone. */
export async function announceTransition(container: Container, kind: Transition, dependency: string): Promise<void> {
  if (kind !== "opened" && kind !== "closed") return;
  const timestamp = new Date(container.clock.now()).toISOString();
  await container.commit({
    trace: container.newTrace(),
    writes: [],
    audit: [
      {
        actor: { id: "circuit-breaker", kind: "system" },
        action: `circuit.${kind}`,
        subject: `dependency/${dependency}`,
      },
    ],
    events: [
      {
        type: kind === "opened" ? "CircuitOpened" : "CircuitClosed",
        subject: `dependency/${dependency}`,
        region: null,
        sequence: container.clock.now(),
        data: { dependency, timestamp },
      },
    ],
  });
}
