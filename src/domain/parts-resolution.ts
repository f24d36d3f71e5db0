/**
 * From a line as someone wrote it to one part of a closed list of candidates, in the part's stock unit. What isn't
 * certain (a tie, a weak fit, a unit without a known size) goes back to the requester: nothing is guessed.
 */
import { formatMoney } from "./money.ts";
import { matchPart, type Match, type MatchablePart } from "./part-match.ts";
import type { ResolvedLine, UnresolvedLine } from "./request-context.ts";
import type { RequestLine } from "./request-line.ts";
import { canonicalUnit } from "./units.ts";

export const MIN_SCORE = 50;
/** How far the best must be ahead of the second. */
export const MIN_LEAD = 10;
export const MAX_SUGGESTIONS = 10;
const MAX_SUCCESSORS = 10;
/** Largest quantity of a line in stock units. */
export const MAX_STOCK_QUANTITY = 1_000_000_000;

export interface PartCandidate extends MatchablePart {
  readonly unit: string;
  /** Minor units per stock unit. */
  readonly listPrice: number;
  readonly currency: string;
  readonly barcode: string | null;
  readonly supersededBy: string | null;
  readonly discontinued: boolean;
  /** Other units in which the part is sold, with the stock units in one. */
  readonly packs: readonly { readonly unit: string; readonly size: number }[];
}

export type Resolution =
  | { readonly ok: true; readonly line: ResolvedLine }
  | { readonly ok: false; readonly line: UnresolvedLine };

type How = ResolvedLine["how"];

/**
 * Chooses the part of a line. `candidates` are rows of the catalogue: those that may be meant and, in any position,
 * their successors. Pure: the same line and candidates give the same answer, whatever their order.
 */
export function resolveLine(line: RequestLine, candidates: readonly PartCandidate[]): Resolution {
  if (line.sku !== undefined) {
    const [part, second] = partsByCode(line.sku, candidates);
    if (part && !second) return accept(line, part, codeKind(line.sku, part), candidates);
    if (part)
      return unresolved(line, "ambiguous", "The SKU fits more than one part: write it exactly.", [part, second]);
    return unresolved(line, "unknown_sku", "The catalogue has no part with this SKU.", []);
  }
  const text = line.text ?? "";
  const [part, second] = partsByCode(text, candidates);
  if (part && !second) return accept(line, part, codeKind(text, part), candidates);
  return resolveText(line, text, candidates);
}

/**
 * The part that a person or a model chose for a line. Anything that isn't one of `allowed` (the suggestions that were
 * offered) is refused with null; the same rules on successors, discontinued parts and units hold.
 */
export function resolveChoice(
  line: RequestLine,
  sku: string,
  allowed: readonly string[],
  candidates: readonly PartCandidate[],
): Resolution | null {
  const part = allowed.includes(sku) ? candidates.find((candidate) => candidate.sku === sku) : undefined;
  return part === undefined ? null : accept(line, part, "model", candidates);
}

function codeKind(code: string, part: PartCandidate): How {
  return foldAscii(part.sku) === foldAscii(code) ? "sku" : "barcode";
}

/** Only ASCII letters are folded: other folding would make look-alikes equal (the Kelvin sign folds to k). */
function foldAscii(text: string): string {
  return text.trim().replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function partsByCode(code: string, candidates: readonly PartCandidate[]): PartCandidate[] {
  const exact = candidates.filter((part) => part.sku === code.trim());
  if (exact.length > 0) return exact.slice(0, 1);
  const folded = uniqueBySku(candidates.filter((part) => foldAscii(part.sku) === foldAscii(code)));
  if (folded.length > 0) return folded;
  return uniqueBySku(candidates.filter((part) => part.barcode !== null && part.barcode === code.trim()));
}

function uniqueBySku(parts: readonly PartCandidate[]): PartCandidate[] {
  return [...new Map(parts.map((part) => [part.sku, part])).values()].sort((a, b) => (a.sku < b.sku ? -1 : 1));
}

interface Scored extends Match {
  readonly part: PartCandidate;
}

function resolveText(line: RequestLine, text: string, candidates: readonly PartCandidate[]): Resolution {
  const scored = uniqueBySku(candidates)
    .map((part): Scored => ({ part, ...matchPart(text, part) }))
    .filter((one) => one.found > 0)
    .sort((a, b) => Number(b.complete) - Number(a.complete) || b.score - a.score || (a.part.sku < b.part.sku ? -1 : 1));
  const complete = scored.filter((one) => one.complete);
  const exact = complete.filter((one) => one.exact);
  const contest = onePerFinalPart(exact.length > 0 ? exact : complete, candidates);
  const [best, second] = contest;
  if (!best) {
    const near = scored.filter((one) => one.sizes && one.found >= 0.5).map((one) => one.part);
    if (near.length > 0) return unresolved(line, "ambiguous", "No part has all of these words.", near);
    const options = scored.map((one) => one.part);
    return unresolved(line, "no_match", "No part of the catalogue fits these words.", options);
  }
  const fitting = contest.map((one) => one.part);
  if (best.score < MIN_SCORE) {
    return unresolved(line, "ambiguous", `The best fit scores ${best.score} of 100, too little to be sure.`, fitting);
  }
  if (second && best.score - second.score < MIN_LEAD) {
    const reason = `${best.part.sku} and ${second.part.sku} fit about as well (${best.score} and ${second.score} of 100).`;
    return unresolved(line, "ambiguous", reason, fitting);
  }
  return accept(line, best.part, "text", candidates, `the words fit ${best.score} of 100`);
}

/** A part and its predecessor are one choice; of equal fits, live parts before dead ones. */
function onePerFinalPart(scored: readonly Scored[], candidates: readonly PartCandidate[]): Scored[] {
  const finals = scored.map((one) => ({ one, final: finalPart(one.part, candidates) }));
  const live = finals.filter(({ final }) => final.ok && !final.part.discontinued);
  const seen = new Set<string>();
  const kept: Scored[] = [];
  for (const { one, final } of live.length > 0 ? live : finals) {
    const key = final.ok ? final.part.sku : one.part.sku;
    if (!seen.has(key)) kept.push(one);
    seen.add(key);
  }
  return kept;
}

type Final = { readonly ok: true; readonly part: PartCandidate } | { readonly ok: false; readonly reason: string };

/** The part that is supplied today: follows `supersededBy` to its end. A discontinued one can still be in stock. */
function finalPart(part: PartCandidate, candidates: readonly PartCandidate[]): Final {
  const path = [part];
  for (let current = part; current.supersededBy !== null;) {
    const next = candidates.find((candidate) => candidate.sku === current.supersededBy);
    if (next && path.includes(next)) {
      const circle = [...path, next].map(({ sku }) => sku).join(" → ");
      return { ok: false, reason: `The catalogue's replacements go round in a circle: ${circle}.` };
    }
    if (!next || path.length > MAX_SUCCESSORS)
      return { ok: false, reason: `${part.sku} was replaced by ${current.supersededBy}, which can't be supplied.` };
    path.push(next);
    current = next;
  }
  return { ok: true, part: path.at(-1) ?? part };
}

function accept(
  line: RequestLine,
  part: PartCandidate,
  how: How,
  candidates: readonly PartCandidate[],
  why?: string,
): Resolution {
  const final = finalPart(part, candidates);
  if (!final.ok) return unresolved(line, "discontinued", final.reason, []);
  const chosen = final.part;
  const converted = inStockUnits(line, chosen);
  if (!converted.ok) return unresolved(line, converted.kind, converted.reason, [chosen]);
  const reasons = [
    `${HOW_WORDS[how]} ${part.sku} ${part.name}${why === undefined ? "" : `: ${why}`}`,
    ...(chosen === part ? [] : [`${part.sku} is superseded by ${chosen.sku} ${chosen.name}`]),
    ...(chosen.discontinued ? [`${chosen.sku} is discontinued and has no successor: only what is in stock`] : []),
    ...(converted.reason === null ? [] : [converted.reason]),
    `list price ${formatMoney(chosen.listPrice, chosen.currency)} per ${canonicalUnit(chosen.unit)}`,
  ];
  const { sku, name, category, unit, listPrice, currency } = chosen;
  return {
    ok: true,
    line: {
      line: line.line,
      sku,
      name,
      category,
      unit,
      listPrice,
      currency,
      how,
      quantity: converted.quantity,
      reason: `${reasons.join("; ")}.`,
      ...(chosen.discontinued ? { discontinued: true } : {}),
      ...(line.neededBy === undefined ? {} : { neededBy: line.neededBy }),
    },
  };
}

const HOW_WORDS: Readonly<Record<How, string>> = {
  sku: "By SKU",
  barcode: "By barcode",
  text: "By description",
  model: "Chosen from the candidates:",
};

type Converted =
  | { readonly ok: true; readonly quantity: number; readonly reason: string | null }
  | { readonly ok: false; readonly kind: "unit" | "quantity"; readonly reason: string };

function inStockUnits(line: RequestLine, part: PartCandidate): Converted {
  const stock = canonicalUnit(part.unit);
  const asked = line.unit === undefined ? stock : canonicalUnit(line.unit);
  if (asked === stock) return { ok: true, quantity: line.quantity, reason: null };
  const known = part.packs.filter((pack) => canonicalUnit(pack.unit) === asked).map((pack) => pack.size);
  const sizes = [...new Set(asked === "dozen" && stock === "each" ? [12] : known)];
  const [size] = sizes;
  if (size === undefined || sizes.length > 1) {
    const why =
      sizes.length > 1 ? `packs of ${sizes.sort((a, b) => a - b).join(" and ")} exist` : "no pack size is known";
    return { ok: false, kind: "unit", reason: `${part.sku} is counted in ${stock} and ${why}: ask in ${stock}.` };
  }
  const quantity = line.quantity * size;
  if (quantity > MAX_STOCK_QUANTITY)
    return { ok: false, kind: "quantity", reason: `${quantity} ${stock} is too many.` };
  return { ok: true, quantity, reason: `${line.quantity} ${asked} of ${size} are ${quantity} ${stock}` };
}

function unresolved(
  line: RequestLine,
  kind: UnresolvedLine["kind"],
  reason: string,
  parts: readonly (PartCandidate | undefined)[],
): Resolution {
  const suggestions = parts
    .filter((part) => part !== undefined)
    .slice(0, MAX_SUGGESTIONS)
    .map(({ sku, name }) => ({ sku, name }));
  return { ok: false, line: { line: line.line, kind, reason, suggestions } };
}
