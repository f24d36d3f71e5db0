/**
 * The lines of a request in plain text, one line a part: "2 coolant pumps for the Volvo", "FILT-017 x 4", "a box of 5 A
 * fuses". A quantity is read only where it can't be a size; anything doubtful is a problem for the sender, not a guess.
 */
import type { InputProblem } from "./errors.ts";
import {
  MAX_TEXT_LENGTH,
  parseQuantity,
  shown,
  type FileLimits,
  type LinesResult,
  type RequestLine,
} from "./request-line.ts";
import { canonicalUnit, isMeasureWord, isUnitWord } from "./units.ts";

/** Bounds the work on one line, whatever is in it. */
const MAX_RAW_LINE = 600;
const MAX_PARTS_OF_A_LINE = 20;

const NUMBER_WORDS: ReadonlyMap<string, number> = new Map(
  ["one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"]
    .concat("eighteen nineteen twenty")
    .flatMap((words) => words.split(" "))
    .map((word, index) => [word, index + 1] as const),
);
const VAGUE = new Set(["few", "couple", "lot", "lots", "bunch", "number", "some", "several", "handful"]);
const MULTIPLIERS = new Set(["hundred", "hundreds", "thousand", "thousands", "million", "half"]);
const COURTESY = /^(?:(?:hi|hello|please|pls|kindly|i|we|need|needs|want|send|order|get|me|us|also|and)\b[\s,:]*)+/i;

type Part =
  | { readonly ok: true; readonly quantity: number; readonly unit?: string; readonly name: string }
  | { readonly ok: false; readonly detail: string };

const MISSING = "The quantity is missing: begin the line with a number, or end it with x and a number.";
const SIZE = "The number reads as a size: begin the line with how many are wanted, such as 2 x 5 A fuse.";

export function readTextLines(text: string, limits: FileLimits): LinesResult {
  const problems: InputProblem[] = [];
  const lines: RequestLine[] = [];
  for (const [index, raw] of text.split(/\r\n|\n|\r/).entries()) {
    const line = index + 1;
    const bare = raw.replaceAll(/\s+/g, " ").trim();
    if (bare.length > MAX_RAW_LINE) {
      problems.push({ line, value: shown(bare), detail: `The line is longer than ${MAX_RAW_LINE} characters.` });
      continue;
    }
    const written = tidy(bare);
    if (written === "") continue;
    for (const fragment of splitParts(written)) {
      const part = readPart(fragment);
      const detail = part.ok ? nameProblem(part.name) : part.detail;
      if (!part.ok || detail !== null) problems.push({ line, value: shown(fragment), detail: detail ?? "" });
      else lines.push(lineOf(Math.max(line, (lines.at(-1)?.line ?? 0) + 1), part));
    }
    if (lines.length > limits.maxLines) {
      return { ok: false, problems: [{ line, detail: `The file has more than ${limits.maxLines} lines.` }] };
    }
  }
  if (problems.length > 0) return { ok: false, problems };
  return lines.length > 0 ? { ok: true, lines } : { ok: false, problems: [{ line: 1, detail: "The file is empty." }] };
}

/** Without bullets, numbering, courtesies and the full stop. */
function tidy(bare: string): string {
  const line = bare.replace(/^[-*•–]\s+/, "").replace(/^\d+[.)]\s+(?=\S)/, "");
  return withoutTail(line.replace(COURTESY, ""), ".,; ");
}

/** Without the given characters at the end. A loop: a regular expression would take quadratic time on long runs. */
function withoutTail(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** "2 pumps, and a box of fuses" names two parts: cut only where both sides carry a quantity of their own. */
function splitParts(line: string): string[] {
  const pieces = line.split(/(\s*;\s*|\s*,\s*(?:and\s+)?|\s+(?:and|plus|&)\s+)/i);
  if (pieces.length > 2 * MAX_PARTS_OF_A_LINE) return [line];
  const parts: string[] = [];
  let current = pieces[0] ?? "";
  for (let i = 1; i < pieces.length; i += 2) {
    const next = pieces[i + 1] ?? "";
    if (readPart(current).ok && readPart(next).ok) {
      parts.push(current);
      current = next;
    } else current += (pieces[i] ?? "") + next;
  }
  return [...parts, current];
}

function readPart(fragment: string): Part {
  const leading = readSkuTimes(fragment) ?? readLeading(fragment);
  if (leading && (leading.ok || leading.detail !== SIZE)) return leading;
  return readTrailing(fragment) ?? leading ?? { ok: false, detail: MISSING }; // "12 V lamp x 3" begins with a size
}

function counted(written: string, unit: string | undefined, name: string): Part {
  const quantity = parseQuantity(written);
  if (!quantity.ok) return quantity;
  return { ok: true, quantity: quantity.quantity, name, ...(unit === undefined ? {} : { unit: canonicalUnit(unit) }) };
}

/** `FILT-017 x 4`, `FILT-017 4`, also for a SKU that begins with digits. */
function readSkuTimes(fragment: string): Part | null {
  const match = /^(\S+)\s+(?:[x×*]\s*)?([+-]?\d[\d.,/]*)\s*([a-z]+)?$/i.exec(fragment);
  const [, sku = "", written = "", unit] = match ?? [];
  if (!match || !looksLikeSku(sku)) return null;
  return unit === undefined || isUnitWord(unit) ? counted(written, unit, sku) : null;
}

/** `2 pumps`, `3x PUMP-001`, `two boxes of fuses`, `a box of 5 A fuses`. Null when the line begins with no number. */
function readLeading(fragment: string): Part | null {
  const [first = "", ...others] = fragment.split(" ");
  const token = /^([+-]?\d[\d.,/–-]*)([a-z×*]+)?$/i.exec(first);
  const word = NUMBER_WORDS.get(first.toLowerCase());
  const article = /^an?$/i.test(first);
  if (!token && word === undefined && !article) return null;
  const suffix = token?.[2];
  const times = suffix !== undefined && /^[x×*]$/i.test(suffix);
  if (suffix !== undefined && !times && (!isUnitWord(suffix) || isMeasureWord(suffix))) return null;
  const written = token?.[1] ?? String(word ?? 1);
  const rest = suffix !== undefined && !times ? [suffix, ...others] : others;
  const separated = times || /^[x×*]$/i.test(rest[0] ?? "");
  if (separated && !times) rest.shift();
  const next = (rest[0] ?? "").toLowerCase();
  if (rest.length === 0) return { ok: false, detail: "The line has a number but names no part." };
  if (article && VAGUE.has(next)) return { ok: false, detail: MISSING };
  if (MULTIPLIERS.has(next) || NUMBER_WORDS.has(next) || /^\d{3}$/.test(next)) {
    return { ok: false, detail: "Write the quantity as one number in digits." };
  }
  const of = rest[1]?.toLowerCase() === "of";
  if (isMeasureWord(next) && !separated && !article && !(of && isUnitWord(next))) return { ok: false, detail: SIZE };
  if (isCounter(next, of)) return counted(written, next, rest.slice(of ? 2 : 1).join(" "));
  return counted(written, undefined, rest.join(" "));
}

/** Is the word after the number a unit? "2 drum brakes" has none, "2 drums of oil" and "3 pcs PUMP-001" have. */
function isCounter(word: string, of: boolean): boolean {
  if (!isUnitWord(word)) return false;
  if (of || word === "dozen") return true;
  const unit = canonicalUnit(word);
  return unit === "each" ? !["unit", "item", "piece"].includes(word) : word.endsWith("es") || word === `${unit}s`;
}

/** `coolant pump x 2`, `coolant pump: 2 pcs`, `coolant pump qty 2`. */
function readTrailing(fragment: string): Part | null {
  const tail = /([+-]?\d[\d.,/]{0,20})\s?([a-z]{1,12})?$/i.exec(fragment);
  if (!tail) return null;
  const [, written = "", unit] = tail;
  const head = fragment.slice(0, tail.index);
  const separator = /(?:\s[x×*]|\sqty\.?:?|\squantity:?|\s?[:=,])\s?$/i.exec(head);
  if (!separator || (unit !== undefined && !isUnitWord(unit))) return null;
  const name = withoutTail(head.slice(0, separator.index), " ,:;-");
  // "bolt M8 x 40" is a bolt of 40 mm, not forty bolts.
  const times = /[x×*]\s?$/i.test(separator[0]);
  if (times && /(?:^|\s)[a-z]{0,2}\d+(?:[.,]\d+)?$/i.test(name)) return { ok: false, detail: SIZE };
  return counted(written, unit, name);
}

function nameProblem(name: string): string | null {
  if (!/\p{L}|\d{4}/u.test(name)) return "The line names no part.";
  return name.length > MAX_TEXT_LENGTH ? `The part's description is longer than ${MAX_TEXT_LENGTH} characters.` : null;
}

function looksLikeSku(name: string): boolean {
  if (!/\d/.test(name)) return false;
  return /^[a-z0-9]+(?:[-_./][a-z0-9]+)+$/i.test(name) || /^[A-Z]{2,}\d{2,}$/.test(name);
}

function lineOf(line: number, part: Extract<Part, { ok: true }>): RequestLine {
  const { name, quantity, unit } = part;
  return { line, ...(looksLikeSku(name) ? { sku: name } : { text: name }), quantity, unit };
}
