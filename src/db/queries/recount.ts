/** Recomputes what must hold of stock from the ledger and reports each row that differs: none, for ever. */
import { sql, type SQL } from "drizzle-orm";
import type { Database } from "../database.ts";

export interface Discrepancy {
  readonly rule: string;
  readonly sku: string;
  readonly location: string;
  readonly expected: number;
  readonly found: number;
}

/** Of one rule. */
const MOST_REPORTED = 1_000;

/** What a counter of a level must be: the sum of other rows by place. */
const COUNTERS: readonly { readonly rule: string; readonly counter: string; readonly sum: SQL }[] = [
  {
    rule: "on_hand is the sum of its movements",
    counter: "on_hand",
    sum: sql`SELECT sku, location, SUM(quantity) AS q FROM stock_movements GROUP BY sku, location`,
  },
  {
    rule: "on_hand is the sum of its bins",
    counter: "on_hand",
    sum: sql`SELECT sku, location, SUM(quantity) AS q FROM stock_bins GROUP BY sku, location`,
  },
  {
    rule: "reserved is the sum of its open reservations",
    counter: "reserved",
    sum: sql`SELECT sku, location, SUM(quantity) AS q FROM reservations WHERE state = 'open' GROUP BY sku, location`,
  },
  {
    rule: "in_transit is the sum of its transfers",
    counter: "in_transit",
    sum: sql`SELECT l.sku, t.to_location AS location, SUM(l.quantity - l.received - l.rejected) AS q
      FROM transfers t JOIN transfer_lines l ON l.transfer_id = t.id
      WHERE t.state IN ('in_transit', 'partially_received') GROUP BY l.sku, t.to_location`,
  },
  {
    rule: "incoming is the sum of what purchase orders still bring",
    counter: "incoming",
    sum: sql`SELECT l.sku, p.incoming_at AS location, SUM(MAX(0, l.quantity - l.received - l.rejected)) AS q
      FROM purchase_orders p JOIN purchase_order_lines l ON l.purchase_order_id = p.id
      WHERE p.incoming_at IS NOT NULL AND p.status = 'placed' GROUP BY l.sku, p.incoming_at`,
  },
];

const OTHERS: readonly SQL[] = [
  sql`SELECT 'a movement has its level' AS rule, m.sku, m.location, SUM(m.quantity) AS expected, 0 AS found
    FROM stock_movements m
    WHERE NOT EXISTS (SELECT 1 FROM stock_levels l WHERE l.sku = m.sku AND l.location = m.location)
    GROUP BY m.sku, m.location`,
  sql`SELECT 'what was received has its movement' AS rule, r.sku, r.location, COALESCE(m.q, 0) AS expected, r.q AS found
    FROM (SELECT source, sku, location, SUM(received) AS q FROM receipts GROUP BY source, sku, location) r
    LEFT JOIN (SELECT source, sku, location, SUM(quantity) AS q FROM stock_movements WHERE kind = 'receipt'
               GROUP BY source, sku, location) m
      ON m.source = r.source AND m.sku = r.sku AND m.location = r.location
    WHERE r.q <> COALESCE(m.q, 0)`,
  sql`SELECT 'low stock is marked, and nothing else' AS rule, sku, location,
      minimum > 0 AND on_hand - reserved + incoming < minimum AS expected, low_mark IS NOT NULL AS found
    FROM stock_levels WHERE expected <> found`,
];

export const RECOUNT_STATEMENTS = COUNTERS.length + OTHERS.length;

/** Of the places of a region, or of all (null): a place that isn't known is in none. */
export async function recountStock(db: Database, region: string | null): Promise<Discrepancy[]> {
  const here = region === null ? sql`` : sql`WHERE location IN (SELECT id FROM locations WHERE region = ${region})`;
  const counted = COUNTERS.map(
    ({ rule, counter, sum }) => sql`SELECT ${rule} AS rule, sku, location, COALESCE(s.q, 0) AS expected,
        COALESCE(l.${sql.identifier(counter)}, 0) AS found
      FROM stock_levels l FULL JOIN (${sum}) s USING (sku, location) WHERE expected <> found`,
  );
  const found: Discrepancy[] = [];
  for (const query of [...counted, ...OTHERS]) {
    found.push(...(await db.all<Discrepancy>(sql`SELECT * FROM (${query}) ${here} LIMIT ${MOST_REPORTED}`)));
  }
  return found;
}
