/**
 * What a scan says of a bin against what the books say: when the two can't both be right, and which movements make the
 * books follow the scan. Quantities are whole pieces in the part's stock unit.
 */

/** What a device saw with its own eyes: pieces taken from a bin, or the pieces counted in it. */
export interface Scan {
  readonly sku: string;
  readonly location: string;
  readonly bin: string;
  readonly says: "taken" | "counted";
  /** Taken: at least 1. Counted: at least 0. */
  readonly quantity: number;
}

export interface Books {
  readonly onHand: number;
  readonly reserved: number;
  readonly inBin: number;
  /** Of the stock level; 0 where nothing was ever kept. */
  readonly version: number;
}

/** `not_approved`: the scan was above the limit and nobody approved it. */
export type DiscrepancyKind = "shortage" | "count" | "stale" | "not_approved";

/** What the books expected the scan to find at most (taken: free in the bin) or exactly (counted). */
export function expectedBy(scan: Scan, books: Books): number {
  return scan.says === "counted" ? books.inBin : Math.max(0, Math.min(books.inBin, books.onHand - books.reserved));
}

/**
 * Whether scan and books contradict each other. A count is stale when others changed the level after the device looked:
 * `othersChanges` is how often. It then tells of a moment that has passed, unless it agrees with the books anyway.
 */
export function contradictionOf(
  scan: Scan,
  books: Books,
  othersChanges: number,
): "shortage" | "count" | "stale" | null {
  if (scan.says === "taken") return scan.quantity > expectedBy(scan, books) ? "shortage" : null;
  const difference = scan.quantity - books.inBin;
  if (difference !== 0 && othersChanges > 0) return "stale";
  return books.onHand + difference < books.reserved ? "count" : null;
}

/**
 * The movements after which the books say what the scan says, in order, none of them 0. Pieces that were taken and that
 * the books didn't know are found first, so that the trail tells both.
 */
export function correctionsOf(scan: Scan, books: Pick<Books, "inBin">): number[] {
  if (scan.says === "counted") return [scan.quantity - books.inBin].filter((change) => change !== 0);
  const unknown = scan.quantity - books.inBin;
  return unknown > 0 ? [unknown, -scan.quantity] : [-scan.quantity];
}
