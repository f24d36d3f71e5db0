/**
 * The lattice of scrutiny. Two opinions join to the stricter one, so that an advice can raise a level and never lower
 * it.
 */
export const LEVELS = ["auto", "one", "two", "two_finance", "reject"] as const;
export type Level = (typeof LEVELS)[number];

/** The stricter of two levels. */
export function maxLevel(a: Level, b: Level): Level {
  return LEVELS.indexOf(a) >= LEVELS.indexOf(b) ? a : b;
}

/** The level that holds: the rules' floor, or a stricter advice. No advice leaves the floor. */
export function applyFloor(floor: Level, advice: { readonly level?: Level | undefined } | undefined): Level {
  return advice?.level === undefined ? floor : maxLevel(floor, advice.level);
}

/** How many distinct people a level asks for at least. */
export function approversNeeded(level: Level): number {
  return level === "auto" || level === "reject" ? 0 : level === "one" ? 1 : 2;
}
