/**
 * Parts whose prices are 0.01, 1.00, 100.00 and 10,000.00, so that any amount can be asked for to the cent and read off
 * the quantities: 1,000.01 is ten of HUNDRED and one of CENT. One family for each thing that a clause of the policy looks at.
 */
export interface Supplier {
  readonly id: string;
  readonly rating: 1 | 2 | 3 | 4 | 5;
  readonly preferred: boolean;
  /** Of each of its orders; amounts as "12.00". */
  readonly freight?: string;
}

export const SUPPLIERS: readonly Supplier[] = [
  { id: "acme", rating: 1, preferred: true },
  { id: "borealis", rating: 2, preferred: true },
  { id: "eastgate", rating: 3, preferred: false },
  { id: "fjord", rating: 2, preferred: false },
  { id: "ironwood", rating: 4, preferred: true },
  { id: "keystone", rating: 4, preferred: false },
  { id: "lakeshore", rating: 5, preferred: true },
  { id: "granite", rating: 3, preferred: true },
  /** Takes 10.00 for each order. */
  { id: "harbor", rating: 1, preferred: true, freight: "10.00" },
];

export interface Family {
  readonly prefix: string;
  readonly name: string;
  readonly category: string;
  readonly discontinued?: true;
  /** Where it comes from: the region's hub, or this supplier alone. */
  readonly from: "stock" | { readonly supplier: string };
}

export const FAMILIES = {
  plain: { prefix: "PLAIN", name: "Trailer body kit", category: "body", from: "stock" },
  electronics: { prefix: "ELEC", name: "Body electronics kit", category: "electronics", from: "stock" },
  discontinued: { prefix: "GONE", name: "Old chassis kit", category: "body", discontinued: true, from: "stock" },
  "from-acme": { prefix: "ACME", name: "Bought cab kit", category: "body", from: { supplier: "acme" } },
  /** Not preferred, rating 3. */
  "from-eastgate": { prefix: "EAST", name: "Bought door kit", category: "body", from: { supplier: "eastgate" } },
  /** Not preferred, rating 2. */
  "from-fjord": { prefix: "FJRD", name: "Bought floor kit", category: "body", from: { supplier: "fjord" } },
  /** Preferred, rating 4. */
  "from-ironwood": { prefix: "IRON", name: "Bought step kit", category: "body", from: { supplier: "ironwood" } },
  /** Not preferred, rating 4. */
  "from-keystone": { prefix: "KEYS", name: "Bought roof kit", category: "body", from: { supplier: "keystone" } },
  /** Preferred, rating 5. */
  "from-lakeshore": { prefix: "LAKE", name: "Bought ramp kit", category: "body", from: { supplier: "lakeshore" } },
  /** Preferred, rating 3. */
  "from-granite": { prefix: "GRAN", name: "Bought hatch kit", category: "body", from: { supplier: "granite" } },
  /** Preferred, rating 1, with 10.00 freight for each order. */
  "from-harbor": { prefix: "HARB", name: "Bought wing kit", category: "body", from: { supplier: "harbor" } },
} as const satisfies Record<string, Family>;
export type FamilyName = keyof typeof FAMILIES;

/** From the dearest: what one costs in minor units, and how its SKU and name end. */
export const DENOMINATIONS = [
  { price: 1_000_000, suffix: "10K", word: "10K" },
  { price: 10_000, suffix: "100", word: "100" },
  { price: 100, suffix: "1", word: "1" },
  { price: 1, suffix: "CENT", word: "CENT" },
] as const;

/** In stock in every hub, without a price (B2). */
export const UNPRICED = { sku: "FREE-1", name: "Decal of unknown price", category: "body" } as const;

export interface Line {
  readonly sku: string;
  readonly quantity: number;
}

/** "1,000.01" → 100001 minor units. */
export function minor(amount: string): number {
  const match = /^(\d{1,3}(?:,\d{3})*)\.(\d\d)$/.exec(amount);
  if (!match) throw new Error(`${amount} isn't written as an amount`);
  return Number(`${match[1]?.replaceAll(",", "")}${match[2]}`);
}

/** The fewest parts of a family that are worth exactly the amount. */
export function worth(amount: string, family: FamilyName = "plain"): Line[] {
  let left = minor(amount);
  const lines: Line[] = [];
  for (const { price, suffix } of DENOMINATIONS) {
    const quantity = Math.floor(left / price);
    left -= quantity * price;
    if (quantity > 0) lines.push({ sku: `${FAMILIES[family].prefix}-${suffix}`, quantity });
  }
  return lines;
}
