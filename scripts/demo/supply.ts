/** Who supplies the demo fleet, and at which terms: order units, minimum quantities, lead times, falling prices. */
import type { Category } from "./catalogue.ts";
import type { Random } from "./random.ts";

interface Supplier {
  readonly id: string;
  readonly name: string;
  readonly rating: number;
  readonly preferred: boolean;
  readonly categories: readonly Category[];
  /** Of its orders and its freight, US dollars if not said; amounts are hundredths. */
  readonly currency?: string;
  readonly freight?: { readonly flat: number; readonly freeFrom: number | null; readonly perLine: number };
}

export const SUPPLIERS: readonly Supplier[] = [
  {
    id: "acme",
    name: "Acme Fleet Supply",
    rating: 1,
    preferred: true,
    categories: ["electronics", "electrical", "cooling"],
  },
  {
    id: "borealis",
    name: "Borealis Truck Parts",
    rating: 2,
    preferred: true,
    categories: ["cooling", "engine", "fuel"],
  },
  { id: "cascade", name: "Cascade Brake & Axle", rating: 1, preferred: true, categories: ["brakes", "suspension"] },
  { id: "delmar", name: "Delmar Filtration", rating: 2, preferred: true, categories: ["filters", "fuel"] },
  { id: "eastgate", name: "Eastgate Diesel", rating: 3, preferred: false, categories: ["engine", "fuel", "exhaust"] },
  {
    id: "fjord",
    name: "Fjord Electric",
    rating: 2,
    preferred: false,
    categories: ["electrical", "electronics"],
    currency: "EUR",
    freight: { flat: 3_500, freeFrom: 150_000, perLine: 0 },
  },
  { id: "granite", name: "Granite Hydraulics", rating: 1, preferred: true, categories: ["hydraulics"] },
  { id: "harbor", name: "Harbor Drivetrain", rating: 2, preferred: true, categories: ["transmission", "suspension"] },
  { id: "ironwood", name: "Ironwood Body & Cab", rating: 3, preferred: true, categories: ["body"] },
  { id: "juniper", name: "Juniper Emissions", rating: 2, preferred: true, categories: ["exhaust", "filters"] },
  {
    id: "keystone",
    name: "Keystone General Parts",
    rating: 4,
    preferred: false,
    categories: ["body", "brakes", "filters", "hydraulics"],
    freight: { flat: 1_500, freeFrom: 25_000, perLine: 0 },
  },
  {
    id: "lakeshore",
    name: "Lakeshore Rebuilders",
    rating: 4,
    preferred: false,
    categories: ["electrical", "engine", "transmission"],
    freight: { flat: 2_000, freeFrom: null, perLine: 250 },
  },
];

/** Billionths of a dollar for a euro. */
export const EXCHANGE_RATES = [{ from_currency: "EUR", to_currency: "USD", as_of: "2026-01-05", rate: 1_085_000_000 }];

export interface Offer {
  readonly supplier: string;
  readonly unit: string;
  /** Stock units in one order unit. */
  readonly pack: number;
  readonly moq: number;
  readonly max_order_quantity: number | null;
  readonly lead_time_days: number;
  readonly breaks: readonly { readonly min_quantity: number; readonly unit_price: number }[];
}

interface Supplied {
  readonly sku: string;
  readonly category: Category;
  readonly unit: string;
  readonly list_price: number;
}

/** Those parts whose terms the README and the demo count on. */
const FIXED: Readonly<Record<string, readonly Offer[]>> = {
  "PUMP-001": [
    offer("acme", 3, [
      [1, 12_900],
      [10, 11_900],
      [50, 10_900],
    ]),
    offer("borealis", 6, [
      [1, 11_800],
      [20, 10_700],
    ]),
  ],
  "ECU-001": [
    offer("acme", 2, [
      [1, 84_900],
      [10, 81_500],
      [50, 77_900],
    ]),
  ],
};

function offer(supplier: string, lead_time_days: number, breaks: readonly (readonly [number, number])[]): Offer {
  return {
    supplier,
    unit: "each",
    pack: 1,
    moq: 1,
    max_order_quantity: null,
    lead_time_days,
    breaks: breaks.map(([min_quantity, unit_price]) => ({ min_quantity, unit_price })),
  };
}

/** One to three offers, at most one a supplier; Acme is among them for everything electronic. */
export function offersFor(part: Supplied, random: Random): readonly Offer[] {
  const fixed = FIXED[part.sku];
  if (fixed) return fixed;
  const able = SUPPLIERS.filter((supplier) => supplier.categories.includes(part.category)).map(({ id }) => id);
  const drawn = random.sample(able, random.int(1, 3));
  const chosen = part.category === "electronics" ? [...new Set(["acme", ...drawn])] : drawn;
  return chosen.map((supplier) => drawnOffer(supplier, part, random));
}

function drawnOffer(supplier: string, part: Supplied, random: Random): Offer {
  const { pack, unit } = packing(part, random);
  const moq = pack * (random.chance(0.3) ? random.int(2, 4) : 1);
  const steps = [1, moq * 10, moq * 50].slice(0, random.int(1, 3));
  let price = Math.max(1, Math.round(part.list_price * (0.68 + random.next() * 0.22)));
  const breaks = steps.map((min_quantity, at) => {
    if (at > 0) price = Math.max(1, Math.floor(price * (0.9 + random.next() * 0.06)));
    return { min_quantity, unit_price: price };
  });
  return {
    supplier,
    unit,
    pack,
    moq,
    max_order_quantity: random.chance(0.1) ? moq * 100 : null,
    lead_time_days: random.int(1, 21),
    breaks,
  };
}

/** What is cheap or measured out comes by the case, drum or roll; the rest one by one. */
function packing(part: Supplied, random: Random): { pack: number; unit: string } {
  if (part.unit === "litre") return { pack: random.pick([20, 60, 208]), unit: "drum" };
  if (part.unit === "metre") return { pack: random.pick([10, 25]), unit: "roll" };
  if (part.list_price < 5_000 && random.chance(0.6)) return { pack: random.pick([6, 10, 12]), unit: "case" };
  return { pack: 1, unit: part.unit };
}
