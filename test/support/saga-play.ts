/** Plays the saga's reducer without an object: sleeps move the clock, every call is answered by the test. */
import { begin, nextAction, startSaga } from "../../src/domain/order-saga.ts";
import { SAGA_DEFINITIONS, type SagaDefinitions } from "../../src/domain/saga-definitions.ts";
import { applyAction } from "../../src/domain/saga-operators.ts";
import { settle } from "../../src/domain/saga-settling.ts";
import type { OperatorAct, Outcome, SagaAction, SagaRules, SagaState } from "../../src/domain/saga-state.ts";

export const NOW = Date.UTC(2026, 10, 23, 8);
export const HOUR = 60 * 60 * 1000;
export const LADDER = [1_000, 2_000, 4_000, 8_000];
export const RULES: SagaRules = {
  delayAfter: (attempt) => LADDER[attempt - 1] ?? null,
  repeatAfter: (tries) => Math.min(60_000, 1_000 * 2 ** (tries - 1)),
  maxWaitMs: 4 * HOUR,
  blockedSpreadMs: () => 0,
  lateCheckMs: 30_000,
  lateChecks: 2,
};

export const done: Outcome = { kind: "done" };
export const nothingFound: Outcome = { kind: "done", note: "nothing_found" };
export const unknown: Outcome = { kind: "unknown", reason: "no answer" };
export const notDone: Outcome = { kind: "not_done" };
export const refused: Outcome = { kind: "failed", code: "SUPPLIER_REFUSED", reason: "no", retryable: false };
export const refusedForNow: Outcome = { kind: "failed", code: "SUPPLIER_REFUSED", reason: "no", retryable: true };
export const busy: Outcome = { kind: "failed", code: "CONFLICT", reason: "bins changed", retryable: true };
export const gone: Outcome = { kind: "failed", code: "RESERVATION_GONE", reason: "expired", retryable: false };
export const blocked: Outcome = { kind: "blocked", retryAfterMs: 30_000 };

export const CANCEL: OperatorAct = {
  id: "cancel-1",
  action: "cancel",
  step: null,
  to: null,
  reason: "not needed",
  by: { id: "manager-north", kind: "person" },
  traceparent: "00-1-1-01",
};

/** The state once its cancellation was accepted; the same state where it is too late. */
export function cancelled(state: SagaState, reason = CANCEL.reason): SagaState {
  const applied = applyAction(state, { ...CANCEL, reason });
  return applied.ok ? applied.state : state;
}

export interface Call {
  readonly at: number;
  readonly what: string;
  readonly action: SagaAction;
}

export interface Play {
  readonly state: SagaState;
  readonly calls: readonly Call[];
  readonly now: number;
}

export function nameOf(action: SagaAction): string {
  if (action.do === "close") return `close ${action.status}`;
  return "step" in action ? `${action.do} ${action.step}` : action.do;
}

/** Plays a saga to its end, or to `stop`: sleeps move the clock, every call is answered by `answer`. */
export function play(
  answer: (action: SagaAction, calls: readonly Call[], state: SagaState) => Outcome,
  from: {
    state?: SagaState;
    now?: number;
    stop?: (state: SagaState) => boolean;
    definitions?: SagaDefinitions;
  } = {},
): Play {
  let state = from.state ?? startSaga("ord_1", 0, ["acme"]);
  let now = from.now ?? NOW;
  const calls: Call[] = [];
  for (let turns = 0; turns < 20_000; turns++) {
    if (from.stop?.(state)) return { state, calls, now };
    const action = nextAction(state, now, from.definitions ?? SAGA_DEFINITIONS);
    if (action.do === "nothing") return { state, calls, now };
    if (action.do === "sleep") {
      if (action.until <= now) throw new Error("a sleep that ends in the past");
      now = action.until;
      continue;
    }
    const begun = begin(state, action);
    calls.push({ at: now, what: nameOf(action), action });
    state = settle(begun, action, answer(action, calls, begun), now, RULES);
  }
  throw new Error("the saga doesn't end");
}

/** Answers by the call's name: the outcomes in turn, the last one for ever; `done` for what isn't named. */
export function script(outcomes: Readonly<Record<string, readonly Outcome[]>>) {
  return (action: SagaAction, calls: readonly Call[]): Outcome => {
    const name = nameOf(action);
    const turn = calls.filter((call) => call.what === name).length;
    const own = outcomes[name] ?? [done];
    return own[Math.min(turn, own.length) - 1] ?? done;
  };
}

export const whatOf = (calls: readonly Call[]) => calls.map((call) => call.what);
export const gaps = (calls: readonly Call[], name: string) => {
  const at = calls.filter((call) => call.what === name).map((call) => call.at);
  return at.slice(1).map((time, index) => time - (at[index] ?? 0));
};
