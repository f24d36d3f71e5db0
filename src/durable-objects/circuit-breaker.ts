/**
 * The circuit breaker of one dependency, shared by all isolates: a shell over `resilience/circuit-breaker.ts` that
 * keeps the state, and while the circuit is open makes one health call every 30 s. It writes only what changed.
 *
 * Called through itty's proxy by our own code. Its base class answers any request that reaches it with any method, so a
 * client's request must never be forwarded to it.
 */
import { createDurable } from "itty-durable";
import { BREAKER_FAILURES, BREAKER_HEALTH_CHECK_MS, BREAKER_PROBE_LEASE_MS, BREAKER_WINDOW_MS } from "../config.ts";
import { clockOf, createContainer } from "../container.ts";
import { messageOf } from "../domain/errors.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { announceTransition, isHealthy } from "../wiring/breaker.ts";
import {
  CLOSED,
  circuitStatus,
  forceOpen,
  healthChecked,
  needsHealthCheck,
  reportOutcome,
  requestPermit,
  resetCircuit,
  type CircuitSettings,
  type CircuitState,
  type CircuitStatus,
  type CircuitStep,
  type Outcome,
  type Permit,
  type PermitAnswer,
  type Transition,
} from "../resilience/circuit-breaker.ts";

const SETTINGS: CircuitSettings = {
  failures: BREAKER_FAILURES,
  windowMs: BREAKER_WINDOW_MS,
  healthCheckMs: BREAKER_HEALTH_CHECK_MS,
  probeLeaseMs: BREAKER_PROBE_LEASE_MS,
};

/** What itty-durable keeps on the object's state, beside what the platform gives. */
interface IttyState extends DurableObjectState {
  readonly env: Env;
  /** The name that the caller's proxy sent (header `do-name`); an alarm has none. */
  readonly idFromName?: string;
}

export class CircuitBreaker extends createDurable({ autoPersist: false }) {
  declare state: IttyState;
  // Everything but `state` is what itty-durable persists and loads.
  circuit: CircuitState = CLOSED;
  dependency = "";

  async permit(): Promise<PermitAnswer> {
    const { state, answer } = requestPermit(this.circuit, this.now(), SETTINGS);
    await this.apply({ state, transition: null });
    // A lost alarm would keep the circuit open for ever: whoever is refused puts it right.
    if (needsHealthCheck(this.circuit) && (await this.state.storage.getAlarm()) === null) await this.arm();
    return answer;
  }

  async report(permit: Permit, outcome: Outcome): Promise<void> {
    await this.apply(reportOutcome(this.circuit, permit, outcome, this.now(), SETTINGS));
  }

  status(): CircuitStatus {
    return circuitStatus(this.circuit, this.now(), SETTINGS);
  }

  async forceOpen(): Promise<void> {
    await this.apply(forceOpen(this.circuit, this.now(), SETTINGS));
  }

  /** Closes by hand. (The name is itty's, whose own version resets only the memory.) */
  override async reset(): Promise<void> {
    await this.apply(resetCircuit(this.circuit));
  }

  /** One health call. The next alarm is set first and nothing is thrown: the platform gives up an alarm that throws. */
  async alarm(): Promise<void> {
    await this.loadFromStorage();
    if (!needsHealthCheck(this.circuit)) return;
    await this.arm();
    try {
      const { generation } = this.circuit;
      const healthy = await this.isDependencyHealthy();
      await this.apply(healthChecked(this.circuit, generation, healthy, this.now(), SETTINGS));
    } catch (error) {
      log("error", "breaker.alarm_failed", { dependency: this.dependency, error: messageOf(error) });
    }
  }

  private async isDependencyHealthy(): Promise<boolean> {
    try {
      return await isHealthy(createContainer(this.state.env, this.state), this.dependency);
    } catch (error) {
      log("warn", "breaker.unhealthy", { dependency: this.dependency, error: messageOf(error) });
      return false;
    }
  }

  /** Keeps the step's state and wakes or rests accordingly. Between two storage calls nothing else runs. */
  private async apply(step: CircuitStep): Promise<void> {
    const before = this.circuit;
    if (step.state === before) return;
    this.circuit = step.state;
    if (this.state.idFromName !== undefined) this.dependency = decodeURI(this.state.idFromName);
    const writes: Promise<unknown>[] = [this.persist()];
    if (needsHealthCheck(step.state)) {
      if (!needsHealthCheck(before)) writes.push(this.arm());
    } else if (needsHealthCheck(before)) {
      writes.push(this.state.storage.deleteAlarm());
    }
    await Promise.all(writes);
    if (step.transition) this.announce(step.transition);
  }

  /** Whoever called isn't kept waiting, and a telling that fails changes nothing for the circuit. */
  private announce(kind: Transition): void {
    const { dependency } = this;
    log(kind === "closed" ? "info" : "warn", `breaker.${kind}`, { dependency });
    const told = announceTransition(createContainer(this.state.env, this.state), kind, dependency);
    this.state.waitUntil(
      told.catch((error: unknown) =>
        log("error", "breaker.not_announced", { dependency, kind, error: messageOf(error) }),
      ),
    );
  }

  private arm(): Promise<void> {
    return this.state.storage.setAlarm(this.now() + BREAKER_HEALTH_CHECK_MS);
  }

  private now(): number {
    return clockOf(this.state.env).now();
  }
}
