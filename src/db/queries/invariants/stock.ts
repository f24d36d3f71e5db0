/** Invariant 1, beside the recount: bins and their movements, and what left one place for another. */
import { inRange, type Rule } from "./rule.ts";

/** By SKU. */
export const SKU_RULES: readonly Rule[] = [
  {
    rule: "1 a bin holds what its movements brought",
    sql: `SELECT 'stock/' || sku || '@' || location || '/' || bin AS subject, 'quantity of the bin' AS detail,
        COALESCE(m.q, 0) AS expected, COALESCE(b.quantity, 0) AS found
      FROM (SELECT sku, location, bin, SUM(quantity) AS q FROM stock_movements WHERE ${inRange("sku")}
            GROUP BY sku, location, bin) m
      FULL JOIN (SELECT sku, location, bin, quantity FROM stock_bins WHERE ${inRange("sku")}) b USING (sku, location, bin)
      WHERE COALESCE(m.q, 0) <> COALESCE(b.quantity, 0)`,
  },
];

/** Over whole tables: nothing finds the lines of a SKU but reading them all. */
export const TRANSFER_RULES: readonly Rule[] = [
  {
    rule: "1 what was shipped is in a transfer, or came back",
    sql: `SELECT 'part/' || sku AS subject, 'pieces of its transfers' AS detail, SUM(shipped) AS expected,
        SUM(moving) AS found
      FROM (SELECT sku, -quantity AS shipped, 0 AS moving FROM stock_movements WHERE kind IN ('ship', 'ship_reversal')
            UNION ALL
            SELECT l.sku, 0, l.quantity FROM transfers t JOIN transfer_lines l ON l.transfer_id = t.id
            WHERE t.state <> 'reversed')
      GROUP BY sku HAVING SUM(shipped) <> SUM(moving)`,
  },
];
