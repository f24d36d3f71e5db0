/**
 * Dead letters: a message that its consumer gave up, kept until a person decides. Letters with the same cause share a
 * fingerprint: what differs from case to case (ids, numbers, times, quoted values) is no part of it.
 */
import type { InputProblem } from "./errors.ts";

export const DEAD_LETTER_STATES = ["open", "redriven", "discarded"] as const;
export type DeadLetterState = (typeof DEAD_LETTER_STATES)[number];

/** One subscriber of an event, a command, or a message of another queue (or one that nobody can read). */
export type DeadLetterKind = "event" | "command" | "message";

/** Of a message that came without a sign of where from: it can't be sent there again. */
export const UNKNOWN_QUEUE = "unknown";

export interface Cause {
  readonly queue: string;
  /** Of the event or command; null: a message of another queue. */
  readonly type: string | null;
  readonly subscriber: string | null;
  readonly error: string;
}

/** What the fingerprint is the hash of. */
export function causeText({ queue, type, subscriber, error }: Cause): string {
  return JSON.stringify([queue, type, subscriber, normaliseError(error)]);
}

const MAX_NORMALISED_CHARS = 300;
/** Opened and closed like a quotation: the apostrophe of `isn't` opens nothing. */
const QUOTED = /(?<![\w])(["'`])(?:(?!\1).)*\1(?![\w])/g;
/** A word with a digit in it: a number, an id, a SKU, a device, a time, an address. */
const COUNTED = /[\w.:/@+-]*\d[\w.:/@+-]*/g;
/** A code such as `D1_ERROR` says what went wrong, whatever digits are in it. */
const CODE = /^[A-Z][A-Z0-9]*(?:_[A-Z]+)+[:.]?$/;

/** The error without what differs from case to case. */
export function normaliseError(text: string): string {
  return text
    .replaceAll(QUOTED, "<value>")
    .replaceAll(COUNTED, (word) => (CODE.test(word) ? word : "<id>"))
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, MAX_NORMALISED_CHARS);
}

/** What names an event: an edit that changed one of them would be another event. */
const FIXED = ["id", "type", "subject", "sequence"] as const;

/** What an edit changes that it may not: `[]` when it is still the same event. */
export function changedIdentity(original: object, edited: object): InputProblem[] {
  const [was, is] = [original, edited] as Readonly<Record<string, unknown>>[];
  return FIXED.filter((field) => was?.[field] !== is?.[field]).map((field) => ({
    pointer: `/event/${field}`,
    detail: `must stay ${JSON.stringify(was?.[field])}`,
  }));
}
