/** Invariants 2, 5 and 6 of orders, by order id. */
import { after, ENDED, inRange, timersOf, upTo, type Rule } from "./rule.ts";

const LIVE = "status NOT IN ('cancelled', 'rejected')";

/** The acts of people in the trail of an order: each is a batch that took it over. */
const TAKEN_OVER = "('order.retried', 'order.skipped', 'order.resolved', 'order.resumed', 'order.called off')";

/** True of an order of which a person has left something as it was, with a reason. */
const LEFT_AS_IT_WAS = `EXISTS (SELECT 1 FROM audit k WHERE k.subject = 'order/' || o.id
  AND k.action IN ('order.skipped', 'order.resolved'))`;

export const ORDER_RULES: readonly Rule[] = [
  {
    rule: "2 an order has one live purchase order per supplier",
    sql: `SELECT 'order/' || order_id AS subject, 'live purchase orders at ' || supplier AS detail, 1 AS expected,
        COUNT(*) AS found
      FROM purchase_orders WHERE ${inRange("order_id")} AND ${LIVE} GROUP BY order_id, supplier HAVING COUNT(*) > 1`,
  },
  {
    rule: "2 a completed order has moved what it takes from stock",
    sql: `SELECT 'order/' || o.id AS subject, 'moved of ' || d.sku || '@' || d.location AS detail, d.q AS expected,
        COALESCE(m.q, 0) AS found
      FROM orders o
      JOIN (SELECT order_id, sku, location, SUM(quantity) AS q FROM order_lines
            WHERE ${inRange("order_id")} AND source <> 'purchase' GROUP BY order_id, sku, location) d ON d.order_id = o.id
      LEFT JOIN (SELECT t.order_id, l.sku, t.from_location, SUM(l.quantity) AS q
                 FROM transfers t JOIN transfer_lines l ON l.transfer_id = t.id
                 WHERE ${inRange("t.order_id")} AND t.state <> 'reversed' GROUP BY t.order_id, l.sku, t.from_location) m
        ON m.order_id = o.id AND m.sku = d.sku AND m.from_location = d.location
      WHERE o.status = 'Completed' AND COALESCE(m.q, 0) <> d.q`,
  },
  {
    rule: "2 a completed order has bought what it takes from suppliers",
    sql: `SELECT 'order/' || o.id AS subject, 'bought of ' || d.sku || ' at ' || d.supplier AS detail, d.q AS expected,
        COALESCE(b.q, 0) AS found
      FROM orders o
      JOIN (SELECT order_id, sku, supplier, SUM(order_quantity) AS q FROM order_lines
            WHERE ${inRange("order_id")} AND source = 'purchase' GROUP BY order_id, sku, supplier) d ON d.order_id = o.id
      LEFT JOIN (SELECT p.order_id, p.supplier, l.sku, SUM(l.quantity) AS q
                 FROM purchase_orders p JOIN purchase_order_lines l ON l.purchase_order_id = p.id
                 WHERE ${inRange("p.order_id")} AND p.${LIVE} GROUP BY p.order_id, p.supplier, l.sku) b
        ON b.order_id = o.id AND b.supplier = d.supplier AND b.sku = d.sku
      WHERE o.status = 'Completed' AND COALESCE(b.q, 0) <> d.q`,
  },
  {
    rule: "2 an order that is over holds no reservation",
    sql: `SELECT 'order/' || o.id AS subject, 'reserved of ' || r.sku || '@' || r.location AS detail, 0 AS expected,
        r.quantity AS found
      FROM orders o JOIN reservations r ON r.order_id = o.id
      WHERE ${inRange("o.id")} AND o.status IN ('Completed', 'Cancelled') AND r.state = 'open'`,
  },
  {
    rule: "2 a cancelled order has no live purchase order",
    sql: `SELECT 'order/' || o.id AS subject, 'state of ' || p.id AS detail, 'cancelled' AS expected, p.status AS found
      FROM orders o JOIN purchase_orders p ON p.order_id = o.id
      WHERE ${inRange("o.id")} AND o.status = 'Cancelled' AND p.${LIVE}
        AND NOT (p.status = 'completed' AND ${LEFT_AS_IT_WAS})`,
  },
  {
    rule: "2 a cancelled order has nothing on its way",
    sql: `SELECT 'order/' || o.id AS subject, 'state of ' || t.id AS detail, 'reversed' AS expected, t.state AS found
      FROM orders o JOIN transfers t ON t.order_id = o.id
      WHERE ${inRange("o.id")} AND o.status = 'Cancelled' AND t.state <> 'reversed'
        AND NOT (t.state = 'received' AND ${LEFT_AS_IT_WAS})`,
  },
  {
    rule: "5 an open reservation has a timer that gives it back",
    sql: `SELECT DISTINCT 'order/' || order_id AS subject, 'timer of its reservations' AS detail, 1 AS expected, 0 AS found
      FROM reservations WHERE ${inRange("order_id")} AND state = 'open'
        AND 'order/' || order_id NOT IN ${timersOf("ReservationDue")}`,
  },
  {
    rule: "6 each batch of an order's saga is in the trail",
    sql: `SELECT 'order/' || o.id AS subject, 'rows of the saga' AS detail, COALESCE(b.n, 0) AS expected,
        COALESCE(a.n, 0) AS found
      FROM orders o
      LEFT JOIN (SELECT substr(id, 1, instr(id, ':') - 1) AS order_id, COUNT(*) AS n FROM inbox
                 WHERE scope = 'saga' AND id > ${after} AND id < ${upTo} || ';' GROUP BY 1) b ON b.order_id = o.id
      LEFT JOIN (SELECT subject, COUNT(*) AS n FROM audit
                 WHERE ${inRange("subject", "order/")} AND (actor = 'order-saga' OR action IN ${TAKEN_OVER})
                 GROUP BY subject) a
        ON a.subject = 'order/' || o.id
      WHERE ${inRange("o.id")} AND COALESCE(a.n, 0) <> COALESCE(b.n, 0)`,
  },
  {
    rule: "6 the end of an order is in the trail once",
    sql: `SELECT 'order/' || o.id AS subject, 'ends in the trail, ' || o.status AS detail,
        (o.status IN ${ENDED}) + COUNT(a.seq) FILTER (WHERE a.action IN ${TAKEN_OVER}) AS expected,
        COUNT(a.seq) FILTER (WHERE a.action NOT IN ${TAKEN_OVER}) AS found
      FROM orders o LEFT JOIN audit a ON a.subject = 'order/' || o.id
        AND (a.action IN ('order.completed', 'order.cancelled', 'order.needs attention')
             OR (a.action IN ${TAKEN_OVER} AND a.before ->> '$.status' = 'NeedsAttention'))
      WHERE ${inRange("o.id")} GROUP BY o.id HAVING expected <> found`,
  },
];
