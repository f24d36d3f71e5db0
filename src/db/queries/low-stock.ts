/**
 * The mark of low stock: a place is low while on_hand - reserved + incoming < minimum. Whoever changes one of these adds
 * these writes to its batch, so that each crossing is told once, by the batch that crossed.
 */
import { sql } from "drizzle-orm";
import type { EventGroup, GuardedWrite } from "../unit-of-work.ts";

export interface StockPlace {
  readonly sku: string;
  readonly location: string;
  readonly region: string;
}

const IS_LOW = sql`(minimum > 0 AND on_hand - reserved + incoming < minimum)`;

/** Touches only rows that cross, either way. `mark`: of this batch alone. */
export function markLow(mark: string, places: readonly Omit<StockPlace, "region">[]): GuardedWrite {
  const named = JSON.stringify(places.map(({ sku, location }) => ({ sku, location })));
  return {
    statement: sql`UPDATE stock_levels SET low_mark = CASE WHEN ${IS_LOW} THEN ${mark} END
      FROM (SELECT DISTINCT value ->> 'sku' AS sku, value ->> 'location' AS location FROM json_each(${named})) AS d
      WHERE stock_levels.sku = d.sku AND stock_levels.location = d.location AND ${IS_LOW} <> (low_mark IS NOT NULL)`,
  };
}

/** An event for each of these places (each once) that this batch has brought below its minimum. */
export function stockBelowMinimum(
  mark: string,
  places: readonly StockPlace[],
  at: string,
): EventGroup<"StockBelowMinimum"> {
  return {
    drafts: places.map(({ sku, location, region }) => ({
      type: "StockBelowMinimum",
      subject: `stock/${sku}@${location}`,
      region,
      sequence: 0,
      data: { sku, location, on_hand: 0, reserved: 0, incoming: 0, minimum: 1, timestamp: at },
    })),
    keep: sql`JOIN stock_levels l ON l.sku = d.data ->> 'sku' AND l.location = d.data ->> 'location' WHERE l.low_mark = ${mark}`,
    fill: {
      "$.data.on_hand": sql`l.on_hand`,
      "$.data.reserved": sql`l.reserved`,
      "$.data.incoming": sql`l.incoming`,
      "$.data.minimum": sql`l.minimum`,
      "$.sequence": sql`l.version`,
    },
  };
}
