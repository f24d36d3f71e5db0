/**
 * What a person may do about an order, decided like everything else by its state: nothing is Completed whose stock hasn't
 * moved, nothing is Cancelled past the point of no return, and after the fence there is no way forward any more.
 */
import { definitionOf, plannedSteps, SAGA_DEFINITIONS, type SagaDefinitions } from "./saga-definitions.ts";
import {
  diedInCall,
  entryOf,
  needsCompensation,
  withEntry,
  type OperatorAct,
  type OperatorAction,
  type SagaState,
  type StepEntry,
  type StepName,
  type TakeOver,
} from "./saga-state.ts";

export interface Possible {
  readonly action: OperatorAction;
  /** Of retry and skip. */
  readonly step?: StepName;
  /** Of resolve. */
  readonly to?: "Completed" | "Cancelled";
}

export type Applied =
  | { readonly ok: true; readonly state: SagaState }
  | { readonly ok: false; readonly reason: string; readonly possible: readonly Possible[] };

/** Whether an act was taken up; if not, why, and what may be asked instead. */
export type ActAnswer =
  | { readonly accepted: true }
  | { readonly accepted: false; readonly reason: string; readonly possible: readonly Possible[] };

/** Everything that a person may ask of the order as it stands. */
export function possibleActs(state: SagaState, definitions: SagaDefinitions = SAGA_DEFINITIONS): readonly Possible[] {
  const waitsForPerson = state.phase === "ended" && state.status === "NeedsAttention";
  const definition = definitionOf(definitions, state.definition);
  if (!definition) return waitsForPerson ? [{ action: "resolve", to: "Cancelled" }] : [];
  if (state.phase === "forward") return possibleForward(state, currentStep(state, definition));
  if (state.phase === "compensating") return possibleBackward(state);
  if (!waitsForPerson) return [];
  if (isUndoing(state)) return possibleLeft(state);
  const current = currentStep(state, definition);
  const settled: Possible[] = current === "complete" ? [{ action: "resolve", to: "Completed" }] : [];
  return [...possibleForward(state, current), { action: "resume" }, ...settled];
}

/** The first step that isn't done. */
function currentStep(state: SagaState, definition: Parameters<typeof plannedSteps>[0]): StepName {
  const left = plannedSteps(definition, state.suppliers).find((step) => entryOf(state, step).state !== "done");
  return left ?? "complete";
}

function possibleForward(state: SagaState, current: StepName): Possible[] {
  const begun = state.steps.some(({ step }) => step === current);
  return [
    ...(begun ? [{ action: "retry", step: current } as const] : []),
    ...(entryOf(state, "move").state === "done" ? [] : [{ action: "cancel" } as const]),
  ];
}

function possibleBackward({ steps }: SagaState): Possible[] {
  const open = steps.filter(({ state }) => state === "compensating" || state === "compensation_failed");
  return [
    ...open.map(({ step }): Possible => ({ action: "retry", step })),
    ...open.filter(({ step }) => step.startsWith("purchase:")).map(({ step }): Possible => ({ action: "skip", step })),
  ];
}

/** What a compensation left behind. Moved stock that couldn't be put back is left only where it has arrived, see `takeOver`. */
function possibleLeft(state: SagaState): Possible[] {
  const move = state.steps.find(({ step }) => step === "move");
  const stands = move !== undefined && move.state !== "compensated" && move.state !== "skipped";
  return [
    ...possibleBackward(state),
    ...(stands ? [{ action: "skip", step: "move" } as const] : [{ action: "resolve", to: "Cancelled" } as const]),
  ];
}

/** Has the undoing begun? */
function isUndoing({ steps }: SagaState): boolean {
  return steps.some((entry) => entry.state === "compensating" || !needsCompensation(entry));
}

/** Accepts the act, or says what is possible instead. Its effect comes with the batch that takes the order over. */
export function applyAction(
  state: SagaState,
  act: OperatorAct,
  definitions: SagaDefinitions = SAGA_DEFINITIONS,
): Applied {
  const possible = possibleActs(state, definitions);
  const fits = possible.some(
    ({ action, step, to }) => action === act.action && (step ?? null) === act.step && (to ?? null) === act.to,
  );
  if (!fits) return { ok: false, reason: whyNot(state, act, possible), possible };
  const from = standsAt(state);
  const isForward = act.action === "resume" || act.to === "Completed" || (act.action === "retry" && !isUndoing(state));
  const takeOver: TakeOver = { act, from, to: isForward ? "Pending" : "Cancelling" };
  return { ok: true, state: { ...state, phase: "taking_over", waitUntil: 0, takeOver } };
}

function standsAt(state: SagaState): TakeOver["from"] {
  if (state.phase === "ended") return "NeedsAttention";
  return state.phase === "compensating" ? "Cancelling" : "Pending";
}

function whyNot(state: SagaState, act: OperatorAct, possible: readonly Possible[]): string {
  const what = [act.action, act.step, act.to === null ? null : `as ${act.to}`].filter((one) => one !== null).join(" ");
  if (state.phase === "ended" && state.status !== "NeedsAttention") return `${what}: the order is ${state.status}`;
  if (act.action === "cancel" && entryOf(state, "move").state === "done") {
    return `too late to cancel: the order's stock has moved; possible now: ${inWords(possible)}`;
  }
  const now = state.phase === "ended" ? "needs attention" : `is ${WORDS[state.phase]}`;
  return `${what} isn't possible while the order ${now}; possible now: ${inWords(possible)}`;
}

const WORDS: Readonly<Record<Exclude<SagaState["phase"], "ended">, string>> = {
  forward: "on its way",
  fencing: "being cancelled",
  compensating: "being cancelled",
  closing: "being closed",
  taking_over: "being taken over by another act",
};

function inWords(possible: readonly Possible[]): string {
  if (possible.length === 0) return "nothing, but to wait";
  return possible.map(({ action, step, to }) => [action, step, to].filter(Boolean).join(" ")).join(", ");
}

/** The batch has landed: the fence is raised, and the act takes effect. */
export function settleTakenOver(
  state: SagaState,
  { act, to, error }: TakeOver & { readonly error: SagaState["error"] },
): SagaState {
  const taken: SagaState = {
    ...state,
    fence: state.fence + 1,
    takeOver: null,
    tries: 0,
    status: "Pending",
    error,
    steps: state.steps.map(rested),
  };
  if (to === "Pending") return { ...taken, phase: "forward", told: null, steps: taken.steps.map(afresh) };
  if (act.action === "resolve") {
    const steps = taken.steps.map((entry): StepEntry =>
      needsSettling(entry) ? { ...entry, state: "skipped" } : entry,
    );
    return { ...taken, steps, phase: "closing", status: "Cancelled" };
  }
  const asked = act.step === null ? undefined : taken.steps.find(({ step }) => step === act.step);
  const changed = asked
    ? withEntry(taken, act.action === "skip" ? { ...asked, state: "skipped" } : again(asked))
    : taken;
  return { ...changed, phase: changed.steps.some(needsCompensation) ? "compensating" : "closing" };
}

function needsSettling(entry: StepEntry): boolean {
  return entry.state === "compensation_failed" || needsCompensation(entry);
}

function rested(entry: StepEntry): StepEntry {
  return { ...entry, notBefore: 0, blockedSince: 0 };
}

/** Attempts afresh. What may have happened stays in doubt. */
function afresh(entry: StepEntry): StepEntry {
  if (entry.state === "done") return entry;
  const died = diedInCall(entry);
  return { ...entry, attempt: 0, state: died ? "unknown" : entry.state, doubtful: entry.doubtful || died };
}

function again(entry: StepEntry): StepEntry {
  return { ...entry, state: "compensating", attempt: 0, lateChecks: 0 };
}
