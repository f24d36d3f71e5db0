/** Pure arithmetic of stock: demand summed per place, and bins chosen when picking. */

export interface PlaceDemand {
  readonly sku: string;
  readonly location: string;
  readonly quantity: number;
}

/** Demand summed per (sku, location), so that two lines of one part are checked as one. Order: by SKU, then location. */
export function sumDemand(lines: readonly PlaceDemand[]): PlaceDemand[] {
  const sums = new Map<string, PlaceDemand>();
  for (const line of lines) {
    const key = JSON.stringify([line.sku, line.location]);
    const known = sums.get(key);
    sums.set(key, { ...line, quantity: line.quantity + (known?.quantity ?? 0) });
  }
  return [...sums.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}

export interface BinStock {
  readonly bin: string;
  readonly quantity: number;
}

/** Which bins to take `quantity` from: the fewest (fullest first). Null when the bins hold less. */
export function pickBins(bins: readonly BinStock[], quantity: number): BinStock[] | null {
  const picks: BinStock[] = [];
  let missing = quantity;
  for (const bin of [...bins].sort((a, b) => b.quantity - a.quantity || (a.bin < b.bin ? -1 : 1))) {
    if (missing === 0) break;
    const take = Math.min(bin.quantity, missing);
    if (take > 0) picks.push({ bin: bin.bin, quantity: take });
    missing -= take;
  }
  return missing === 0 ? picks : null;
}
