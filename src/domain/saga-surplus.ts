/**
 * What a supplier may have accepted beyond what it was asked for. A purchase whose first call got no usable answer was sent
 * again; a supplier that doesn't keep to our key may accept both, the first one late. So once the order is completed the
 * key is looked up for as long as a call can be under way, and what is too much is cancelled. What can't be is told once.
 */
import {
  entryOf,
  keyOf,
  withEntry,
  type Outcome,
  type SagaAction,
  type SagaError,
  type SagaRules,
  type SagaState,
} from "./saga-state.ts";

/** Was any purchase sent again after a call that got no usable answer? Then both may have been accepted. */
export function wasSentAgain({ steps }: SagaState): boolean {
  return steps.some(({ step, sentAgain }) => step.startsWith("purchase:") && sentAgain);
}

/** The order is completed: from now on the purchases are watched that were sent more than once. */
export function watchPurchases(state: SagaState, now: number, rules: SagaRules): SagaState {
  const watching = state.steps
    .filter((entry) => entry.step.startsWith("purchase:") && entry.sentAgain)
    .map(({ step }) => ({ step, since: now, looks: 0, attempt: 0, left: null }));
  return watching.length === 0 ? state : { ...state, watching, waitUntil: now + rules.lateCheckMs };
}

/** The next look, or what must be told; null: nothing is watched. */
export function nextLook(state: SagaState): SagaAction | null {
  const [watch] = state.watching;
  if (!watch) return null;
  const { step, left } = watch;
  const key = keyOf(state, entryOf(state, step));
  return left ? { do: "report", step, key, error: left } : { do: "recall", step, key };
}

/** The state after a look, or after the telling. One supplier is watched after the other. */
export function settleLook(state: SagaState, outcome: Outcome, now: number, rules: SagaRules): SagaState {
  const [watch, ...others] = state.watching;
  if (!watch) return state;
  if (outcome.kind === "done") {
    const looks = watch.looks + 1;
    const isOver = watch.left !== null || looks >= rules.lateChecks;
    return isOver
      ? { ...state, watching: others }
      : { ...state, watching: [{ ...watch, looks, attempt: 0 }, ...others], waitUntil: now + rules.lateCheckMs };
  }
  if (watch.left) return { ...state, waitUntil: now + rules.lateCheckMs };
  if (outcome.kind === "blocked" && now - watch.since < rules.maxWaitMs) {
    return { ...state, waitUntil: now + Math.max(1, outcome.retryAfterMs) + rules.blockedSpreadMs() };
  }
  const attempt = watch.attempt + 1;
  const isFinal = outcome.kind === "blocked" || (outcome.kind === "failed" && !outcome.retryable);
  const delay = isFinal ? null : rules.delayAfter(attempt);
  if (delay !== null) {
    const wait = outcome.kind === "unknown" ? Math.max(delay, outcome.retryAfterMs ?? 0) : delay;
    return { ...state, watching: [{ ...watch, attempt }, ...others], waitUntil: now + wait };
  }
  const noted = withEntry(state, { ...entryOf(state, watch.step), state: "compensation_failed" });
  return { ...noted, watching: [{ ...watch, left: errorOf(watch.step, outcome) }, ...others] };
}

function errorOf(step: SagaError["step"], outcome: Outcome): SagaError {
  const code =
    outcome.kind === "failed" ? outcome.code : outcome.kind === "blocked" ? "CIRCUIT_OPEN" : "UNKNOWN_OUTCOME";
  const reason = "reason" in outcome ? outcome.reason : code;
  return { step, code, reason: `what was accepted beyond the order may be delivered: ${reason}` };
}
