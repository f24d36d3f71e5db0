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

export interface BinPick extends BinStock {
  readonly sku: string;
}

export type PickedLines =
  | { readonly ok: true; readonly picks: BinPick[] }
  /** `holds`: what the named bin has left for that line; null: there is no such bin. No `bin`: all bins hold less. */
  | { readonly ok: false; readonly line: number; readonly bin?: string; readonly holds: number | null };

/** Bins for several lines, each bin once: first what a line names, then the fewest of what is left for the others. */
export function pickLines(
  lines: readonly { readonly sku: string; readonly quantity: number; readonly bin?: string | undefined }[],
  bins: readonly BinPick[],
): PickedLines {
  const keyOf = (sku: string, bin: string) => JSON.stringify([sku, bin]);
  const left = new Map(bins.map((one) => [keyOf(one.sku, one.bin), one.quantity]));
  const taken = new Map<string, BinPick>();
  const take = (sku: string, bin: string, quantity: number) => {
    const key = keyOf(sku, bin);
    left.set(key, (left.get(key) ?? 0) - quantity);
    taken.set(key, { sku, bin, quantity: quantity + (taken.get(key)?.quantity ?? 0) });
  };
  for (const [at, { sku, bin, quantity }] of lines.entries()) {
    if (bin === undefined) continue;
    const holds = left.get(keyOf(sku, bin)) ?? null;
    if (holds === null || holds < quantity) return { ok: false, line: at, bin, holds };
    take(sku, bin, quantity);
  }
  for (const [sku, own] of Map.groupBy(
    lines.filter(({ bin }) => bin === undefined),
    (line) => line.sku,
  )) {
    const here = bins
      .filter((one) => one.sku === sku)
      .map((one) => ({ bin: one.bin, quantity: left.get(keyOf(sku, one.bin)) ?? 0 }));
    const picks = pickBins(
      here,
      own.reduce((sum, { quantity }) => sum + quantity, 0),
    );
    if (!picks) return { ok: false, line: lines.findIndex((line) => line === own[0]), holds: null };
    for (const one of picks) take(sku, one.bin, one.quantity);
  }
  return { ok: true, picks: [...taken.values()] };
}
