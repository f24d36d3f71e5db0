/**
 * The vocabulary of units of quantity: one canonical name for what people, files and suppliers write in many ways.
 * A word that isn't here stays as it is (lower case), so that two equal unknown units still match.
 */
const SPELLINGS: Readonly<Record<string, readonly string[]>> = {
  each: ["each", "ea", "pc", "pcs", "pce", "piece", "pieces", "unit", "units", "stk", "item", "items"],
  box: ["box", "boxes", "bx"],
  pack: ["pack", "packs", "pk", "packet", "packets", "package", "packages"],
  case: ["case", "cases", "cs"],
  carton: ["carton", "cartons", "ctn"],
  crate: ["crate", "crates"],
  pallet: ["pallet", "pallets"],
  bag: ["bag", "bags"],
  roll: ["roll", "rolls"],
  reel: ["reel", "reels"],
  drum: ["drum", "drums"],
  can: ["can", "cans"],
  bottle: ["bottle", "bottles"],
  tube: ["tube", "tubes"],
  tin: ["tin", "tins"],
  set: ["set", "sets"],
  kit: ["kit", "kits"],
  pair: ["pair", "pairs", "pr"],
  dozen: ["dozen", "dozens", "dz"],
  litre: ["litre", "litres", "liter", "liters", "l", "ltr"],
  metre: ["metre", "metres", "meter", "meters", "m"],
  kilogram: ["kilogram", "kilograms", "kg", "kgs"],
  gram: ["gram", "grams", "g"],
};

/** Words after a number that say how large a thing is rather than how many are wanted ("a fuse of 5 A"). */
const MEASURES: ReadonlySet<string> = new Set(
  [
    "a amp amps ampere amperes ah ma v volt volts w watt watts kw hz",
    "mm cm m km inch inches in ft metre metres meter meters millimetre millimetres millimeter millimeters",
    "centimetre centimetres centimeter centimeters l litre litres liter liters ml cc",
    "kg kgs g gram grams kilogram kilograms bar psi nm degree degrees ton tons tonne tonnes t",
  ].flatMap((words) => words.split(" ")),
);

const CANONICAL: ReadonlyMap<string, string> = new Map(
  Object.entries(SPELLINGS).flatMap(([unit, spellings]) => spellings.map((spelling) => [spelling, unit] as const)),
);

/** `EA`, `pcs`, `Pieces` → `each`; an unknown word comes back trimmed and in lower case. */
export function canonicalUnit(unit: string): string {
  const word = unit.trim().toLowerCase().replace(/\.$/, "");
  return CANONICAL.get(word) ?? word;
}

/** True for a word that the vocabulary knows as a unit of quantity. */
export function isUnitWord(word: string): boolean {
  return CANONICAL.has(word.toLowerCase());
}

/** True for a word that measures a thing: `5 A`, `12 V`, `3 m`. */
export function isMeasureWord(word: string): boolean {
  return MEASURES.has(word.toLowerCase());
}
