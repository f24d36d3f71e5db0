/** One counter of a place, for several parts at once: added to, or taken from as far as it is there. */
import { sql } from "drizzle-orm";
import type { GuardedWrite } from "../unit-of-work.ts";

export interface PartQuantity {
  readonly sku: string;
  readonly quantity: number;
}

type Counter = "on_hand" | "in_transit" | "incoming";

/** Summed per SKU, without what comes to nothing. */
export function totals(rows: readonly PartQuantity[]): PartQuantity[] {
  const sums = new Map<string, number>();
  for (const { sku, quantity } of rows) sums.set(sku, (sums.get(sku) ?? 0) + quantity);
  return [...sums].map(([sku, quantity]) => ({ sku, quantity })).filter(({ quantity }) => quantity !== 0);
}

/** `rows`: each SKU once. A place that never held the part gets its level here. */
export function addTo(counter: Counter, location: string, rows: readonly PartQuantity[]): GuardedWrite[] {
  if (rows.length === 0) return [];
  const name = sql.identifier(counter);
  return [
    {
      statement: sql`INSERT INTO stock_levels(sku, location, ${name})
        SELECT value ->> 'sku', ${location}, value ->> 'quantity' FROM json_each(${JSON.stringify(rows)}) WHERE true
        ON CONFLICT(sku, location) DO UPDATE SET ${name} = ${name} + excluded.${name}, version = version + 1`,
      expect: { rows: rows.length, otherwise: "CONFLICT" },
    },
  ];
}

/** `rows`: each SKU once. CONFLICT when one has less than that. */
export function takeFrom(
  counter: Exclude<Counter, "on_hand">,
  location: string,
  rows: readonly PartQuantity[],
): GuardedWrite[] {
  if (rows.length === 0) return [];
  const name = sql.identifier(counter);
  return [
    {
      statement: sql`UPDATE stock_levels SET ${name} = ${name} - d.quantity, version = version + 1
        FROM (SELECT value ->> 'sku' AS sku, value ->> 'quantity' AS quantity FROM json_each(${JSON.stringify(rows)})) AS d
        WHERE stock_levels.sku = d.sku AND stock_levels.location = ${location} AND stock_levels.${name} >= d.quantity`,
      expect: { rows: rows.length, otherwise: "CONFLICT" },
    },
  ];
}
