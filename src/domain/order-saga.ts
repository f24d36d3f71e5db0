/**
 * The order saga as a reducer: (state, outcome) → next action. Forward by the order's definition; after a failure the
 * fence, then every begun step is undone, the last first. What timed out is `unknown` and is probed, never assumed. A
 * compensation that waits or fails for good doesn't stop the independent ones.
 */
import { definitionOf, plannedSteps, SAGA_DEFINITIONS, type SagaDefinitions } from "./saga-definitions.ts";
import {
  diedInCall,
  entryOf,
  keyOf,
  needsCompensation,
  withEntry,
  type SagaAction,
  type SagaError,
  type SagaState,
} from "./saga-state.ts";
import { nextLook } from "./saga-surplus.ts";

export function startSaga(
  orderId: string,
  fence: number,
  suppliers: readonly string[],
  definition = SAGA_DEFINITIONS.current,
): SagaState {
  return {
    definition,
    orderId,
    fence,
    suppliers: [...suppliers].sort(),
    phase: "forward",
    steps: [],
    error: null,
    told: null,
    status: "Pending",
    waitUntil: 0,
    blockedSince: 0,
    takeOver: null,
    tries: 0,
    watching: [],
  };
}

export function nextAction(state: SagaState, now: number, definitions: SagaDefinitions = SAGA_DEFINITIONS): SagaAction {
  const look = nextLook(state);
  if (state.phase === "ended" && !look) return { do: "nothing" };
  if (state.waitUntil > now) return { do: "sleep", until: state.waitUntil };
  if (look) return look;
  if (state.takeOver) return { do: "take_over", ...state.takeOver, error: errorAfter(state) };
  const definition = definitionOf(definitions, state.definition);
  if (!definition && !isSettledByHand(state)) {
    return { do: "close", status: "NeedsAttention", error: unknownDefinition(state) };
  }
  if (state.phase === "fencing") return { do: "fence" };
  if (state.phase === "compensating") return nextCompensation(state, now);
  if (state.phase === "closing" || !definition) {
    const left = state.steps.findLast((one) => one.state === "compensation_failed")?.step;
    const at = left ?? (state.status === "NeedsAttention" ? state.error?.step : undefined);
    if (at) return { do: "close", status: "NeedsAttention", error: state.error, at };
    return { do: "close", status: state.status === "NeedsAttention" ? state.status : "Cancelled", error: state.error };
  }
  for (const step of plannedSteps(definition, state.suppliers)) {
    const entry = entryOf(state, step);
    if (entry.state === "done") continue;
    const mayHaveHappened = entry.state === "unknown" || diedInCall(entry);
    return {
      do: mayHaveHappened && step.startsWith("purchase:") ? "probe" : "run",
      step,
      key: keyOf(state, entry),
    };
  }
  return { do: "nothing" };
}

/** The last of those that may be tried now; while one waits, the others go on. */
function nextCompensation(state: SagaState, now: number): SagaAction {
  const left = state.steps.filter(needsCompensation);
  const entry = left.findLast(({ notBefore }) => notBefore <= now);
  if (entry) return { do: "compensate", step: entry.step, key: keyOf(state, entry) };
  return left.length === 0
    ? { do: "close", status: "NeedsAttention", error: state.error }
    : { do: "sleep", until: Math.min(...left.map(({ notBefore }) => notBefore)) };
}

/** A person has said how the order ends: only its closing is left, which is the same under every definition. */
function isSettledByHand(state: SagaState): boolean {
  return state.phase === "closing" && state.status === "Cancelled";
}

function unknownDefinition(state: SagaState): SagaError {
  return {
    step: state.steps.at(-1)?.step ?? "create",
    code: "UNKNOWN_DEFINITION",
    reason: `the order was begun under definition ${state.definition} of its saga, which this version doesn't know`,
  };
}

/** What is shown of an order once an operator's act has taken it over. */
function errorAfter({ takeOver, error, steps }: SagaState): SagaError | null {
  if (takeOver?.to === "Pending") return null;
  if (takeOver?.act.action !== "cancel") return error;
  return { step: steps.at(-1)?.step ?? "create", code: "CANCELLED", reason: takeOver.act.reason };
}

/** What must be on record before the action is carried out: the intent, its attempt, the compensation that it may need. */
export function begin(state: SagaState, action: SagaAction): SagaState {
  if (!("step" in action) || action.do === "recall" || action.do === "report") return state;
  const entry = entryOf(state, action.step);
  const died = diedInCall(entry);
  const doubtful = entry.doubtful || died;
  const sent = entry.sent || died;
  if (action.do === "run") {
    const sentAgain = entry.sentAgain || doubtful;
    return withEntry(state, { ...entry, state: "intended", attempt: entry.attempt + 1, doubtful, sent, sentAgain });
  }
  if (action.do === "probe") return withEntry(state, { ...entry, state: "unknown", doubtful: true, sent });
  const attempt = entry.state === "compensating" ? entry.attempt + 1 : 1;
  return withEntry(state, { ...entry, state: "compensating", attempt, notBefore: 0, doubtful, sent });
}
