/** One line of a request as a file or a body gives it, and the limits and checks that every format shares. */
import type { InputProblem } from "./errors.ts";

/** Largest quantity of a line, in the unit asked for. */
export const MAX_QUANTITY = 1_000_000;
export const MAX_SKU_LENGTH = 100;
export const MAX_TEXT_LENGTH = 500;
export const MAX_UNIT_LENGTH = 30;
export const MAX_NOTE_LENGTH = 2_000;
/** A file with more wrong lines than this gets the first ones and a count of the rest. */
export const MAX_PROBLEMS = 100;

export interface FileLimits {
  readonly maxLines: number;
}

/** `line` is its number in the file. Exactly one of `sku` and `text` is set. */
export interface RequestLine {
  readonly line: number;
  readonly sku?: string | undefined;
  readonly text?: string | undefined;
  readonly quantity: number;
  readonly unit?: string | undefined;
  readonly note?: string | undefined;
  /** A date or an instant, UTC; else the request's. */
  readonly neededBy?: string | undefined;
}

export type LinesResult =
  | { readonly ok: true; readonly lines: readonly RequestLine[] }
  | { readonly ok: false; readonly problems: readonly InputProblem[] };

export type QuantityResult =
  | { readonly ok: true; readonly quantity: number }
  | { readonly ok: false; readonly detail: string };

/** A quantity as written: digits only, 1 to MAX_QUANTITY. Says what is wrong with anything else. */
export function parseQuantity(written: string): QuantityResult {
  const text = written.trim();
  if (text === "") return wrong("The quantity is missing.");
  if (/^-\s*\d/.test(text)) return wrong("The quantity is negative: it must be 1 or more.");
  if (/^\d+[.,/]\d+$/.test(text)) return wrong("The quantity must be a whole number, in digits without separators.");
  if (!/^\d+$/.test(text)) return wrong("The quantity is not a whole number in digits.");
  if (/^0+$/.test(text)) return wrong("The quantity is 0: it must be 1 or more.");
  const quantity = Number(text);
  if (quantity > MAX_QUANTITY) return wrong(`The quantity is too large: at most ${MAX_QUANTITY}.`);
  return { ok: true, quantity };
}

function wrong(detail: string): QuantityResult {
  return { ok: false, detail };
}

/** The value as it may be shown in a problem: at most 80 characters. */
export function shown(value: string): string {
  return value.length <= 80 ? value : `${value.slice(0, 79)}…`;
}

export function capProblems(problems: readonly InputProblem[]): readonly InputProblem[] {
  if (problems.length <= MAX_PROBLEMS) return problems;
  const rest = problems.length - MAX_PROBLEMS;
  return [...problems.slice(0, MAX_PROBLEMS), { detail: `${rest} more problems are not listed.` }];
}
