/**
 * The order saga as a reducer: (state, outcome) → next action. Forward: create, reserve, one purchase per supplier, move
 * stock, complete; after a failure the fence, then every begun step is undone in reverse. What timed out is `unknown`
 * and is probed, never assumed. A compensation that fails for good doesn't stop the independent ones.
 */
export const SAGA_DEFINITION = 1;

export type StepName = "create" | "reserve" | `purchase:${string}` | "move" | "complete";

export type StepState =
  | "intended"
  | "done"
  | "failed"
  | "unknown"
  | "compensating"
  | "compensated"
  | "compensation_failed";

export interface StepEntry {
  readonly step: StepName;
  readonly state: StepState;
  /** Real tries of the current direction. */
  readonly attempt: number;
  /** Raised when the step is begun anew (its reservation was gone): part of the idempotency key. */
  readonly round: number;
  /** Was the outcome ever unknown? Then a late acceptance is looked for after compensation. */
  readonly doubtful: boolean;
  readonly lateChecks: number;
}

export interface SagaError {
  readonly step: StepName;
  readonly code: string;
  readonly reason: string;
}

export interface SagaState {
  readonly definition: number;
  readonly orderId: string;
  readonly fence: number;
  readonly suppliers: readonly string[];
  readonly phase: "forward" | "fencing" | "compensating" | "closing" | "ended";
  readonly steps: readonly StepEntry[];
  readonly error: SagaError | null;
  readonly status: "Pending" | "Completed" | "Cancelled" | "NeedsAttention";
  /** Not before this time (ms since the epoch); 0: now. */
  readonly waitUntil: number;
  /** When an open breaker began to hold the saga up; 0: it doesn't. */
  readonly blockedSince: number;
}

export type SagaAction =
  | { readonly do: "run" | "probe" | "compensate"; readonly step: StepName; readonly key: string }
  | { readonly do: "fence" }
  | { readonly do: "close"; readonly status: "Cancelled" | "NeedsAttention" }
  | { readonly do: "sleep"; readonly until: number }
  | { readonly do: "nothing" };

export type Outcome =
  | { readonly kind: "done"; readonly note?: "nothing_found" }
  | { readonly kind: "failed"; readonly code: string; readonly reason: string; readonly retryable: boolean }
  /** `retryAfterMs`: not before, when the dependency said so. */
  | { readonly kind: "unknown"; readonly reason: string; readonly retryAfterMs?: number }
  /** A probe found nothing: the step didn't happen. */
  | { readonly kind: "not_done" }
  /** An open breaker refused the call: no attempt. */
  | { readonly kind: "blocked"; readonly retryAfterMs: number }
  /** The order had ended already when the fence was to be set. */
  | { readonly kind: "ended"; readonly status: "Completed" | "Cancelled" | "NeedsAttention" };

export interface SagaRules {
  /** Delay after the n-th failed attempt in ms, or null to give up. */
  readonly delayAfter: (attempt: number) => number | null;
  readonly maxWaitMs: number;
  /** Drawn for each wait on an open breaker, in ms, so that the sagas that it holds up don't wake together. */
  readonly blockedSpreadMs: () => number;
  readonly lateCheckMs: number;
  readonly lateChecks: number;
}

const MAX_ROUNDS = 3;

export function startSaga(orderId: string, fence: number, suppliers: readonly string[]): SagaState {
  return {
    definition: SAGA_DEFINITION,
    orderId,
    fence,
    suppliers: [...suppliers].sort(),
    phase: "forward",
    steps: [],
    error: null,
    status: "Pending",
    waitUntil: 0,
    blockedSince: 0,
  };
}

export function plannedSteps(suppliers: readonly string[]): StepName[] {
  return ["create", "reserve", ...suppliers.map((s): StepName => `purchase:${s}`), "move", "complete"];
}

export function nextAction(state: SagaState, now: number): SagaAction {
  if (state.phase === "ended") return { do: "nothing" };
  if (state.waitUntil > now) return { do: "sleep", until: state.waitUntil };
  if (state.definition !== SAGA_DEFINITION) return { do: "close", status: "NeedsAttention" };
  if (state.phase === "fencing") return { do: "fence" };
  if (state.phase === "closing") {
    const failed = state.steps.some((entry) => entry.state === "compensation_failed");
    return { do: "close", status: failed || state.status === "NeedsAttention" ? "NeedsAttention" : "Cancelled" };
  }
  if (state.phase === "compensating") {
    const entry = state.steps.findLast(needsCompensation);
    return entry ? { do: "compensate", step: entry.step, key: keyOf(state, entry) } : { do: "nothing" };
  }
  for (const step of plannedSteps(state.suppliers)) {
    const entry = entryOf(state, step);
    if (entry.state === "done") continue;
    // Begun before, with no outcome on record: a crash in the call. It may have happened.
    const begun = entry.attempt > 0 && (entry.state === "unknown" || entry.state === "intended");
    return { do: begun && step.startsWith("purchase:") ? "probe" : "run", step, key: keyOf(state, entry) };
  }
  return { do: "nothing" };
}

function needsCompensation(entry: StepEntry): boolean {
  return entry.state !== "compensated" && entry.state !== "compensation_failed";
}

/** What must be on record before the action is carried out: the intent, its attempt, the compensation that it may need. */
export function begin(state: SagaState, action: SagaAction): SagaState {
  if (!("step" in action)) return state;
  const entry = entryOf(state, action.step);
  // Begun and no outcome on record: whoever made that call died in it, and the other side may still carry it out.
  const doubtful = entry.doubtful || (entry.state === "intended" && entry.attempt > 0);
  if (action.do === "run") return replace(state, { ...entry, state: "intended", attempt: entry.attempt + 1, doubtful });
  if (action.do === "probe") return replace(state, { ...entry, state: "unknown", doubtful: true });
  const attempt = entry.state === "compensating" ? entry.attempt + 1 : 1;
  return replace(state, { ...entry, state: "compensating", attempt, doubtful });
}

/** The state after the action's outcome. */
export function settle(
  state: SagaState,
  action: SagaAction,
  outcome: Outcome,
  now: number,
  rules: SagaRules,
): SagaState {
  const cleared: SagaState = {
    ...state,
    waitUntil: 0,
    blockedSince: outcome.kind === "blocked" ? state.blockedSince : 0,
  };
  if (outcome.kind === "ended") return { ...cleared, phase: "ended", status: outcome.status };
  if (outcome.kind === "blocked") return settleBlocked(cleared, action, outcome.retryAfterMs, now, rules);
  if (action.do === "fence") {
    return outcome.kind === "done"
      ? { ...cleared, fence: state.fence + 1, phase: state.steps.some(needsCompensation) ? "compensating" : "closing" }
      : { ...cleared, waitUntil: now + (rules.delayAfter(1) ?? 0) };
  }
  if (action.do === "close") {
    return outcome.kind === "done"
      ? { ...cleared, phase: "ended", status: action.status }
      : { ...cleared, waitUntil: now + (rules.delayAfter(1) ?? 0) };
  }
  if (!("step" in action)) return cleared;
  const entry = entryOf(state, action.step);
  if (action.do === "compensate") return settleCompensation(cleared, entry, outcome, now, rules);
  // A probe that fails is an attempt that failed, else a supplier that is down would be asked for ever.
  const tells = action.do === "run" || outcome.kind === "done" || outcome.kind === "not_done";
  return settleForward(cleared, tells ? entry : { ...entry, attempt: entry.attempt + 1 }, outcome, now, rules);
}

function settleForward(state: SagaState, entry: StepEntry, outcome: Outcome, now: number, rules: SagaRules): SagaState {
  if (outcome.kind === "done") {
    const done = replace(state, { ...entry, state: "done" });
    return entry.step === "complete" ? { ...done, phase: "ended", status: "Completed" } : done;
  }
  if (outcome.kind === "not_done") return replace(state, { ...entry, state: "failed" });
  const code = outcome.kind === "failed" ? outcome.code : "UNKNOWN_OUTCOME";
  const reason = "reason" in outcome ? outcome.reason : code;
  if (code === "RESERVATION_GONE" && entry.step === "move") return backToReserve(state, entry, reason);
  const noted = replace(state, {
    ...entry,
    // A probe that failed has told nothing: what was unknown stays so.
    state: outcome.kind === "unknown" || entry.state === "unknown" ? "unknown" : "failed",
    doubtful: entry.doubtful || outcome.kind === "unknown",
  });
  const retryable = outcome.kind === "unknown" || (outcome.kind === "failed" && outcome.retryable);
  const delay = retryable ? rules.delayAfter(entry.attempt) : null;
  if (delay !== null) return { ...noted, waitUntil: now + notBefore(delay, outcome) };
  const error: SagaError = { step: entry.step, code, reason };
  if (entry.step !== "complete") return { ...noted, phase: "fencing", error };
  // Stock has moved: there is no way back, only on. The waits go on doubling up to the longest, then a person is asked.
  const wait = (rules.delayAfter(1) ?? 1_000) * 2 ** (entry.attempt - 1);
  return retryable && wait < rules.maxWaitMs
    ? { ...noted, waitUntil: now + wait }
    : { ...noted, phase: "closing", status: "NeedsAttention", error };
}

function notBefore(delay: number, outcome: Outcome): number {
  return outcome.kind === "unknown" ? Math.max(delay, outcome.retryAfterMs ?? 0) : delay;
}

function backToReserve(state: SagaState, move: StepEntry, reason: string): SagaState {
  const reserve = entryOf(state, "reserve");
  if (reserve.round + 1 >= MAX_ROUNDS) {
    const failed = replace(state, { ...move, state: "failed" });
    return { ...failed, phase: "fencing", error: { step: "move", code: "RESERVATION_GONE", reason } };
  }
  const again = replace(state, { ...reserve, state: "failed", attempt: 0, round: reserve.round + 1 });
  return replace(again, { ...move, state: "failed", attempt: 0, round: move.round + 1 });
}

function settleCompensation(
  state: SagaState,
  entry: StepEntry,
  outcome: Outcome,
  now: number,
  rules: SagaRules,
): SagaState {
  if (outcome.kind === "done") {
    const late = outcome.note === "nothing_found" && entry.doubtful && entry.lateChecks < rules.lateChecks;
    if (late) {
      const waiting = replace(state, { ...entry, attempt: 0, lateChecks: entry.lateChecks + 1 });
      return { ...waiting, waitUntil: now + rules.lateCheckMs };
    }
    return closeIfUndone(replace(state, { ...entry, state: "compensated" }));
  }
  const delay = outcome.kind === "failed" && !outcome.retryable ? null : rules.delayAfter(entry.attempt);
  if (delay !== null) return { ...state, waitUntil: now + notBefore(delay, outcome) };
  return closeIfUndone(replace(state, { ...entry, state: "compensation_failed" }));
}

function closeIfUndone(state: SagaState): SagaState {
  return state.steps.some(needsCompensation) ? state : { ...state, phase: "closing" };
}

/** An open breaker is no failure: wait for its next health check, but not for ever. */
function settleBlocked(
  state: SagaState,
  action: SagaAction,
  retryAfterMs: number,
  now: number,
  rules: SagaRules,
): SagaState {
  const blockedSince = state.blockedSince || now;
  const waitUntil = now + Math.max(1, retryAfterMs) + rules.blockedSpreadMs();
  if ("step" in action) {
    const entry = entryOf(state, action.step);
    const uncounted = replace(state, {
      ...entry,
      state: action.do === "compensate" ? "compensating" : action.do === "probe" ? "unknown" : "failed",
      attempt: action.do === "probe" ? entry.attempt : Math.max(0, entry.attempt - 1),
    });
    if (now - blockedSince < rules.maxWaitMs) return { ...uncounted, blockedSince, waitUntil };
    // The other steps can still be undone: only this one is left to a person.
    if (action.do === "compensate") {
      return closeIfUndone({ ...replace(state, { ...entry, state: "compensation_failed" }), blockedSince: 0 });
    }
    const reason = `${action.step} waited ${rules.maxWaitMs} ms for its circuit to close`;
    return {
      ...uncounted,
      phase: "closing",
      status: "NeedsAttention",
      error: { step: action.step, code: "CIRCUIT_OPEN", reason },
    };
  }
  return { ...state, waitUntil };
}

/** A cancel asked for from outside: compensates unless the order has moved its stock or ended. */
export function requestCancel(state: SagaState, reason: string): SagaState {
  if (state.phase !== "forward" || entryOf(state, "move").state === "done") return state;
  return { ...state, phase: "fencing", waitUntil: 0, error: { step: "create", code: "CANCELLED", reason } };
}

export function entryOf(state: SagaState, step: StepName): StepEntry {
  const known = state.steps.find((entry) => entry.step === step);
  return known ?? { step, state: "intended", attempt: 0, round: 0, doubtful: false, lateChecks: 0 };
}

/** The same for every attempt: `{order}:{supplier}` at a supplier, `{order}:{step}:{round}` in our inbox. */
export function keyOf(state: SagaState, entry: StepEntry): string {
  return entry.step.startsWith("purchase:")
    ? `${state.orderId}:${entry.step.slice("purchase:".length)}`
    : `${state.orderId}:${entry.step}:${entry.round}`;
}

function replace(state: SagaState, entry: StepEntry): SagaState {
  const known = state.steps.some((e) => e.step === entry.step);
  return {
    ...state,
    steps: known ? state.steps.map((e) => (e.step === entry.step ? entry : e)) : [...state.steps, entry],
  };
}
