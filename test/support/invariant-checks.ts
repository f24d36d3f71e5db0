/**
 * The invariants of testing.md as SQL, numbered as there: each query's rows are its violations. They share no query with
 * the product, so that a mistake there isn't repeated here.
 */
import { SUBSCRIBER_BITS } from "../../src/events/subscriptions.ts";

/** A query whose every row is a violation, told in `what`. `?1`: now; `?2`: the end of the longest lease that may be held now. */
export interface Check {
  readonly rule: string;
  readonly sql: string;
  /** Holds only once everything has come to its end. */
  readonly whenFinished?: true;
}

const ENDED = "'Completed', 'Cancelled', 'NeedsAttention'";
const ANSWERED = "'completed', 'rejected', 'cancelled', 'expired', 'failed'";
const LIVE_PURCHASE = "status NOT IN ('cancelled', 'rejected')";
/** An event that will still move a request on. */
const MOVES_REQUESTS = `want & ~done & ${SUBSCRIBER_BITS["request-processor"]} <> 0 AND parked_at IS NULL`;

/** Orders whose stock has moved: a batch of step 4 is committed, and none has undone it. */
const MOVED = `SELECT DISTINCT o.id, o.destination FROM orders o
  JOIN inbox i ON i.scope = 'saga' AND i.id IN (o.id || ':move:0', o.id || ':move:1', o.id || ':move:2')
  WHERE NOT EXISTS (SELECT 1 FROM inbox u WHERE u.scope = 'saga'
    AND u.id IN (o.id || ':move:0:undo', o.id || ':move:1:undo', o.id || ':move:2:undo'))`;

const STOCK: readonly Check[] = [
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
      FULL JOIN (SELECT n.sku, o.destination AS location, SUM(MAX(0, n.quantity - n.received - n.rejected)) AS q
                 FROM (${MOVED}) o JOIN purchase_orders p ON p.order_id = o.id
                 JOIN purchase_order_lines n ON n.purchase_order_id = p.id GROUP BY 1, 2) b USING (sku, location)
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

const ORDERS: readonly Check[] = [
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
      WHERE o.status = 'Cancelled' AND p.${LIVE_PURCHASE}`,
  },
  {
    rule: "2 a cancelled order has moved nothing",
    sql: `SELECT o.id || ': ' || m.sku || '@' || m.location || ' ' || SUM(m.quantity) AS what
      FROM orders o JOIN stock_movements m ON m.source = 'order/' || o.id
      WHERE o.status = 'Cancelled' GROUP BY o.id, m.sku, m.location HAVING SUM(m.quantity) <> 0`,
  },
];

const EVENTS: readonly Check[] = [
  {
    rule: "3 every due event has taken effect at each subscriber, is parked, or has a dead letter",
    sql: `SELECT type || ' of ' || subject || ': want ' || want || ', done ' || done AS what FROM outbox
      WHERE not_before <= ?1 AND parked_at IS NULL AND (done | dead) <> want`,
    whenFinished: true,
  },
  {
    rule: "3 every try of a webhook's delivery is logged once, and the last one says how it ended",
    sql: `SELECT d.id || ' is ' || d.state || ' after ' || d.attempts || ' tries, logged ' || COUNT(a.attempt) AS what
      FROM webhook_deliveries d LEFT JOIN webhook_attempts a ON a.delivery_id = d.id GROUP BY d.id
      HAVING COUNT(a.attempt) <> d.attempts OR COALESCE(MAX(a.attempt), 0) <> d.attempts
        OR (d.state = 'delivered' AND MAX(a.attempt) FILTER (WHERE a.error IS NULL) IS NOT d.attempts)`,
  },
  {
    rule: "3 a subscriber is done with an event or dead, not both",
    sql: `SELECT type || ' of ' || subject || ': done ' || done || ', dead ' || dead AS what FROM outbox
      WHERE done & dead <> 0 OR dead & ~want <> 0`,
  },
  {
    rule: "3 for each dead subscriber there is one open letter, and for nobody else",
    sql: `SELECT COALESCE(o.event_id, l.event_id) || ': dead ' || COALESCE(o.dead, 0) || ', open letters ' || COALESCE(l.bits, 0) AS what
      FROM (SELECT seq, event_id, dead FROM outbox WHERE dead <> 0) o
      FULL JOIN (SELECT event_seq, event_id, SUM(bit) AS bits FROM dead_letters
                 WHERE kind = 'event' AND state = 'open' GROUP BY event_seq, event_id) l
        ON l.event_seq = o.seq AND l.event_id = o.event_id
      WHERE o.dead IS NOT l.bits`,
  },
  {
    rule: "3 what was discarded counts as done",
    sql: `SELECT l.id || ' of ' || l.event_id AS what FROM dead_letters l
      JOIN outbox o ON o.seq = l.event_seq AND o.event_id = l.event_id
      WHERE l.state = 'discarded' AND o.done & l.bit = 0`,
  },
  {
    rule: "3 nobody marks an event that they weren't to have",
    sql: `SELECT type || ' of ' || subject || ': want ' || want || ', done ' || done AS what FROM outbox WHERE done & ~want <> 0`,
  },
];

const ENDS: readonly Check[] = [
  {
    rule: "4 every accepted command ends",
    sql: `SELECT id || ' is ' || state AS what FROM commands WHERE state NOT IN ('applied', 'rejected', 'awaiting_approval', 'dead')`,
    whenFinished: true,
  },
  {
    rule: "4 a dead command has its letter, and an open letter its dead command",
    sql: `SELECT c.id AS what FROM commands c WHERE c.state = 'dead' AND NOT EXISTS (
        SELECT 1 FROM dead_letters l WHERE l.command_id = c.id AND l.state IN ('open', 'discarded'))
      UNION ALL SELECT l.id FROM dead_letters l LEFT JOIN commands c ON c.id = l.command_id
      WHERE l.kind = 'command' AND l.state = 'open' AND c.state IS NOT 'dead'`,
  },
  {
    rule: "4 an applied inventory command has one effect, a rejected one none",
    sql: `SELECT c.id || ' is ' || c.state || ' with ' || COUNT(m.id) || ' movements' AS what
      FROM commands c LEFT JOIN stock_movements m ON m.source = 'command/' || c.id
      WHERE c.type = 'UpdateInventory' GROUP BY c.id HAVING COUNT(m.id) <> (c.state = 'applied')`,
  },
  {
    rule: "4 a discrepancy keeps the scan of a rejected command, and the command names it",
    sql: `SELECT COALESCE(d.id, c.id) || ': ' || COALESCE(d.id, 'no row') || ' for a command that is ' || COALESCE(c.state, 'missing') AS what
      FROM discrepancies d FULL JOIN (SELECT id, state, result ->> '$.discrepancy_id' AS named FROM commands) c
        ON c.id = d.command_id
      WHERE (d.id IS NOT NULL OR c.named IS NOT NULL)
        AND (d.id IS NOT c.named OR c.state IS NOT 'rejected' OR d.scan ->> '$.id' IS NOT c.id)`,
  },
  {
    rule: "4 only a resolution that corrects the books moves stock for a discrepancy",
    sql: `SELECT m.source || ' ' || m.quantity AS what FROM stock_movements m
      LEFT JOIN discrepancies d ON m.source = 'discrepancy/' || d.id
      WHERE m.source LIKE 'discrepancy/%' AND (d.resolution IS NULL OR d.resolution = 'keep_books')`,
  },
  {
    rule: "4 an applied count has the movement of its difference, a rejected one none",
    sql: `SELECT c.id || ' is ' || c.state || ', difference ' || COALESCE(c.result ->> '$.difference', 0) || ', movements '
          || COALESCE(SUM(m.quantity), 0) AS what
      FROM commands c LEFT JOIN stock_movements m ON m.source = 'command/' || c.id
      WHERE c.type = 'CountStock' GROUP BY c.id
      HAVING COUNT(m.id) > 1 OR COALESCE(SUM(m.quantity), 0) <> COALESCE(c.result ->> '$.difference', 0)`,
  },
  {
    rule: "4 an applied transfer or receipt has one audit row, a rejected one none",
    sql: `SELECT c.id || ' is ' || c.state || ', in the trail ' || COUNT(a.seq) AS what
      FROM commands c LEFT JOIN audit a ON a.after ->> '$.command_id' = c.id
        AND a.action IN ('stock.counted', 'stock.minimum set', 'transfer.shipped', 'transfer.received',
          'transfer.partially received', 'purchase order.received', 'purchase order.partially received')
      WHERE c.type IN ('CountStock', 'SetMinimum', 'ShipTransfer', 'ReceiveTransfer', 'ReceivePurchaseOrder')
      GROUP BY c.id HAVING COUNT(a.seq) <> (c.state = 'applied')`,
  },
  {
    rule: "4 every accepted order ends",
    sql: `SELECT id || ' is ' || status || ' at ' || step AS what FROM orders WHERE status NOT IN (${ENDED})`,
    whenFinished: true,
  },
  {
    rule: "4 every accepted request ends, or waits for a person",
    sql: `SELECT id || ' is ' || status AS what FROM requests
      WHERE status NOT IN (${ANSWERED}, 'needs_clarification', 'needs_attention')`,
    whenFinished: true,
  },
  {
    rule: "4 an end is answered by one response, and nothing else is",
    sql: `SELECT r.id || ' is ' || r.status || ', response ' || COALESCE(a.outcome, 'none') AS what
      FROM requests r LEFT JOIN responses a ON a.request_id = r.id
      WHERE CASE WHEN r.status IN (${ANSWERED}) THEN a.outcome IS NOT r.status ELSE a.id IS NOT NULL END`,
  },
  {
    rule: "4 a request and its order agree",
    sql: `SELECT r.id || ' is ' || r.status || ', its order ' || COALESCE(o.status, 'is missing') AS what
      FROM requests r LEFT JOIN orders o ON o.id = r.order_id AND o.request_id = r.id
      WHERE (r.order_id IS NOT NULL AND o.id IS NULL) OR (r.status = 'completed' AND o.status IS NOT 'Completed')
        OR (r.status = 'failed' AND o.status = 'Completed')`,
  },
];

const WAKES: readonly Check[] = [
  {
    rule: "5 a lease ends",
    sql: `SELECT event_id || ' until ' || lease_until AS what FROM outbox WHERE done <> want AND lease_until > ?2
      UNION ALL SELECT id || ' until ' || lease_until FROM commands WHERE state = 'accepted' AND lease_until > ?2`,
  },
  {
    rule: "5 an order on its way has a time at which it is looked for",
    sql: `SELECT id || ' is ' || status AS what FROM orders WHERE status NOT IN (${ENDED}) AND next_wake_at IS NULL`,
  },
  {
    rule: "5 whoever is asked has a due time with a timer, or is held in sight",
    sql: `SELECT s.id || ' of ' || COALESCE(s.request_id, s.command_id) AS what FROM approval_steps s WHERE s.state = 'pending' AND (s.due_at IS NULL
      OR NOT EXISTS (SELECT 1 FROM outbox t WHERE t.type = 'ApprovalDue' AND t.event ->> '$.data.step_id' = s.id
                       AND t.done <> t.want AND t.parked_at IS NULL)
         AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.subject = 'request/' || s.request_id AND a.action = 'approval.escalation hold'))`,
  },
  {
    rule: "5 a request that waits for approval has someone to wait for",
    sql: `SELECT r.id AS what FROM requests r WHERE r.status = 'awaiting_approval'
      AND NOT EXISTS (SELECT 1 FROM approval_steps s WHERE s.request_id = r.id AND s.state = 'pending')
      AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.${MOVES_REQUESTS} AND e.subject = 'request/' || r.id)`,
  },
  {
    rule: "5 a command that waits for approval has someone to wait for",
    sql: `SELECT c.id AS what FROM commands c WHERE c.state = 'awaiting_approval'
      AND NOT EXISTS (SELECT 1 FROM approval_steps s WHERE s.command_id = c.id AND s.state = 'pending')
      AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.type = 'ApprovalDecided' AND e.${MOVES_REQUESTS}
                        AND e.subject = 'command/' || c.id)`,
  },
  {
    rule: "5 a request on its way has an event or an order that moves it on",
    sql: `SELECT r.id || ' is ' || r.status AS what FROM requests r
      WHERE r.status IN ('uploaded', 'reading', 'pricing', 'routing', 'ordering')
      AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = r.order_id AND o.status NOT IN (${ENDED}))
      AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.${MOVES_REQUESTS} AND e.subject IN ('request/' || r.id, 'order/' || r.order_id))`,
  },
  {
    rule: "5 a webhook's delivery that is pending has a timer that tries it",
    sql: `SELECT d.id || ' after ' || d.attempts || ' tries' AS what FROM webhook_deliveries d WHERE d.state = 'pending' AND NOT EXISTS (
      SELECT 1 FROM outbox t WHERE t.type = 'WebhookDue' AND t.event ->> '$.data.delivery_id' = d.id
        AND t.event ->> '$.data.attempt' = d.attempts + 1 AND t.done <> t.want)`,
  },
  {
    rule: "5 an open reservation has a timer that gives it back",
    sql: `SELECT DISTINCT r.order_id AS what FROM reservations r WHERE r.state = 'open' AND NOT EXISTS (
      SELECT 1 FROM outbox t WHERE t.type = 'ReservationDue' AND t.subject = 'order/' || r.order_id
        AND t.done <> t.want AND t.parked_at IS NULL)`,
  },
];

/** What a request's trail calls each state that it comes to. */
const REQUEST_ACTIONS = `(VALUES ('reading', 'request.read'), ('reading', 'request.unreadable'),
  ('needs_clarification', 'request.needs clarification'), ('pricing', 'request.lines resolved'), ('routing', 'request.priced'),
  ('awaiting_approval', 'request.chain steps'), ('ordering', 'request.chain auto'), ('ordering', 'request.approved'),
  ('needs_attention', 'request.chain needs_attention'), ('needs_attention', 'request.needs attention'),
  ('completed', 'request.completed'), ('rejected', 'request.rejected'), ('cancelled', 'request.cancelled'),
  ('expired', 'request.expired'), ('failed', 'request.failed'))`;

const TRAIL: readonly Check[] = [
  {
    rule: "6 one audit row for each state that a request came to",
    sql: `SELECT r.id || ' came to ' || e.state || ' ' || e.n || ' times, in the trail ' || COALESCE(a.n, 0) AS what
      FROM requests r
      JOIN (SELECT subject, event ->> '$.data.to' AS state, COUNT(*) AS n FROM outbox
            WHERE type = 'StatusChanged' AND event ->> '$.data.kind' = 'request' GROUP BY 1, 2) e ON e.subject = 'request/' || r.id
      LEFT JOIN (SELECT t.subject, k.column1 AS state, COUNT(*) AS n FROM audit t
                 JOIN ${REQUEST_ACTIONS} k ON k.column2 = t.action GROUP BY 1, 2) a
        ON a.subject = e.subject AND a.state = e.state
      WHERE COALESCE(a.n, 0) <> e.n`,
  },
  {
    rule: "6 the states of a request are one chain, from its upload to where it stands",
    sql: `SELECT r.id || ' is ' || r.status || ', last told ' || COALESCE(e.last, 'nothing') AS what FROM requests r
      LEFT JOIN (SELECT subject, event ->> '$.data.to' AS last, MAX(sequence) FROM outbox
                 WHERE type = 'StatusChanged' AND event ->> '$.data.kind' = 'request' GROUP BY subject) e
        ON e.subject = 'request/' || r.id
      WHERE r.status <> COALESCE(e.last, 'uploaded')
      UNION ALL
      SELECT id || ' was uploaded ' || n || ' times in the trail' FROM (
        SELECT r.id, COUNT(a.seq) AS n FROM requests r
        LEFT JOIN audit a ON a.subject = 'request/' || r.id AND a.action = 'request.uploaded' GROUP BY r.id) WHERE n <> 1`,
  },
  {
    rule: "6 one audit row for each batch of a saga",
    sql: `SELECT o.id || ': ' || b.n || ' batches, in the trail ' || a.n AS what
      FROM orders o
      JOIN (SELECT o.id, COUNT(i.id) AS n FROM orders o
            LEFT JOIN inbox i ON i.scope = 'saga' AND substr(i.id, 1, instr(i.id, ':') - 1) = o.id GROUP BY o.id) b ON b.id = o.id
      JOIN (SELECT o.id, COUNT(t.seq) AS n FROM orders o
            LEFT JOIN audit t ON t.subject = 'order/' || o.id AND t.actor = 'order-saga' GROUP BY o.id) a ON a.id = o.id
      WHERE a.n <> b.n`,
  },
  {
    rule: "6 the end of an order is in its trail once, and told once",
    sql: `SELECT o.id || ' is ' || o.status || ', ends in the trail ' || a.n || ', told ' || e.n AS what
      FROM orders o
      JOIN (SELECT o.id, COUNT(t.seq) AS n FROM orders o LEFT JOIN audit t ON t.subject = 'order/' || o.id
            AND t.action IN ('order.completed', 'order.cancelled', 'order.needs attention') GROUP BY o.id) a ON a.id = o.id
      JOIN (SELECT o.id, COUNT(t.event_id) AS n FROM orders o LEFT JOIN outbox t ON t.subject = 'order/' || o.id
            AND t.type = 'OrderEnded' GROUP BY o.id) e ON e.id = o.id
      WHERE a.n <> (o.status IN (${ENDED})) OR e.n <> (o.status IN (${ENDED}))`,
  },
  {
    rule: "6 one audit row for each state of a dead letter",
    sql: `SELECT l.id || ' is ' || l.state || ', in the trail ' || COALESCE(GROUP_CONCAT(a.action), 'nothing') AS what
      FROM dead_letters l LEFT JOIN audit a ON a.subject = 'dead_letter/' || l.id
        AND a.action IN ('dead_letter.opened', 'dead_letter.redriven', 'dead_letter.discarded')
      GROUP BY l.id HAVING SUM(a.action = 'dead_letter.opened') IS NOT 1
        OR COUNT(a.seq) <> 1 + (l.state <> 'open') OR SUM(a.action = 'dead_letter.' || l.state) IS NOT (l.state <> 'open')`,
  },
  {
    rule: "6 one audit row for each ballot",
    sql: `SELECT b.id || ': ' || COUNT(a.seq) AS what FROM ballots b
      LEFT JOIN audit a ON a.subject IN ('request/' || b.request_id, 'command/' || b.command_id) AND a.actor = b.approver
        AND a.action = CASE b.decision WHEN 'approve' THEN 'approval.approved' ELSE 'approval.rejected' END
        AND a.after ->> '$.step_id' = b.step_id
      GROUP BY b.id HAVING COUNT(a.seq) <> 1`,
  },
];

const APPROVALS: readonly Check[] = [
  {
    rule: "7 a decided step has its ballot, bound to what was approved",
    sql: `SELECT s.id || ' is ' || s.state || ', ballot ' || COALESCE(b.decision || ' by ' || b.approver, 'none') AS what
      FROM approval_steps s LEFT JOIN ballots b ON b.step_id = s.id
      WHERE CASE WHEN s.state IN ('approved', 'rejected') THEN b.id IS NULL OR b.approver <> s.approver
          OR b.payload_hash <> s.payload_hash OR b.request_id IS NOT s.request_id
          OR b.command_id IS NOT s.command_id
          OR b.decision <> CASE s.state WHEN 'approved' THEN 'approve' ELSE 'reject' END
        ELSE b.id IS NOT NULL END`,
  },
  {
    rule: "7 whoever decides is entitled",
    sql: `SELECT b.id || ' by ' || b.approver AS what FROM ballots b JOIN requests r ON r.id = b.request_id
      LEFT JOIN people p ON p.id = b.approver
      WHERE p.id IS NULL OR p.role <> 'manager' OR (p.region IS NOT NULL AND p.region <> r.region) OR p.approval_limit <= 0`,
  },
  {
    rule: "7 nobody decides on their own request",
    sql: `SELECT b.id || ' by ' || b.approver AS what FROM ballots b JOIN requests r ON r.id = b.request_id
      WHERE b.approver IN (r.requester, r.device_id)`,
  },
  {
    rule: "7 one person decides once per request",
    sql: `SELECT request_id || ': ' || approver AS what FROM ballots WHERE request_id IS NOT NULL
      GROUP BY request_id, approver HAVING COUNT(*) > 1`,
  },
  {
    rule: "7 an order that needed approval has one of someone whose limit covers it",
    sql: `SELECT r.id || ': ' || r.total AS what FROM requests r
      WHERE r.order_id IS NOT NULL AND EXISTS (SELECT 1 FROM approval_steps s WHERE s.request_id = r.id)
      AND NOT EXISTS (SELECT 1 FROM approval_steps s JOIN people p ON p.id = s.approver
        WHERE s.request_id = r.id AND s.state = 'approved' AND s.payload_hash = r.payload_hash AND p.approval_limit >= r.total)`,
  },
  {
    rule: "7 nothing is ordered while a step of it is open or rejected",
    sql: `SELECT r.id || ': ' || s.id || ' is ' || s.state AS what FROM requests r JOIN approval_steps s ON s.request_id = r.id
      WHERE r.order_id IS NOT NULL AND s.state NOT IN ('approved', 'escalated')`,
  },
  {
    rule: "7 whoever decides on a command is entitled, covers its value, and didn't send it",
    sql: `SELECT b.id || ' by ' || b.approver AS what FROM ballots b JOIN commands c ON c.id = b.command_id
      LEFT JOIN people p ON p.id = b.approver
      WHERE p.id IS NULL OR p.role <> 'manager' OR (p.region IS NOT NULL AND p.region <> c.region)
        OR p.approval_limit < c.approval ->> '$.value' OR c.sender = 'person:' || b.approver`,
  },
  {
    rule: "7 a command that needed approval did what was approved, and nothing else",
    sql: `SELECT c.id || ' is ' || c.state || ', moved ' || COALESCE(m.q, 0) || ' of ' || (c.approval ->> '$.change') AS what
      FROM commands c
      LEFT JOIN (SELECT source, sku, location, bin, SUM(quantity) AS q FROM stock_movements GROUP BY 1, 2, 3, 4) m
        ON m.source = 'command/' || c.id AND m.sku = c.approval ->> '$.sku' AND m.location = c.approval ->> '$.location'
          AND m.bin = c.approval ->> '$.bin'
      WHERE c.approval IS NOT NULL AND (COALESCE(m.q, 0) <> CASE c.state WHEN 'applied' THEN c.approval ->> '$.change' ELSE 0 END
        OR (c.state = 'applied' AND NOT EXISTS (SELECT 1 FROM approval_steps s WHERE s.command_id = c.id AND s.state = 'approved')))`,
  },
];

export const CHECKS: readonly Check[] = [...STOCK, ...ORDERS, ...EVENTS, ...ENDS, ...WAKES, ...TRAIL, ...APPROVALS];
