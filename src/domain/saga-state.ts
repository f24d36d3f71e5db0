/**
 * What the order saga remembers of an order, what it may do next, and what may come of it. The state is JSON in the
 * object's journal: a field that is added has its value for older journals in `restoreSaga`.
 */
import type { Actor } from "./trace.ts";

export type StepName = "create" | "reserve" | `purchase:${string}` | "move" | "complete";

export type StepState =
  | "intended"
  | "done"
  | "failed"
  | "unknown"
  | "compensating"
  | "compensated"
  | "compensation_failed"
  /** Left as it is by a person, with a reason. */
  | "skipped";

export interface StepEntry {
  readonly step: StepName;
  readonly state: StepState;
  /** Real tries of the current direction. */
  readonly attempt: number;
  /** Raised when the step is begun anew (its reservation was gone): part of the idempotency key. */
  readonly round: number;
  /** Was the outcome ever unknown? Then a late acceptance is looked for after compensation. */
  readonly doubtful: boolean;
  /** Has a call of it been made, or may have been? An open breaker's refusal is none. */
  readonly sent: boolean;
  /** Was it sent once more after a call that got no usable answer? Then both may be accepted. */
  readonly sentAgain: boolean;
  readonly lateChecks: number;
  /** Its compensation isn't tried before this time (ms since the epoch); 0: now. */
  readonly notBefore: number;
  /** When an open breaker began to hold it up; 0: it doesn't. */
  readonly blockedSince: number;
}

export interface SagaError {
  readonly step: StepName;
  readonly code: string;
  readonly reason: string;
}

export type OperatorAction = "retry" | "skip" | "resolve" | "resume" | "cancel";

/** What a person asks of an order, with who and why. */
export interface OperatorAct {
  /** Of the intent: the same again is the same act. */
  readonly id: string;
  readonly action: OperatorAction;
  /** Of retry and skip. */
  readonly step: string | null;
  /** Of resolve. */
  readonly to: "Completed" | "Cancelled" | null;
  readonly reason: string;
  readonly by: Actor;
  readonly traceparent: string;
}

/** An act that was accepted and whose batch is yet to land. */
export interface TakeOver {
  readonly act: OperatorAct;
  /** Where the order stands in the database until then. */
  readonly from: "Pending" | "Cancelling" | "NeedsAttention";
  readonly to: "Pending" | "Cancelling";
}

export interface SagaState {
  readonly definition: number;
  readonly orderId: string;
  readonly fence: number;
  readonly suppliers: readonly string[];
  readonly phase: "forward" | "fencing" | "compensating" | "closing" | "taking_over" | "ended";
  readonly steps: readonly StepEntry[];
  readonly error: SagaError | null;
  /** What the last closing told people went wrong: not told again while the order doesn't go on. */
  readonly told: SagaError | null;
  readonly status: "Pending" | "Completed" | "Cancelled" | "NeedsAttention";
  /** Not before this time (ms since the epoch); 0: now. */
  readonly waitUntil: number;
  /** Since when an open breaker has held a step up, the earliest of them; 0: none is. */
  readonly blockedSince: number;
  readonly takeOver: TakeOver | null;
  /** How often in vain what is due was tried that is no step: the fence, a person's act, the closing. */
  readonly tries: number;
  /** Of a completed order: what its suppliers may have accepted beyond it is looked for. */
  readonly watching: readonly Watch[];
}

/** A purchase that was sent more than once, and what was found of it since the order was completed. */
export interface Watch {
  readonly step: StepName;
  /** Ms since the epoch. */
  readonly since: number;
  /** Looks after which nothing was too much. */
  readonly looks: number;
  /** Tries in vain of the look that is due. */
  readonly attempt: number;
  /** What couldn't be cancelled, to be told; null: nothing is known of such. */
  readonly left: SagaError | null;
}

export type SagaAction =
  | { readonly do: "run" | "probe" | "compensate"; readonly step: StepName; readonly key: string }
  /** Looks for what a supplier accepted beyond the order, and cancels it. */
  | { readonly do: "recall"; readonly step: StepName; readonly key: string }
  | { readonly do: "report"; readonly step: StepName; readonly key: string; readonly error: SagaError }
  | { readonly do: "fence" }
  | ({ readonly do: "take_over"; readonly error: SagaError | null } & TakeOver)
  | {
      readonly do: "close";
      readonly status: "Cancelled" | "NeedsAttention";
      readonly error: SagaError | null;
      /** The step that a person is to look at. */
      readonly at?: StepName;
    }
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
  /** Delay in ms before a batch that must land is sent again after its n-th try. */
  readonly repeatAfter: (tries: number) => number;
  readonly maxWaitMs: number;
  /** Added to the wait for an open circuit, drawn anew each time: not all that it held up come back at once. */
  readonly blockedSpreadMs: () => number;
  readonly lateCheckMs: number;
  readonly lateChecks: number;
}

/** A state as a journal holds it, of this version or an older one. */
export function restoreSaga(stored: unknown): SagaState {
  const state = stored as SagaState & { readonly closings?: number };
  const { closings: _, ...known } = state;
  return {
    ...known,
    told: state.told ?? null,
    takeOver: state.takeOver ?? null,
    tries: state.tries ?? state.closings ?? 0,
    watching: state.watching ?? [],
    steps: state.steps.map((entry) => ({
      ...entry,
      sent: entry.sent ?? true,
      sentAgain: entry.sentAgain ?? (entry.doubtful && entry.attempt > 1),
      notBefore: entry.notBefore ?? 0,
      blockedSince: entry.blockedSince ?? 0,
    })),
  };
}

export function entryOf(state: SagaState, step: StepName): StepEntry {
  const known = state.steps.find((entry) => entry.step === step);
  return known ?? { step, ...UNTRIED };
}

const UNTRIED: Omit<StepEntry, "step"> = {
  state: "intended",
  attempt: 0,
  round: 0,
  doubtful: false,
  sent: false,
  sentAgain: false,
  lateChecks: 0,
  notBefore: 0,
  blockedSince: 0,
};

/** The same for every attempt: `{order}:{supplier}` at a supplier, `{order}:{step}:{round}` in our inbox. */
export function keyOf(state: SagaState, entry: StepEntry): string {
  return entry.step.startsWith("purchase:")
    ? `${state.orderId}:${entry.step.slice("purchase:".length)}`
    : `${state.orderId}:${entry.step}:${entry.round}`;
}

/** The state with the entry of one step replaced, or registered. */
export function withEntry(state: SagaState, entry: StepEntry): SagaState {
  const known = state.steps.some((e) => e.step === entry.step);
  return {
    ...state,
    steps: known ? state.steps.map((e) => (e.step === entry.step ? entry : e)) : [...state.steps, entry],
  };
}

/** Every begun step does, until it is undone, given up, or left as it is. */
export function needsCompensation(entry: StepEntry): boolean {
  return entry.state !== "compensated" && entry.state !== "compensation_failed" && entry.state !== "skipped";
}

/** Begun with no outcome on record: whoever made that call died in it, and the other side may still carry it out. */
export function diedInCall(entry: StepEntry): boolean {
  return entry.state === "intended" && entry.attempt > 0;
}
