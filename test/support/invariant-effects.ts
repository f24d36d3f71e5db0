/**
 * More of the invariants 3, 4 and 6 as SQL: a subscriber that says done has had its effect, once; what was queued outside ends;
 * what has ended is in the trail once.
 */
import { SUBSCRIBER_BITS } from "../../src/events/subscriptions.ts";
import type { Check } from "./checks/check.ts";

const did = (name: keyof typeof SUBSCRIBER_BITS) => `e.done & ${SUBSCRIBER_BITS[name]} <> 0`;

export const EFFECTS: readonly Check[] = [
  {
    rule: "3 whoever was to be told of a request has been told",
    sql: `SELECT e.type || ' of ' || e.subject AS what FROM outbox e
      JOIN requests r ON r.id = COALESCE(e.event ->> '$.data.request_id', e.event ->> '$.data.id')
      WHERE ${did("notification")}
      AND (e.type IN ('ApprovalRequested', 'ApprovalReminder', 'ApprovalEscalated', 'ApprovalDecided', 'ResponseCreated')
           OR (e.type = 'StatusChanged' AND e.event ->> '$.data.kind' = 'request'))
      AND NOT EXISTS (SELECT 1 FROM notifications n WHERE n.event_id = e.event_id)`,
  },
  {
    rule: "3 nobody is told of what they weren't to hear",
    sql: `SELECT n.recipient || ' of ' || e.type || ' of ' || e.subject AS what FROM notifications n
      JOIN outbox e ON e.event_id = n.event_id WHERE e.done & ${SUBSCRIBER_BITS.notification} = 0`,
  },
  {
    rule: "3 a response that was handed on is on its way to the archive",
    sql: `SELECT e.subject AS what FROM outbox e JOIN responses r ON r.id = e.event ->> '$.data.response_id'
      WHERE e.type = 'ResponseCreated' AND ${did("cloud-archive")}
      AND NOT EXISTS (SELECT 1 FROM cloud_uploads u WHERE u.response_id = r.id)`,
  },
  {
    rule: "3 what was reserved in vain and is due has been given back",
    sql: `SELECT e.subject AS what FROM outbox e JOIN reservations r ON 'order/' || r.order_id = e.subject
      WHERE e.type = 'ReservationDue' AND e.not_before <= ?1 AND ${did("reservation-expiry")}
      AND r.state = 'open' AND r.expires_at <= e.not_before`,
  },
  {
    rule: "6 one audit row for each inventory command that ended",
    sql: `SELECT c.id || ' is ' || c.state || ', in the trail ' || COUNT(a.seq) AS what FROM commands c
      LEFT JOIN audit a ON CASE c.state
        WHEN 'applied' THEN a.action = 'inventory.updated' AND a.after ->> '$.command_id' = c.id
        ELSE a.action = 'command.rejected' AND a.subject = 'command/' || c.id END
      WHERE c.type = 'UpdateInventory' AND c.state IN ('applied', 'rejected')
      GROUP BY c.id HAVING COUNT(a.seq) <> 1`,
  },
  {
    rule: "6 one audit row for each response that is in the archive",
    sql: `SELECT u.response_id || ', in the trail ' || COUNT(a.seq) AS what FROM cloud_uploads u
      JOIN responses r ON r.id = u.response_id
      LEFT JOIN audit a ON a.subject = 'request/' || r.request_id AND a.action = 'response.archived'
      WHERE u.state = 'stored' GROUP BY u.response_id HAVING COUNT(a.seq) <> 1`,
  },
  {
    rule: "6 an order is placed once in the trail",
    sql: `SELECT o.id || ', in the trail ' || COUNT(a.seq) AS what FROM orders o
      LEFT JOIN audit a ON a.action = 'order.placed'
        AND (a.subject = 'order/' || o.id OR a.after ->> '$.order_id' = o.id)
      GROUP BY o.id HAVING COUNT(a.seq) <> 1`,
  },
];
