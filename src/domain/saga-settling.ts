/**
 * What an outcome makes of the order saga: what is done stays done, what is unknown stays so until a probe has told, and
 * five real failures of a step are a give-up. What an open breaker refused is no attempt, but isn't waited for forever.
 */
import { settleTakenOver } from "./saga-operators.ts";
import {
  entryOf,
  needsCompensation,
  withEntry,
  type Outcome,
  type SagaAction,
  type SagaError,
  type SagaRules,
  type SagaState,
  type StepEntry,
  type TakeOver,
} from "./saga-state.ts";
import { settleLook, watchPurchases } from "./saga-surplus.ts";

/** How often a reservation that was gone is made anew. */
const MAX_ROUNDS = 3;

/** The state after the action's outcome. */
export function settle(
  state: SagaState,
  action: SagaAction,
  outcome: Outcome,
  now: number,
  rules: SagaRules,
): SagaState {
  if (action.do === "recall" || action.do === "report") {
    return settleLook({ ...state, waitUntil: 0 }, outcome, now, rules);
  }
  const settled = settleAction({ ...state, waitUntil: 0 }, action, outcome, now, rules);
  if (settled.phase === "ended" && settled.status === "Completed") return watchPurchases(settled, now, rules);
  const held = settled.steps.map(({ blockedSince }) => blockedSince).filter((since) => since > 0);
  return {
    ...settled,
    waitUntil: settled.phase === "compensating" ? waitOfCompensations(settled, now) : settled.waitUntil,
    blockedSince: held.length === 0 ? 0 : Math.min(...held),
  };
}

type Act = Exclude<SagaAction, { do: "recall" | "report" }>;

function settleAction(state: SagaState, action: Act, outcome: Outcome, now: number, rules: SagaRules): SagaState {
  if (outcome.kind === "ended") return { ...state, phase: "ended", status: outcome.status, takeOver: null, tries: 0 };
  if ("step" in action) return settleStep(state, action, outcome, now, rules);
  if (outcome.kind === "failed" && action.do === "take_over") {
    // What it relied on isn't so: nothing was changed, and the order goes on, or waits for a person, as before.
    return asBefore({ ...state, takeOver: null, tries: 0 }, action.from);
  }
  if (outcome.kind !== "done") {
    if (action.do === "close" && action.status === "Cancelled") return settleMark(state, outcome, now, rules);
    const tries = state.tries + 1;
    return { ...state, tries, waitUntil: now + rules.repeatAfter(tries) };
  }
  const landed = { ...state, tries: 0 };
  if (action.do === "fence") return undoAll({ ...landed, fence: state.fence + 1 });
  if (action.do === "take_over") return settleTakenOver(landed, action);
  if (action.do === "close")
    return { ...landed, phase: "ended", status: action.status, error: action.error, told: action.error };
  return state;
}

function asBefore(state: SagaState, stood: TakeOver["from"]): SagaState {
  if (stood === "Pending") return { ...state, phase: "forward" };
  return stood === "Cancelling" ? undoAll(state) : { ...state, phase: "ended" };
}

/**
 * The mark `Cancelled` undoes create. What is still open is left to a person at once, like any other compensation that
 * fails for good. A database that doesn't answer is our own fault and waited out, as long as an order may wait.
 */
function settleMark(state: SagaState, outcome: Outcome, now: number, rules: SagaRules): SagaState {
  const tries = state.tries + 1;
  const wait = rules.delayAfter(tries) ?? doubled(tries, rules);
  const isRefused = outcome.kind === "failed" && !outcome.retryable;
  if (!isRefused && wait < rules.maxWaitMs) return { ...state, tries, waitUntil: now + wait };
  return withEntry({ ...state, tries: 0 }, { ...entryOf(state, "create"), state: "compensation_failed" });
}

function settleStep(
  state: SagaState,
  action: Extract<Act, { step: unknown }>,
  outcome: Outcome,
  now: number,
  rules: SagaRules,
): SagaState {
  const entry = entryOf(state, action.step);
  if (outcome.kind === "blocked") return settleBlocked(state, action.do, entry, outcome.retryAfterMs, now, rules);
  const heard = { ...entry, blockedSince: 0, sent: entry.sent || action.do === "run" };
  if (action.do === "compensate") return settleCompensation(state, heard, outcome, now, rules);
  // A probe that fails is an attempt that failed, else a supplier that is down would be asked for ever.
  const tells = action.do === "run" || outcome.kind === "done" || outcome.kind === "not_done";
  return settleForward(state, tells ? heard : { ...heard, attempt: entry.attempt + 1 }, outcome, now, rules);
}

function settleForward(state: SagaState, entry: StepEntry, outcome: Outcome, now: number, rules: SagaRules): SagaState {
  if (outcome.kind === "done") {
    const done = withEntry(state, { ...entry, state: "done" });
    return entry.step === "complete" ? { ...done, phase: "ended", status: "Completed" } : done;
  }
  if (outcome.kind === "not_done") return withEntry(state, { ...entry, state: "failed" });
  const code = outcome.kind === "failed" ? outcome.code : "UNKNOWN_OUTCOME";
  const reason = "reason" in outcome ? outcome.reason : code;
  if (code === "RESERVATION_GONE" && entry.step === "move") return backToReserve(state, entry, reason);
  const noted = withEntry(state, {
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
  const wait = doubled(entry.attempt, rules);
  return retryable && wait < rules.maxWaitMs
    ? { ...noted, waitUntil: now + wait }
    : { ...noted, phase: "closing", status: "NeedsAttention", error };
}

/** The wait after the n-th attempt where the ladder's end is no give-up. */
function doubled(attempt: number, rules: SagaRules): number {
  return (rules.delayAfter(1) ?? 1_000) * 2 ** (attempt - 1);
}

function notBefore(delay: number, outcome: Outcome): number {
  return outcome.kind === "unknown" ? Math.max(delay, outcome.retryAfterMs ?? 0) : delay;
}

function backToReserve(state: SagaState, move: StepEntry, reason: string): SagaState {
  const reserve = entryOf(state, "reserve");
  if (reserve.round + 1 >= MAX_ROUNDS) {
    const failed = withEntry(state, { ...move, state: "failed" });
    return { ...failed, phase: "fencing", error: { step: "move", code: "RESERVATION_GONE", reason } };
  }
  const again = withEntry(state, { ...reserve, state: "failed", attempt: 0, round: reserve.round + 1 });
  return withEntry(again, { ...move, state: "failed", attempt: 0, round: move.round + 1 });
}

/** After the fence: whatever was begun is undone, from the last one on. */
function undoAll(state: SagaState): SagaState {
  return closeIfUndone({ ...state, phase: "compensating" });
}

function settleCompensation(
  state: SagaState,
  entry: StepEntry,
  outcome: Outcome,
  now: number,
  rules: SagaRules,
): SagaState {
  if (outcome.kind === "done") {
    // One that was sent again is looked for although something was found: the other call may be accepted yet.
    const inDoubt = outcome.note === "nothing_found" ? entry.doubtful : entry.sentAgain;
    if (!inDoubt || entry.lateChecks >= rules.lateChecks)
      return closeIfUndone(withEntry(state, { ...entry, state: "compensated" }));
    const lateChecks = entry.lateChecks + 1;
    return withEntry(state, { ...entry, attempt: 0, lateChecks, notBefore: now + rules.lateCheckMs });
  }
  const delay = outcome.kind === "failed" && !outcome.retryable ? null : rules.delayAfter(entry.attempt);
  if (delay !== null) return withEntry(state, { ...entry, notBefore: now + notBefore(delay, outcome) });
  return closeIfUndone(withEntry(state, { ...entry, state: "compensation_failed" }));
}

function closeIfUndone(state: SagaState): SagaState {
  return state.steps.some(needsCompensation) ? state : { ...state, phase: "closing" };
}

/** 0 while any may be tried now. */
function waitOfCompensations(state: SagaState, now: number): number {
  const times = state.steps.filter(needsCompensation).map((entry) => entry.notBefore);
  return times.some((time) => time <= now) ? 0 : Math.min(...times);
}

/** An open breaker is no failure: wait for its next health check, but not for ever. */
function settleBlocked(
  state: SagaState,
  tried: "run" | "probe" | "compensate",
  entry: StepEntry,
  retryAfterMs: number,
  now: number,
  rules: SagaRules,
): SagaState {
  const blockedSince = entry.blockedSince || now;
  const left = blockedSince + rules.maxWaitMs - now;
  const uncounted: StepEntry = {
    ...entry,
    state: tried === "compensate" ? "compensating" : tried === "probe" ? "unknown" : "failed",
    attempt: tried === "probe" ? entry.attempt : Math.max(0, entry.attempt - 1),
    blockedSince: left > 0 ? blockedSince : 0,
  };
  if (left > 0) {
    const until = now + Math.min(Math.max(1, retryAfterMs) + rules.blockedSpreadMs(), left);
    return tried === "compensate"
      ? withEntry(state, { ...uncounted, notBefore: until })
      : { ...withEntry(state, uncounted), waitUntil: until };
  }
  // The other steps can still be undone: only this one is left to a person.
  if (tried === "compensate") {
    return closeIfUndone(withEntry(state, { ...uncounted, state: "compensation_failed" }));
  }
  const reason = `${entry.step} waited ${rules.maxWaitMs} ms for its circuit to close`;
  return {
    ...withEntry(state, uncounted),
    phase: "closing",
    status: "NeedsAttention",
    error: { step: entry.step, code: "CIRCUIT_OPEN", reason },
  };
}
