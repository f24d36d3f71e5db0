/** Invariants 1 and 2: stock is the sum of what happened to it, and an order's purchases and moves are as it ended. */
import { LEFT_AS_IT_WAS, type Check } from "./check.ts";

const LIVE_PURCHASE = "status NOT IN ('cancelled', 'rejected')";

/** Orders whose stock has moved: a batch of step 4 is committed, and none has undone it. */
const MOVED = `SELECT DISTINCT o.id, o.destination FROM orders o
  JOIN inbox i ON i.scope = 'saga' AND i.id IN (o.id || ':move:0', o.id || ':move:1', o.id || ':move:2')
  WHERE NOT EXISTS (SELECT 1 FROM inbox u WHERE u.scope = 'saga'
    AND u.id IN (o.id || ':move:0:undo', o.id || ':move:1:undo', o.id || ':move:2:undo'))`;

export const STOCK: readonly Check[] = [
  {
    rule: "1 on_hand is the sum of its movements",
    sql: `SELECT l.sku || '@' || l.location || ': ' || l.on_hand || ', movements ' || COALESCE(m.q, 0) AS what
      FROM stock_levels l
      LEFT JOIN (SELECT sku, location, SUM(quantity) AS q FROM stock_movements GROUP BY sku, location) m USING (sku, location)
      WHERE l.on_hand <> COALESCE(m.q, 0)`,
  },
  {
    rule: "1 on_hand is the sum of its bins",
    sql: `SELECT l.sku || '@' || l.location || ': ' || l.on_hand || ', bins ' || COALESCE(b.q, 0) AS what
      FROM stock_levels l
      LEFT JOIN (SELECT sku, location, SUM(quantity) AS q FROM stock_bins GROUP BY sku, location) b USING (sku, location)
      WHERE l.on_hand <> COALESCE(b.q, 0)`,
  },
  {
    rule: "1 a bin holds what its movements brought",
    sql: `SELECT m.sku || '@' || m.location || '/' || m.bin || ': ' || COALESCE(b.quantity, 0) || ', movements ' || m.q AS what
      FROM (SELECT sku, location, bin, SUM(quantity) AS q FROM stock_movements GROUP BY sku, location, bin) m
      LEFT JOIN stock_bins b USING (sku, location, bin) WHERE COALESCE(b.quantity, 0) <> m.q`,
  },
  {
    rule: "1 reserved is the sum of the open reservations",
    sql: `SELECT sku || '@' || location || ': ' || COALESCE(l.reserved, 0) || ', reservations ' || COALESCE(r.q, 0) AS what
      FROM stock_levels l
      FULL JOIN (SELECT sku, location, SUM(quantity) AS q FROM reservations WHERE state = 'open' GROUP BY sku, location) r
        USING (sku, location)
      WHERE COALESCE(l.reserved, 0) <> COALESCE(r.q, 0)`,
  },
  {
    rule: "1 in_transit is what is on its way there",
    sql: `SELECT sku || '@' || location || ': ' || COALESCE(l.in_transit, 0) || ', transfers ' || COALESCE(t.q, 0) AS what
      FROM stock_levels l
      FULL JOIN (SELECT n.sku, t.to_location AS location, SUM(n.quantity - n.received - n.rejected) AS q FROM transfers t
                 JOIN transfer_lines n ON n.transfer_id = t.id WHERE t.state <> 'reversed' GROUP BY 1, 2) t
        USING (sku, location)
      WHERE COALESCE(l.in_transit, 0) <> COALESCE(t.q, 0)`,
  },
  {
    rule: "1 what has left is on its way, has arrived or came back",
    sql: `SELECT sku || ': left ' || COALESCE(m.q, 0) || ', transfers ' || COALESCE(t.q, 0) AS what
      FROM (SELECT sku, -SUM(quantity) AS q FROM stock_movements WHERE kind IN ('ship', 'ship_reversal') GROUP BY sku) m
      FULL JOIN (SELECT n.sku, SUM(n.quantity) AS q FROM transfers t JOIN transfer_lines n ON n.transfer_id = t.id
                 WHERE t.state <> 'reversed' GROUP BY n.sku) t USING (sku)
      WHERE COALESCE(m.q, 0) <> COALESCE(t.q, 0)`,
  },
  {
    rule: "1 incoming is what moved orders bought and nobody received",
    sql: `SELECT sku || '@' || location || ': ' || COALESCE(l.incoming, 0) || ', bought ' || COALESCE(b.q, 0) AS what
      FROM stock_levels l
      FULL JOIN (SELECT n.sku, o.destination AS location, SUM(MAX(0, n.quantity - n.received - n.rejected - n.closed)) AS q
                 FROM (${MOVED}) o JOIN purchase_orders p ON p.order_id = o.id
                 JOIN purchase_order_lines n ON n.purchase_order_id = p.id WHERE p.status IN ('placed', 'completed')
                 GROUP BY 1, 2) b USING (sku, location)
      WHERE COALESCE(l.incoming, 0) <> COALESCE(b.q, 0)`,
  },
  {
    rule: "1 what a transfer or a purchase order has received is what its receipts say and its movements brought",
    sql: `WITH settled AS (
        SELECT 'transfer/' || n.transfer_id AS source, n.sku, SUM(n.received) AS got, SUM(n.rejected) AS bad
          FROM transfer_lines n GROUP BY 1, 2
        UNION ALL SELECT 'purchase-order/' || p.id, n.sku, SUM(n.received), SUM(n.rejected)
          FROM purchase_orders p JOIN purchase_order_lines n ON n.purchase_order_id = p.id
          WHERE p.order_id IS NOT NULL GROUP BY 1, 2)
      SELECT s.source || ' of ' || s.sku || ': received ' || s.got || ', receipts ' || COALESCE(r.got, 0) || ', movements '
          || COALESCE(m.q, 0) || '; rejected ' || s.bad || ', receipts ' || COALESCE(r.bad, 0) AS what
      FROM settled s
      LEFT JOIN (SELECT source, sku, SUM(received) AS got, SUM(rejected) AS bad FROM receipts GROUP BY 1, 2) r USING (source, sku)
      LEFT JOIN (SELECT source, sku, SUM(quantity) AS q FROM stock_movements WHERE kind = 'receipt' GROUP BY 1, 2) m
        USING (source, sku)
      WHERE s.got <> COALESCE(r.got, 0) OR s.bad <> COALESCE(r.bad, 0) OR s.got <> COALESCE(m.q, 0)`,
  },
  {
    rule: "1 a SKU's total over places and transit changes by receipts, issues and adjustments only",
    sql: `SELECT sku || ': ' || COALESCE(h.q, 0) || ' here, on the way or missing, ' || COALESCE(m.q, 0) || ' came in' AS what
      FROM (SELECT sku, SUM(q) AS q FROM (
              SELECT sku, on_hand + in_transit AS q FROM stock_levels
              UNION ALL SELECT n.sku, n.rejected FROM transfer_lines n JOIN transfers t ON t.id = n.transfer_id
                WHERE t.state <> 'reversed') GROUP BY sku) h
      FULL JOIN (SELECT sku, SUM(quantity) AS q FROM stock_movements
                 WHERE kind IN ('opening', 'adjustment', 'import', 'count') OR (kind = 'receipt' AND source NOT LIKE 'transfer/%')
                 GROUP BY sku) m USING (sku)
      WHERE COALESCE(h.q, 0) <> COALESCE(m.q, 0)`,
  },
  {
    rule: "1 a transfer is received when nothing of it is on its way any more",
    sql: `SELECT t.id || ' is ' || t.state || ', open ' || SUM(n.quantity - n.received - n.rejected) AS what
      FROM transfers t JOIN transfer_lines n ON n.transfer_id = t.id GROUP BY t.id
      HAVING t.state <> CASE WHEN t.state = 'reversed' AND SUM(n.received + n.rejected) = 0 THEN 'reversed'
        WHEN SUM(n.received + n.rejected) = 0 THEN 'in_transit'
        WHEN SUM(n.quantity - n.received - n.rejected) = 0 THEN 'received' ELSE 'partially_received' END`,
  },
  {
    rule: "1 a place is marked low exactly while it is, and each mark was told once",
    sql: `SELECT l.sku || '@' || l.location || ': ' || (l.on_hand - l.reserved) || ' and ' || l.incoming || ' of ' || l.minimum
          || ', mark ' || COALESCE(l.low_mark, 'none') AS what
      FROM stock_levels l
      WHERE (l.minimum > 0 AND l.on_hand - l.reserved + l.incoming < l.minimum) <> (l.low_mark IS NOT NULL)
      UNION ALL
      SELECT l.sku || '@' || l.location || ' is low and nobody was told' FROM stock_levels l
      WHERE l.low_mark LIKE 'low\\_%' ESCAPE '\\' AND NOT EXISTS (SELECT 1 FROM outbox e
        WHERE e.type = 'StockBelowMinimum' AND e.subject = 'stock/' || l.sku || '@' || l.location)`,
  },
];

export const ORDERS: readonly Check[] = [
  {
    rule: "2 at most one live purchase order per order and supplier",
    sql: `SELECT order_id || ' at ' || supplier || ': ' || COUNT(*) AS what FROM purchase_orders
      WHERE order_id IS NOT NULL AND ${LIVE_PURCHASE} GROUP BY order_id, supplier HAVING COUNT(*) > 1`,
  },
  {
    rule: "2 a completed order has its movements",
    sql: `SELECT o.id || ': ' || d.sku || '@' || d.location || ' ' || d.q || ', moved ' || COALESCE(m.q, 0) AS what
      FROM orders o
      JOIN (SELECT order_id, sku, location, SUM(quantity) AS q FROM order_lines WHERE source <> 'purchase' GROUP BY 1, 2, 3) d
        ON d.order_id = o.id
      LEFT JOIN (SELECT source, sku, location, -SUM(quantity) AS q FROM stock_movements GROUP BY 1, 2, 3) m
        ON m.source = 'order/' || o.id AND m.sku = d.sku AND m.location = d.location
      WHERE o.status = 'Completed' AND COALESCE(m.q, 0) <> d.q`,
  },
  {
    rule: "2 a completed order has its purchase orders",
    sql: `SELECT o.id || ': ' || d.sku || ' of ' || d.supplier || ' ' || d.q || ', bought ' || COALESCE(b.q, 0) AS what
      FROM orders o
      JOIN (SELECT order_id, sku, supplier, SUM(order_quantity) AS q FROM order_lines WHERE source = 'purchase' GROUP BY 1, 2, 3) d
        ON d.order_id = o.id
      LEFT JOIN (SELECT p.order_id, p.supplier, n.sku, SUM(n.quantity) AS q FROM purchase_orders p
                 JOIN purchase_order_lines n ON n.purchase_order_id = p.id WHERE p.${LIVE_PURCHASE} GROUP BY 1, 2, 3) b
        ON b.order_id = o.id AND b.supplier = d.supplier AND b.sku = d.sku
      WHERE o.status = 'Completed' AND COALESCE(b.q, 0) <> d.q`,
  },
  {
    rule: "2 an order that is over holds no reservation",
    sql: `SELECT o.id || ' is ' || o.status || ': ' || r.sku || '@' || r.location AS what
      FROM orders o JOIN reservations r ON r.order_id = o.id
      WHERE o.status IN ('Completed', 'Cancelled') AND r.state = 'open'`,
  },
  {
    rule: "2 a cancelled order has no live purchase order",
    sql: `SELECT o.id || ': ' || p.id AS what FROM orders o JOIN purchase_orders p ON p.order_id = o.id
      WHERE o.status = 'Cancelled' AND p.${LIVE_PURCHASE} AND NOT (p.status = 'completed' AND ${LEFT_AS_IT_WAS})`,
  },
  {
    rule: "2 a cancelled order has moved nothing",
    sql: `SELECT o.id || ': ' || m.sku || '@' || m.location || ' ' || SUM(m.quantity) AS what
      FROM orders o JOIN stock_movements m ON m.source = 'order/' || o.id
      WHERE o.status = 'Cancelled' AND NOT (${LEFT_AS_IT_WAS} AND NOT EXISTS (SELECT 1 FROM transfers t
        WHERE t.order_id = o.id AND t.state NOT IN ('received', 'reversed')))
      GROUP BY o.id, m.sku, m.location HAVING SUM(m.quantity) <> 0`,
  },
];
