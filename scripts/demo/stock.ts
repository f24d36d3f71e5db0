/** The demo fleet's opening stock: per level, SUM(movement) = on_hand = SUM(bins), and nothing is reserved. */
import { WAREHOUSES } from "./people-and-places.ts";
import type { Random } from "./random.ts";

/** When the demo fleet's stock was counted. In the past of every clock that runs it. */
export const OPENED_AT = "2026-01-05T06:00:00.000Z";

interface Holding {
  readonly location: string;
  readonly bins: readonly { readonly bin: string; readonly quantity: number }[];
}

/** Those parts whose stock the README and the demo count on. An empty list: it must be bought. */
const FIXED: Readonly<Record<string, readonly Holding[]>> = {
  "PUMP-001": [
    { location: "warehouse-03", bins: [{ bin: "Bin-A-12", quantity: 40 }] },
    { location: "warehouse-01", bins: [{ bin: "Bin-B-03", quantity: 12 }] },
    {
      location: "warehouse-04",
      bins: [
        { bin: "Bin-A-01", quantity: 9 },
        { bin: "Bin-C-07", quantity: 16 },
      ],
    },
  ],
  "ECU-001": [],
};

/** Where a part lies. About one in six lies nowhere. */
export function holdingsOf(sku: string, listPrice: number, random: Random): readonly Holding[] {
  const fixed = FIXED[sku];
  if (fixed) return fixed;
  if (random.chance(1 / 6)) return [];
  const most = listPrice < 5_000 ? 120 : listPrice < 30_000 ? 30 : 6; // dear parts are few
  return random.sample(WAREHOUSES, random.int(1, 4)).map(({ id }) => ({
    location: id,
    bins: binLabels(random).map((bin) => ({ bin, quantity: random.int(1, most) })),
  }));
}

function binLabels(random: Random): readonly string[] {
  const aisles = random.sample(["A", "B", "C", "D", "E", "F"], random.int(1, 3)).sort();
  return aisles.map((aisle) => `Bin-${aisle}-${String(random.int(1, 24)).padStart(2, "0")}`);
}

/** The rows of one part's opening stock. `newId` makes the movements' ids. */
export function openingStock(sku: string, holdings: readonly Holding[], newId: () => string) {
  const levels = holdings.map(({ location, bins }) => {
    const onHand = bins.reduce((sum, { quantity }) => sum + quantity, 0);
    return { sku, location, on_hand: onHand, minimum: Math.ceil(onHand / 4), maximum: onHand * 3 };
  });
  const bins = holdings.flatMap(({ location, bins: held }) => held.map((bin) => ({ sku, location, ...bin })));
  const movements = bins.map((bin) => ({ id: newId(), ...bin, kind: "opening", source: "demo-data", at: OPENED_AT }));
  return { levels, bins, movements };
}
