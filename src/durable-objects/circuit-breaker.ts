/**
 * The circuit breaker of one dependency, shared by all isolates: a shell over `resilience/circuit-breaker.ts` that
 * keeps the state, and while the circuit is open makes one health call every 30 s. It writes only what changed. What
 * others must hear of a change is kept with it, in one write, until they have heard it.
 *
 * Called through itty's proxy by our own code. Its base class answers any request that reaches it with any method, so a
 * client's request must never be forwarded to it.
 */
import { createDurable } from "itty-durable";
import { BREAKER_HEALTH_CHECK_MS, BREAKER_TELL_AGAIN_MS } from "../config.ts";
import { clockOf, createContainer } from "../container.ts";
import { messageOf } from "../domain/errors.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { CIRCUIT_SETTINGS, showNow, tellNews } from "../services/breakers.ts";
import { isHealthy } from "../wiring/breaker.ts";
import {
  CLOSED,
  circuitStatus,
  forceOpen,
  healthChecked,
  needsHealthCheck,
  reportOutcome,
  requestPermit,
  resetCircuit,
  type CircuitState,
  type CircuitStatus,
  type CircuitStep,
  type Outcome,
  type Permit,
  type PermitAnswer,
} from "../resilience/circuit-breaker.ts";
import {
  BY_ITSELF,
  isBehind,
  noteIntent,
  recordStep,
  seenAs,
  shownAt,
  told,
  UNTOUCHED,
  type Cause,
  type CircuitNow,
  type CircuitRecord,
  type Hand,
} from "../resilience/circuit-record.ts";

/** What itty-durable keeps on the object's state, beside what the platform gives. */
interface IttyState extends DurableObjectState {
  readonly env: Env;
  /** The name that the caller's proxy sent (header `do-name`); an alarm has none. */
  readonly idFromName?: string;
  /** Ours: the telling that is under way. Here, since everything else of the object is persisted. */
  telling?: Promise<void> | undefined;
}

export class CircuitBreaker extends createDurable({ autoPersist: false }) {
  declare state: IttyState;
  // Everything but `state` is what itty-durable persists and loads.
  circuit: CircuitState = CLOSED;
  record: CircuitRecord = UNTOUCHED;
  dependency = "";

  async permit(): Promise<PermitAnswer> {
    const { state, answer } = requestPermit(this.circuit, this.now(), CIRCUIT_SETTINGS);
    await this.apply({ state, transition: null });
    // A lost alarm would keep the circuit open for ever, or its news untold: whoever comes puts it right.
    if (this.wantsAlarm() && (await this.state.storage.getAlarm()) === null) await this.arm();
    return answer;
  }

  async report(permit: Permit, outcome: Outcome): Promise<void> {
    await this.apply(reportOutcome(this.circuit, permit, outcome, this.now(), CIRCUIT_SETTINGS));
  }

  status(): CircuitStatus {
    return circuitStatus(this.circuit, this.now(), CIRCUIT_SETTINGS);
  }

  /** `shown`: the revision that the list shows. */
  async inspect(shown: number): Promise<CircuitNow> {
    this.learnName();
    this.record = seenAs(this.record, shown);
    this.state.waitUntil(this.tell());
    return this.asItIs();
  }

  openByHand(hand: string): Promise<CircuitNow> {
    return this.byHand(hand, () => forceOpen(this.circuit, this.now(), CIRCUIT_SETTINGS));
  }

  closeByHand(hand: string): Promise<CircuitNow> {
    return this.byHand(hand, () => resetCircuit(this.circuit));
  }

  /** One health call. The next alarm is set first and nothing is thrown: the platform gives up an alarm that throws. */
  async alarm(): Promise<void> {
    await this.loadFromStorage();
    if (this.wantsAlarm()) await this.arm();
    // Not awaited, and not the telling that is under way: a database that hangs holds up no health check.
    this.state.waitUntil(this.tellAll());
    if (!needsHealthCheck(this.circuit)) return;
    try {
      const { generation } = this.circuit;
      const healthy = await this.isDependencyHealthy();
      await this.apply(healthChecked(this.circuit, generation, healthy, this.now(), CIRCUIT_SETTINGS));
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

  /** The person's answer comes when the list shows it, if the database can be reached. */
  private async byHand(text: string, step: () => CircuitStep): Promise<CircuitNow> {
    const { cause, intent } = JSON.parse(text) as Hand;
    const noted = noteIntent(this.record, intent);
    if (noted) {
      await this.apply(step(), cause, noted);
      await this.tell();
    }
    return this.asItIs();
  }

  /** An alarm can't tell whose breaker it is: the name is kept. */
  private learnName(): void {
    if (this.state.idFromName !== undefined) this.dependency = decodeURI(this.state.idFromName);
  }

  private asItIs(): CircuitNow {
    return { circuit: this.circuit, record: this.record };
  }

  /**
   * Keeps the step's state, what is to be told of it, and the alarm that sees to both, in one write: between these storage
   * calls nothing else runs. Whoever called isn't kept waiting for the telling.
   */
  private async apply(step: CircuitStep, cause: Cause = BY_ITSELF, record = this.record): Promise<void> {
    const before = this.circuit;
    const after = recordStep(record, { before, step, cause, at: this.now() });
    if (after === this.record) return;
    this.circuit = step.state;
    this.record = after;
    this.learnName();
    const goesOn = needsHealthCheck(step.state) && needsHealthCheck(before);
    await Promise.all(goesOn ? [this.persist()] : [this.persist(), this.arm()]);
    const { dependency } = this;
    if (step.transition) {
      log(step.transition === "closed" ? "info" : "warn", `breaker.${step.transition}`, { dependency });
    }
    this.state.waitUntil(this.tell());
  }

  /** Tells what others don't know yet; what can't be told now is told by the alarm. */
  private tell(): Promise<void> {
    this.state.telling ??= this.tellAll().finally(() => {
      this.state.telling = undefined;
    });
    return this.state.telling;
  }

  private async tellAll(): Promise<void> {
    const { dependency } = this;
    try {
      while (isBehind(this.record)) {
        const now = this.asItIs();
        const [news] = now.record.untold;
        const container = createContainer(this.state.env, this.state);
        await (news ? tellNews(container, dependency, now, news) : showNow(container, dependency, now));
        this.record = shownAt(news ? told(this.record, news) : this.record, now.record.revision);
        await this.persist();
      }
      if (!this.wantsAlarm()) await this.state.storage.deleteAlarm();
    } catch (error) {
      log("error", "breaker.not_told", { dependency, error: messageOf(error) });
    }
  }

  private wantsAlarm(): boolean {
    return needsHealthCheck(this.circuit) || isBehind(this.record);
  }

  private arm(): Promise<void> {
    const afterMs = needsHealthCheck(this.circuit) ? BREAKER_HEALTH_CHECK_MS : BREAKER_TELL_AGAIN_MS;
    return this.state.storage.setAlarm(this.now() + afterMs);
  }

  private now(): number {
    return clockOf(this.state.env).now();
  }
}
