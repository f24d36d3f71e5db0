/** Recomputes what must hold of stock from the ledger and reports each row that differs: none, for ever. */
import { sql } from "drizzle-orm";
import type { Database } from "../database.ts";

export interface Discrepancy {
  readonly rule: string;
  readonly sku: string;
  readonly location: string;
  readonly expected: number;
  readonly found: number;
}

export async function recountStock(db: Database): Promise<Discrepancy[]> {
  return db.all<Discrepancy>(sql`
    WITH moved AS (SELECT sku, location, SUM(quantity) AS q FROM stock_movements GROUP BY sku, location),
      binned AS (SELECT sku, location, SUM(quantity) AS q FROM stock_bins GROUP BY sku, location),
      held AS (SELECT sku, location, SUM(quantity) AS q FROM reservations WHERE state = 'open' GROUP BY sku, location),
      moving AS (SELECT l.sku, t.to_location AS location, SUM(l.quantity) AS q FROM transfers t
                 JOIN transfer_lines l ON l.transfer_id = t.id WHERE t.state = 'in_transit' GROUP BY l.sku, t.to_location)
    SELECT * FROM (
      SELECT 'on_hand is the sum of its movements' AS rule, l.sku, l.location, COALESCE(m.q, 0) AS expected, l.on_hand AS found
        FROM stock_levels l LEFT JOIN moved m ON m.sku = l.sku AND m.location = l.location
      UNION ALL
      SELECT 'on_hand is the sum of its bins', l.sku, l.location, COALESCE(b.q, 0), l.on_hand
        FROM stock_levels l LEFT JOIN binned b ON b.sku = l.sku AND b.location = l.location
      UNION ALL
      SELECT 'reserved is the sum of its open reservations', l.sku, l.location, COALESCE(h.q, 0), l.reserved
        FROM stock_levels l LEFT JOIN held h ON h.sku = l.sku AND h.location = l.location
      UNION ALL
      SELECT 'in_transit is the sum of its transfers', l.sku, l.location, COALESCE(t.q, 0), l.in_transit
        FROM stock_levels l LEFT JOIN moving t ON t.sku = l.sku AND t.location = l.location
      UNION ALL
      SELECT 'a movement has its level', m.sku, m.location, m.q, 0 FROM moved m
        WHERE NOT EXISTS (SELECT 1 FROM stock_levels l WHERE l.sku = m.sku AND l.location = m.location)
    ) WHERE expected <> found LIMIT 1000`);
}
