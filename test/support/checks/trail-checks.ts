/** Invariants 6 and 7: each change has its row in the trail, and each approval its entitled, distinct person. */
import { ENDED, TAKEN_OVER, type Check } from "./check.ts";

/** What a request's trail calls each state that it comes to. */
const REQUEST_ACTIONS = `(VALUES ('reading', 'request.read'), ('reading', 'request.unreadable'),
  ('needs_clarification', 'request.needs clarification'), ('pricing', 'request.lines resolved'), ('routing', 'request.priced'),
  ('awaiting_approval', 'request.chain steps'), ('ordering', 'request.chain auto'), ('ordering', 'request.approved'),
  ('needs_attention', 'request.chain needs_attention'), ('needs_attention', 'request.needs attention'),
  ('completed', 'request.completed'), ('rejected', 'request.rejected'), ('cancelled', 'request.cancelled'),
  ('expired', 'request.expired'), ('failed', 'request.failed'))`;
export const TRAIL: readonly Check[] = [
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
            LEFT JOIN audit t ON t.subject = 'order/' || o.id AND (t.actor = 'order-saga' OR t.action IN (${TAKEN_OVER}))
            GROUP BY o.id) a ON a.id = o.id
      WHERE a.n <> b.n`,
  },
  {
    rule: "6 the end of an order is in its trail once, and told once",
    sql: `SELECT o.id || ' is ' || o.status || ', taken over ' || k.n || ', ends in the trail ' || a.n || ', told ' || e.n AS what
      FROM orders o
      JOIN (SELECT o.id, COUNT(t.seq) AS n FROM orders o LEFT JOIN audit t ON t.subject = 'order/' || o.id
            AND t.action IN (${TAKEN_OVER}) AND t.before ->> '$.status' = 'NeedsAttention' GROUP BY o.id) k ON k.id = o.id
      JOIN (SELECT o.id, COUNT(t.seq) AS n FROM orders o LEFT JOIN audit t ON t.subject = 'order/' || o.id
            AND t.action IN ('order.completed', 'order.cancelled', 'order.needs attention') GROUP BY o.id) a ON a.id = o.id
      JOIN (SELECT o.id, COUNT(t.event_id) AS n FROM orders o LEFT JOIN outbox t ON t.subject = 'order/' || o.id
            AND t.type = 'OrderEnded' GROUP BY o.id) e ON e.id = o.id
      WHERE a.n <> (o.status IN (${ENDED})) + k.n OR e.n <> (o.status IN (${ENDED})) + k.n`,
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

export const APPROVALS: readonly Check[] = [
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
