/**
 * How well a part of the catalogue fits what someone wrote: the words compared, singular or plural, with sizes ("5 A")
 * as one word. A part fits only if every meaningful word of the text is found in it.
 */
export interface MatchablePart {
  readonly sku: string;
  readonly name: string;
  readonly description: string;
  readonly category: string;
}

export interface Match {
  /** 0 to 100; 100 when text and name are the same words. */
  readonly score: number;
  readonly exact: boolean;
  /** Every meaningful word was found. */
  readonly complete: boolean;
  /** Share of the meaningful words found, 0 to 1. */
  readonly found: number;
  /** Every size in the text (a word with a digit) was found. */
  readonly sizes: boolean;
}

const FILLERS = new Set(
  "a an the of for to with and or in on my our your this that please pls need needs want we i some x asap urgent urgently".split(
    " ",
  ),
);
/** Words that help to tell parts apart where the catalogue has them, and don't count against a part where it hasn't. */
const SOFT = new Set(
  "truck trucks lorry lorries van vans vehicle vehicles car cars new spare replacement part parts".split(" "),
);

/** Spellings of the measures, the first of each is the one that is compared. */
const MEASURES: ReadonlyMap<string, string> = new Map(
  [
    ["a", "amp", "amps", "ampere", "amperes"],
    ["v", "volt", "volts"],
    ["w", "watt", "watts"],
    ["mm", "millimetre", "millimeter"],
    ["m", "metre", "meter"],
    ["l", "litre", "litres", "liter", "liters"],
    ["in", "inch", "inches"],
    ...["cm", "ml", "kg", "g", "bar", "psi", "nm", "ah"].map((unit) => [unit]),
  ].flatMap((spellings) => spellings.map((spelling): [string, string] => [spelling, spellings[0] ?? spelling])),
);
const MEASURED = new RegExp(String.raw`(\d)\s*(${[...MEASURES.keys()].join("|")})(?![\p{L}\p{N}])`, "gu");

/** The words of a text in lower case; `5 A`, `5A` and `5 amps` are one word `5a`, `1.5` is `1p5`. */
export function wordsOf(text: string): string[] {
  const plain = text
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/(\d)[.,](?=\d)/g, "$1p");
  const joined = plain.replaceAll(
    MEASURED,
    (_all, digit: string, unit: string) => `${digit}${MEASURES.get(unit) ?? unit}`,
  );
  return joined.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "");
}

/** What a word may be in the singular, itself included: `fuses` → fuses, fuse, fus. */
function formsOf(word: string): string[] {
  if (/\d/.test(word) || word.length < 4 || !word.endsWith("s") || word.endsWith("ss")) return [word];
  const forms = [word, word.slice(0, -1)];
  if (word.endsWith("es")) forms.push(word.slice(0, -2));
  if (word.endsWith("ies")) forms.push(`${word.slice(0, -3)}y`);
  return forms;
}

/** Every form of every word, for `includes`. */
function formSet(words: readonly string[]): ReadonlySet<string> {
  return new Set(words.flatMap(formsOf));
}

function includes(forms: ReadonlySet<string>, word: string): boolean {
  return formsOf(word).some((form) => forms.has(form));
}

const NAMED = 1;
const DESCRIBED = 0.6;
const FIT_WEIGHT = 60;
const NAME_WEIGHT = 40;

/** Compares a text with one part. Words of the name or SKU count fully, those of description and category less. */
export function matchPart(text: string, part: MatchablePart): Match {
  const words = [...new Set(wordsOf(text))].filter((word) => !FILLERS.has(word));
  const name = [...new Set(wordsOf(part.name))].filter((word) => !FILLERS.has(word));
  const named = formSet([...name, ...wordsOf(part.sku)]);
  const described = formSet(wordsOf(`${part.description} ${part.category}`));
  const hard = words.filter((word) => !SOFT.has(word) || includes(named, word));
  if (hard.length === 0) return { score: 0, exact: false, complete: false, found: 0, sizes: false };
  const weights = hard.map((word) => (includes(named, word) ? NAMED : includes(described, word) ? DESCRIBED : 0));
  const found = weights.filter((weight) => weight > 0).length / hard.length;
  const asked = formSet(words);
  const covered = name.length === 0 ? 0 : name.filter((word) => includes(asked, word)).length / name.length;
  const fit = weights.reduce<number>((sum, weight) => sum + weight, 0) / hard.length;
  const exact = covered === 1 && fit === NAMED;
  const score = exact ? 100 : Math.min(99, Math.round(FIT_WEIGHT * fit + NAME_WEIGHT * covered));
  const sizes = hard.every((word, index) => !/\d/.test(word) || (weights[index] ?? 0) > 0);
  return { score, exact, complete: found === 1, found, sizes };
}
