/**
 * The shell of the order saga, one object per order: journal, alarm, and calls; every decision is the reducer's. The
 * intent and a watchdog alarm are on disk before each call, so whatever dies in between is taken up where it stood.
 */
import { DurableObject } from "cloudflare:workers";
import { OPEN_CIRCUIT_SPREAD_MS, ORDER_MAX_WAIT_MS, ORDER_REPEAT_MAX_MS } from "../config.ts";
import { createContainer } from "../container.ts";
import { findOrder } from "../db/queries/orders.ts";
import { messageOf } from "../domain/errors.ts";
import { begin, nextAction, startSaga } from "../domain/order-saga.ts";
import { SAGA_DEFINITIONS, type SagaDefinitions } from "../domain/saga-definitions.ts";
import { applyAction, possibleActs, type ActAnswer, type Possible } from "../domain/saga-operators.ts";
import { settle } from "../domain/saga-settling.ts";
import {
  entryOf,
  type OperatorAct,
  type Outcome,
  type SagaAction,
  type SagaRules,
  type SagaState,
} from "../domain/saga-state.ts";
import { wasSentAgain } from "../domain/saga-surplus.ts";
import { traceIdOf } from "../domain/trace.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { nextDelayMs, repeatDelayMs, spreadMs } from "../resilience/backoff.ts";
import { closeOrder, compensateStep, fenceOrder } from "../services/order-compensations.ts";
import { recallSurplus, reportSurplus } from "../services/order-surplus.ts";
import { takeOverOrder } from "../services/order-takeovers.ts";
import { noteRest, noteWait } from "../services/order-watch.ts";
import { probePurchase, runStep, type StepDeps } from "../services/order-steps.ts";
import { suppliersOf } from "../services/suppliers.ts";
import { stepDeps } from "../wiring/saga.ts";
import {
  appendAct,
  appendIntent,
  appendOutcome,
  createJournal,
  isKnownAct,
  lastOf,
  readActs,
  readJournal,
  readState,
  writeState,
  type ActRow,
  type JournalRow,
} from "./saga-journal.ts";

/** If the object dies in a call, it is woken after this long: longer than any call's own time-out. */
const WATCHDOG_MS = 60_000;
const MAX_TURNS = 100;
const LATE_CHECK_MS = 30_000;
// Together longer than any call is known to be under way: what a supplier accepts after that is seen by nobody.
const LATE_CHECKS = 5;

const NO_REASON = { step: "create", code: "INTERNAL", reason: "no reason on record" } as const;

const markOf = (ms: number, traceparent: string) => ({ at: new Date(ms).toISOString(), traceparent });

const PASSING: ReadonlySet<SagaAction["do"]> = new Set(["fence", "take_over", "close"]);

interface Asked {
  readonly act: OperatorAct;
  readonly answer: (answer: ActAnswer) => void;
}

export class OrderSaga extends DurableObject<Env> {
  /** An order begins under the current one and ends under the one that it began under. */
  protected readonly definitions: SagaDefinitions = SAGA_DEFINITIONS;
  private running: Promise<void> | undefined;
  private asked: Asked[] = [];

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    createJournal(ctx.storage.sql);
  }

  /** Takes an accepted order over; a second start of the same order changes nothing. Returns once the intent is durable. */
  async start(orderId: string, traceparent: string): Promise<void> {
    await this.takeOn(orderId, traceparent);
    this.ctx.waitUntil(this.run());
  }

  /** Goes on with what is due. The cron calls it for orders whose alarm was lost. */
  async wake(): Promise<void> {
    this.ctx.waitUntil(this.run());
  }

  /**
   * Takes up what a person asks for between two steps, or says why not. Accepted, it is in the journal and will be carried
   * out whatever happens; the same act (by its id) again is accepted again and has no second effect.
   */
  async act(orderId: string, act: OperatorAct): Promise<ActAnswer> {
    await this.takeOn(orderId, act.traceparent);
    const { promise, resolve } = Promise.withResolvers<ActAnswer>();
    const mine = { act, answer: resolve };
    this.asked.push(mine);
    while (this.asked.includes(mine)) await Promise.race([promise, this.run()]);
    this.ctx.waitUntil(this.run());
    return promise;
  }

  /** Was this act accepted? It stays so after the order's end. */
  async knowsAct(id: string): Promise<boolean> {
    return isKnownAct(this.ctx.storage.sql, id);
  }

  /** Calls the order off without a person, unless its stock has moved or it has ended. */
  async cancel(reason: string): Promise<ActAnswer> {
    const known = readState(this.ctx.storage.sql);
    if (!known) return { accepted: false, reason: "the order hasn't begun", possible: [] };
    const { state, traceparent } = known;
    const by = { id: "order-saga", kind: "system" } as const;
    return this.act(state.orderId, { id: "cancel", action: "cancel", step: null, to: null, reason, by, traceparent });
  }

  /** Where the order stands, all that happened to it, and what a person may ask of it now. */
  async inspect(): Promise<{
    state: SagaState;
    traceparent: string;
    journal: JournalRow[];
    acts: ActRow[];
    possible: readonly Possible[];
    next_wake_at: string | null;
  } | null> {
    const known = readState(this.ctx.storage.sql);
    if (!known) return null;
    const alarm = await this.ctx.storage.getAlarm();
    return {
      ...known,
      journal: readJournal(this.ctx.storage.sql),
      acts: readActs(this.ctx.storage.sql),
      possible: possibleActs(known.state, this.definitions),
      next_wake_at: alarm === null ? null : new Date(alarm).toISOString(),
    };
  }

  override async alarm(): Promise<void> {
    // Arm first and catch all: an alarm that throws is given up by the platform after six tries.
    await this.ctx.storage.setAlarm(this.now() + WATCHDOG_MS);
    try {
      await this.run();
    } catch (error) {
      log("error", "saga.alarm_failed", { error: messageOf(error) });
    }
  }

  /** Begins the journal of an order that has none. */
  private async takeOn(orderId: string, traceparent: string): Promise<void> {
    const { sql } = this.ctx.storage;
    if (readState(sql)) return;
    const found = await findOrder(createContainer(this.env, this.ctx).db, orderId);
    if (!found) throw new Error(`no order ${orderId}`);
    if (readState(sql)) return;
    const state = startSaga(orderId, found.order.fence, suppliersOf(found.lines), this.definitions.current);
    this.ctx.storage.transactionSync(() => {
      writeState(sql, state, traceparent);
      void this.ctx.storage.setAlarm(this.now() + WATCHDOG_MS);
    });
  }

  private now(): number {
    return this.env.CLOCK?.now() ?? Date.now();
  }

  /** One runner at a time: an alarm during a run finds the run. */
  private run(): Promise<void> {
    this.running ??= this.turn().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async turn(): Promise<void> {
    let span: string | undefined;
    for (let turns = 0; turns < MAX_TURNS; turns++) {
      if (this.asked.length > 0 && !this.isPassing()) this.answerAsked();
      const known = readState(this.ctx.storage.sql);
      if (!known) return;
      const { state, traceparent } = known;
      const action = nextAction(state, this.now(), this.definitions);
      if (action.do === "nothing") return this.rest(state);
      if (action.do === "sleep") return this.sleep(state, action.until);

      const begun = begin(state, action);
      const at = this.now();
      // Each wake is a span of its own in the order's trace; what a person asked for is done under theirs.
      span ??= createContainer(this.env, this.ctx).newTrace(traceparent).traceparent;
      const under = action.do === "take_over" ? action.act.traceparent : span;
      this.ctx.storage.transactionSync(() => {
        writeState(this.ctx.storage.sql, begun, traceparent);
        appendIntent(this.ctx.storage.sql, markOf(at, under), action, begun);
        void this.ctx.storage.setAlarm(at + WATCHDOG_MS);
      });
      const outcome = await this.perform(action, begun, span);
      const settled = settle(begun, action, outcome, this.now(), this.rules());
      this.ctx.storage.transactionSync(() => {
        writeState(this.ctx.storage.sql, settled, traceparent);
        appendOutcome(this.ctx.storage.sql, markOf(this.now(), under), action, outcome, settled);
      });
    }
  }

  /**
   * Is a batch due that only moves the order on? After a crash the database may show its effect before the journal does:
   * it is settled first, so that nobody is refused what the order, as they see it, permits.
   */
  private isPassing(): boolean {
    const known = readState(this.ctx.storage.sql);
    return known !== null && PASSING.has(nextAction(known.state, this.now(), this.definitions).do);
  }

  /** What was asked is decided on between two steps: what is under way is settled first. */
  private answerAsked(): void {
    const { sql } = this.ctx.storage;
    for (const { act, answer } of this.asked.splice(0)) {
      const known = readState(sql);
      if (!known || isKnownAct(sql, act.id)) {
        answer({ accepted: true });
        continue;
      }
      const applied = applyAction(known.state, act, this.definitions);
      if (applied.ok) {
        const at = this.now();
        this.ctx.storage.transactionSync(() => {
          writeState(sql, applied.state, known.traceparent);
          appendAct(sql, new Date(at).toISOString(), act);
          void this.ctx.storage.setAlarm(at + WATCHDOG_MS);
        });
        answer({ accepted: true });
      } else answer({ accepted: false, reason: applied.reason, possible: applied.possible });
    }
  }

  private async sleep(state: SagaState, until: number): Promise<void> {
    await this.ctx.storage.setAlarm(until);
    try {
      await noteWait(createContainer(this.env, this.ctx), state, until, lastOf(this.ctx.storage.sql));
    } catch (error) {
      // The alarm is set; without the note the cron only looks in too early.
      log("warn", "saga.sleep_not_noted", { order: state.orderId, error: messageOf(error) });
    }
  }

  private async rest(state: SagaState): Promise<void> {
    await this.ctx.storage.deleteAlarm();
    try {
      await noteRest(createContainer(this.env, this.ctx), state);
    } catch (error) {
      // The cron will find it overdue and wake it, and it comes here again.
      log("warn", "saga.rest_not_noted", { order: state.orderId, error: messageOf(error) });
    }
  }

  private async perform(action: SagaAction, state: SagaState, traceparent: string): Promise<Outcome> {
    const deps: StepDeps = stepDeps(createContainer(this.env, this.ctx));
    const found = await this.loadOrder(deps, state.orderId);
    if ("kind" in found) return found;
    const trace = { traceparent, correlationId: found.order.requestId ?? traceIdOf(traceparent) };
    const context = { ...found, fence: state.fence, trace };
    if (action.do === "run") {
      return runStep(deps, { ...context, step: action.step, key: action.key, watched: wasSentAgain(state) });
    }
    if (action.do === "probe") return probePurchase(deps, { ...context, step: action.step, key: action.key });
    if (action.do === "compensate") {
      const { sent } = entryOf(state, action.step);
      return compensateStep(deps, { ...context, step: action.step, key: action.key }, sent);
    }
    if (action.do === "recall") return recallSurplus(deps, { ...context, step: action.step, key: action.key });
    if (action.do === "report") {
      return reportSurplus(deps, { ...context, step: action.step, key: action.key }, action.error);
    }
    if (action.do === "fence") return fenceOrder(deps, context, state.error ?? NO_REASON);
    if (action.do === "take_over") return takeOverOrder(deps, context, action);
    if (action.do === "close") return closeOrder(deps, context, action, state.told);
    return { kind: "done" };
  }

  private async loadOrder(deps: StepDeps, orderId: string) {
    try {
      const found = await findOrder(deps.db, orderId);
      return found ?? ({ kind: "unknown", reason: `order ${orderId} can't be read` } as const);
    } catch (error) {
      return { kind: "unknown", reason: messageOf(error) } as const;
    }
  }

  private rules(): SagaRules {
    return {
      delayAfter: (attempt) => nextDelayMs(attempt, Math.random),
      repeatAfter: (tries) => repeatDelayMs(tries, Math.random, ORDER_REPEAT_MAX_MS),
      maxWaitMs: ORDER_MAX_WAIT_MS,
      blockedSpreadMs: () => spreadMs(OPEN_CIRCUIT_SPREAD_MS, Math.random),
      lateCheckMs: LATE_CHECK_MS,
      lateChecks: LATE_CHECKS,
    };
  }
}
