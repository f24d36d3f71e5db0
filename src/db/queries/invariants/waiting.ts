/** Invariants 3, 4 and 5 of what is on its way: few rows, found by the indexes of what is open. */
import { dayAgo, inRange, leaseEnd, movementsSince, recent, RUNNING, stuck, type Rule } from "./rule.ts";

/** By seq. */
export const OUTBOX_RULES: readonly Rule[] = [
  {
    rule: "3 nobody marks an event that they weren't to have",
    sql: `SELECT 'event/' || event_id AS subject, type || ' of ' || subject AS detail, want AS expected, done AS found
      FROM outbox WHERE ${inRange("seq")} AND done & ~want <> 0`,
  },
  {
    rule: "3 a dead subscriber has its open letter, and isn't done",
    sql: `SELECT 'event/' || o.event_id AS subject, o.type || ' of ' || o.subject AS detail, o.dead AS expected,
        COALESCE(l.bits, 0) AS found
      FROM outbox o
      LEFT JOIN (SELECT event_seq, event_id, SUM(bit) AS bits FROM dead_letters WHERE state = 'open' AND kind = 'event'
                 GROUP BY event_seq, event_id) l ON l.event_seq = o.seq AND l.event_id = o.event_id
      WHERE ${inRange("o.seq")} AND (o.dead IS NOT COALESCE(l.bits, 0) OR o.done & o.dead <> 0)`,
  },
];

export const WAITING_RULES: readonly Rule[] = [
  {
    rule: "3 a due event takes effect at each subscriber, is parked, or has a dead letter",
    sql: `SELECT 'event/' || event_id AS subject, type || ' of ' || subject AS detail, want AS expected, done AS found
      FROM outbox WHERE (done | dead) <> want AND parked_at IS NULL AND MAX(not_before, created_at) <= ${stuck}`,
  },
  {
    rule: "4 an accepted command ends",
    sql: `SELECT 'command/' || id AS subject, 'since ' || created_at AS detail, 'an end' AS expected, state AS found
      FROM commands WHERE state = 'accepted' AND created_at <= ${dayAgo}`,
  },
  {
    rule: "4 a command that changes stock has its effect once",
    sql: `SELECT 'command/' || c.id AS subject, 'movements of a command that is ' || c.state AS detail,
        c.state = 'applied' AS expected, COALESCE(m.n, 0) AS found
      FROM commands c
      LEFT JOIN (SELECT source, COUNT(*) AS n FROM stock_movements WHERE at >= ${movementsSince}
                 AND source > 'command/' AND source < 'command0' GROUP BY source) m ON m.source = 'command/' || c.id
      WHERE c.type = 'UpdateInventory' AND COALESCE(c.finished_at, c.created_at) >= ${recent}
        AND (c.state = 'applied') <> COALESCE(m.n, 0)`,
  },
  {
    rule: "4 an order ends",
    sql: `SELECT 'order/' || id AS subject, 'since ' || created_at || ', at ' || step AS detail, 'an end' AS expected,
        status AS found
      FROM orders WHERE status IN ${RUNNING} AND created_at <= ${dayAgo}`,
  },
  {
    rule: "5 a lease ends",
    sql: `SELECT 'event/' || event_id AS subject, 'lease' AS detail, ${leaseEnd} AS expected, lease_until AS found
      FROM outbox WHERE (done | dead) <> want AND parked_at IS NULL AND lease_until > ${leaseEnd}
      UNION ALL
      SELECT 'command/' || id, 'lease', ${leaseEnd}, lease_until FROM commands
      WHERE state = 'accepted' AND lease_until > ${leaseEnd}`,
  },
  {
    rule: "5 an order on its way is woken in time",
    sql: `SELECT 'order/' || id AS subject, 'wakes next' AS detail, 'after ' || ${stuck} AS expected, next_wake_at AS found
      FROM orders WHERE status IN ${RUNNING} AND (next_wake_at IS NULL OR next_wake_at <= ${stuck})`,
  },
  {
    rule: "5 a webhook's delivery that is pending has a timer that tries it",
    sql: `SELECT 'webhook-delivery/' || id AS subject, 'timer after ' || attempts || ' tries' AS detail, 1 AS expected, 0 AS found
      FROM webhook_deliveries WHERE state = 'pending'
        AND id NOT IN (SELECT delivery_id FROM open_events WHERE type = 'WebhookDue' AND delivery_id IS NOT NULL)`,
  },
  {
    rule: "5 a response on its way to the archive is tried",
    sql: `SELECT 'response/' || response_id AS subject, 'tried next' AS detail, 'after ' || ${stuck} AS expected,
        due_at AS found
      FROM cloud_uploads WHERE state = 'queued' AND due_at <= ${stuck}`,
  },
];
