/** Invariants 3, 4 and 5: events take effect, what was accepted ends, and whatever waits will be woken. */
import { SUBSCRIBER_BITS } from "../../../src/events/subscriptions.ts";
import { ENDED, type Check } from "./check.ts";

const ANSWERED = "'completed', 'rejected', 'cancelled', 'expired', 'failed'";
/** An event that will still move a request on. */
const MOVES_REQUESTS = `want & ~done & ${SUBSCRIBER_BITS["request-processor"]} <> 0 AND parked_at IS NULL`;

export const EVENTS: readonly Check[] = [
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

export const ENDS: readonly Check[] = [
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

export const WAKES: readonly Check[] = [
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
