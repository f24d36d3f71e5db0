/**
 * The shell of the order saga, one object per order: journal, alarm, and calls; every decision is the reducer's. The
 * intent and a watchdog alarm are on disk before each call, so whatever dies in between is taken up where it stood.
 */
import { DurableObject } from "cloudflare:workers";
import { OPEN_CIRCUIT_SPREAD_MS, ORDER_MAX_WAIT_MS } from "../config.ts";
import { createContainer } from "../container.ts";
import { findOrder } from "../db/queries/orders.ts";
import { messageOf } from "../domain/errors.ts";
import { begin, nextAction, requestCancel, settle, startSaga } from "../domain/order-saga.ts";
import type { Outcome, SagaAction, SagaRules, SagaState } from "../domain/order-saga.ts";
import { traceIdOf } from "../domain/trace.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { nextDelayMs, spreadMs } from "../resilience/backoff.ts";
import { closeOrder, compensateStep, fenceOrder } from "../services/order-compensations.ts";
import { noteSleep } from "../services/orders.ts";
import { probePurchase, runStep, type StepDeps } from "../services/order-steps.ts";
import { suppliersOf } from "../services/suppliers.ts";
import { stepDeps } from "../wiring/saga.ts";
import {
  appendIntent,
  appendOutcome,
  createJournal,
  readJournal,
  readState,
  writeState,
  type JournalRow,
} from "./saga-journal.ts";

/** If the object dies in a call, it is woken after this long: longer than any call's own time-out. */
const WATCHDOG_MS = 60_000;
const MAX_TURNS = 100;
const LATE_CHECK_MS = 30_000;
// Together longer than any call is known to be under way: what a supplier accepts after that is seen by nobody.
const LATE_CHECKS = 5;

export class OrderSaga extends DurableObject<Env> {
  private running: Promise<void> | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    createJournal(ctx.storage.sql);
  }

  /** Takes an accepted order over; a second start of the same order changes nothing. Returns once the intent is durable. */
  async start(orderId: string, traceparent: string): Promise<void> {
    if (readState(this.ctx.storage.sql)) return this.wake();
    const container = createContainer(this.env, this.ctx);
    const found = await findOrder(container.db, orderId);
    if (!found) throw new Error(`no order ${orderId}`);
    if (readState(this.ctx.storage.sql)) return this.wake();
    const state = startSaga(orderId, found.order.fence, suppliersOf(found.lines));
    this.save(state, traceparent, this.now());
    this.ctx.waitUntil(this.run());
  }

  /** Goes on with what is due. The cron calls it for orders whose alarm was lost. */
  async wake(): Promise<void> {
    this.ctx.waitUntil(this.run());
  }

  /** Asks for cancellation: compensates what was done, unless the stock has moved or the order has ended. */
  async cancel(reason: string): Promise<void> {
    while (this.running) await this.running;
    const known = readState(this.ctx.storage.sql);
    if (!known) return;
    this.save(requestCancel(known.state, reason), known.traceparent, this.now());
    await this.run();
  }

  async inspect(): Promise<{ state: SagaState; journal: JournalRow[]; next_wake_at: string | null } | null> {
    const known = readState(this.ctx.storage.sql);
    if (!known) return null;
    const alarm = await this.ctx.storage.getAlarm();
    return {
      state: known.state,
      journal: readJournal(this.ctx.storage.sql),
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
    for (let turns = 0; turns < MAX_TURNS; turns++) {
      const known = readState(this.ctx.storage.sql);
      if (!known) return;
      const { state, traceparent } = known;
      const action = nextAction(state, this.now());
      if (action.do === "nothing") return this.ctx.storage.deleteAlarm();
      if (action.do === "sleep") return this.sleep(state.orderId, action.until);

      const begun = begin(state, action);
      const at = this.now();
      this.ctx.storage.transactionSync(() => {
        writeState(this.ctx.storage.sql, begun, traceparent);
        appendIntent(this.ctx.storage.sql, new Date(at).toISOString(), action, begun);
        void this.ctx.storage.setAlarm(at + WATCHDOG_MS);
      });
      const outcome = await this.perform(action, begun, traceparent);
      const settled = settle(begun, action, outcome, this.now(), this.rules());
      this.ctx.storage.transactionSync(() => {
        writeState(this.ctx.storage.sql, settled, traceparent);
        appendOutcome(this.ctx.storage.sql, new Date(this.now()).toISOString(), action, outcome, settled);
      });
    }
  }

  private async sleep(orderId: string, until: number): Promise<void> {
    await this.ctx.storage.setAlarm(until);
    try {
      await noteSleep(createContainer(this.env, this.ctx), orderId, until);
    } catch (error) {
      // The alarm is set; without the note the cron only looks in too early.
      log("warn", "saga.sleep_not_noted", { order: orderId, error: messageOf(error) });
    }
  }

  private async perform(action: SagaAction, state: SagaState, traceparent: string): Promise<Outcome> {
    const deps: StepDeps = stepDeps(createContainer(this.env, this.ctx));
    const found = await this.loadOrder(deps, state.orderId);
    if ("kind" in found) return found;
    const trace = { traceparent, correlationId: found.order.requestId ?? traceIdOf(traceparent) };
    const context = { ...found, fence: state.fence, trace };
    if (action.do === "run") return runStep(deps, { ...context, step: action.step, key: action.key });
    if (action.do === "probe") return probePurchase(deps, { ...context, step: action.step, key: action.key });
    if (action.do === "compensate") return compensateStep(deps, { ...context, step: action.step, key: action.key });
    const error = state.error;
    if (action.do === "fence") {
      return fenceOrder(deps, context, error ?? { step: "create", code: "INTERNAL", reason: "no reason on record" });
    }
    if (action.do === "close") return closeOrder(deps, context, action.status, error);
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

  private save(state: SagaState, traceparent: string, wakeAt: number): void {
    this.ctx.storage.transactionSync(() => {
      writeState(this.ctx.storage.sql, state, traceparent);
      void this.ctx.storage.setAlarm(wakeAt + WATCHDOG_MS);
    });
  }

  private rules(): SagaRules {
    return {
      delayAfter: (attempt) => nextDelayMs(attempt, Math.random),
      maxWaitMs: ORDER_MAX_WAIT_MS,
      blockedSpreadMs: () => spreadMs(OPEN_CIRCUIT_SPREAD_MS, Math.random),
      lateCheckMs: LATE_CHECK_MS,
      lateChecks: LATE_CHECKS,
    };
  }
}
