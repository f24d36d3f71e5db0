/**
 * What the breaker's object keeps beside the state: since when and by whom it is so, and what others haven't been told yet.
 * News leave the record only once they are told, so no transition is lost or told twice, however the object ends.
 */
import type { CircuitState, CircuitStep } from "./circuit-breaker.ts";

/** Who brought a change about, and why, as far as it is known. */
export interface Cause {
  readonly by: { readonly id: string; readonly kind: "person" | "device" | "agent" | "rule" | "system" };
  readonly reason: string | null;
  /** Of the request by which a person asked; null: the breaker's own doing. */
  readonly trace: { readonly traceparent: string; readonly correlationId: string } | null;
}

export const BY_ITSELF: Cause = { by: { id: "circuit-breaker", kind: "system" }, reason: null, trace: null };

/** `held`, `reset`: by hand, where the circuit was open or closed before. */
export interface News extends Cause {
  readonly revision: number;
  readonly what: "opened" | "closed" | "held" | "reset";
  /** In ms since the epoch. */
  readonly at: number;
}

export interface CircuitRecord {
  /** Rises with every change and is never below the change's time, so it rises over a loss of all that is kept, too. */
  readonly revision: number;
  /** The last revision that the list of breakers is known to show. */
  readonly shown: number;
  /** Since when it is closed, open, held or half open, in ms; null: from the beginning. */
  readonly since: number | null;
  readonly by: Cause["by"] | null;
  readonly reason: string | null;
  readonly untold: readonly News[];
  /** The intents of the last hands, so that one that comes twice acts once. */
  readonly intents: readonly string[];
}

/** A breaker's state with its record, as its object has it. */
export interface CircuitNow {
  readonly circuit: CircuitState;
  readonly record: CircuitRecord;
}

/** What a person does to a breaker, once for each intent. */
export interface Hand {
  readonly cause: Cause;
  readonly intent: string;
}

export const UNTOUCHED: CircuitRecord = {
  revision: 0,
  shown: 0,
  since: null,
  by: null,
  reason: null,
  untold: [],
  intents: [],
};

const KEPT_INTENTS = 20;

/** The record after a step from `before`; the very same one when the step changed nothing. */
export function recordStep(
  record: CircuitRecord,
  change: { readonly before: CircuitState; readonly step: CircuitStep; readonly cause: Cause; readonly at: number },
): CircuitRecord {
  const { before, step, cause, at } = change;
  if (step.state === before) return record;
  const revision = Math.max(record.revision + 1, at);
  const moved = modeOf(step.state) !== modeOf(before);
  const what = newsOf(before, step, cause);
  return {
    ...record,
    ...(moved && { since: at, by: cause.by, reason: cause.reason }),
    revision,
    untold: what === null ? record.untold : [...record.untold, { ...cause, revision, what, at }],
  };
}

/** `opened` and `closed` alternate; a probe's turns are no news, a hand always is. */
function newsOf(before: CircuitState, { state, transition }: CircuitStep, cause: Cause): News["what"] | null {
  if (transition === "opened" || transition === "closed") return transition;
  if (cause.by.kind === "system") return null;
  return state.kind === "closed" && before.kind === "closed" ? "reset" : "held";
}

function modeOf(state: CircuitState): string {
  return state.kind === "open" && state.until === "reset" ? "held" : state.kind;
}

/** Notes a hand's intent; null when it has acted before. */
export function noteIntent(record: CircuitRecord, intent: string): CircuitRecord | null {
  if (record.intents.includes(intent)) return null;
  return { ...record, intents: [...record.intents, intent].slice(-KEPT_INTENTS) };
}

export function isBehind(record: CircuitRecord): boolean {
  return record.untold.length > 0 || record.shown < record.revision;
}

/** After `news` was told, whether now or before. */
export function told(record: CircuitRecord, news: News): CircuitRecord {
  return { ...record, untold: record.untold.filter(({ revision }) => revision > news.revision) };
}

/** After the list was written as of `revision`. */
export function shownAt(record: CircuitRecord, revision: number): CircuitRecord {
  return { ...record, shown: Math.max(record.shown, revision) };
}

/** After someone saw the list show `revision`: one that is behind is written anew, one that is ahead is overtaken. */
export function seenAs(record: CircuitRecord, revision: number): CircuitRecord {
  if (revision === record.revision) return record;
  return { ...record, revision: revision > record.revision ? revision + 1 : record.revision, shown: 0 };
}
