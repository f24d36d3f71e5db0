/** Invariants 4 to 7 of requests and their approvals, by request id. */
import { APPROVALS_OF, BALLOTS } from "./approvals.ts";
import { ANSWERED, inRange, MOVERS, recent, RUNNING, type Rule } from "./rule.ts";

const STATES: readonly Rule[] = [
  {
    rule: "4 a request that ended has its one response, and no other has one",
    sql: `SELECT 'request/' || r.id AS subject, 'response of a request that is ' || r.status AS detail,
        CASE WHEN r.status IN ${ANSWERED} THEN r.status END AS expected, a.outcome AS found
      FROM requests r LEFT JOIN responses a ON a.request_id = r.id
      WHERE ${inRange("r.id")} AND a.outcome IS NOT CASE WHEN r.status IN ${ANSWERED} THEN r.status END`,
  },
  {
    rule: "4 a request and its order agree",
    sql: `SELECT 'request/' || r.id AS subject, 'its order, the request is ' || r.status AS detail,
        CASE r.status WHEN 'completed' THEN 'Completed' WHEN 'failed' THEN 'Cancelled' ELSE 'an order of its own' END AS expected,
        o.status AS found
      FROM requests r LEFT JOIN orders o ON o.id = r.order_id AND o.request_id = r.id
      WHERE ${inRange("r.id")} AND ((r.order_id IS NOT NULL AND o.id IS NULL)
        OR (r.status = 'completed' AND o.status IS NOT 'Completed') OR (r.status = 'failed' AND o.status = 'Completed'))`,
  },
  {
    rule: "5 a request that waits for approval has someone to wait for",
    sql: `SELECT 'request/' || r.id AS subject, 'people who are asked' AS detail, 1 AS expected, 0 AS found
      FROM requests r WHERE ${inRange("r.id")} AND r.status = 'awaiting_approval'
        AND NOT EXISTS (SELECT 1 FROM approval_steps s WHERE s.request_id = r.id AND s.state = 'pending')
        AND 'request/' || r.id NOT IN ${MOVERS}`,
  },
  {
    rule: "5 a request on its way has an event or an order that moves it on",
    sql: `SELECT 'request/' || r.id AS subject, 'what moves it, ' || r.status AS detail, 1 AS expected, 0 AS found
      FROM requests r WHERE ${inRange("r.id")} AND r.status IN ('uploaded', 'reading', 'pricing', 'routing', 'ordering')
        AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = r.order_id AND o.status IN ${RUNNING})
        AND 'request/' || r.id NOT IN ${MOVERS} AND 'order/' || COALESCE(r.order_id, '') NOT IN ${MOVERS}`,
  },
  {
    rule: "6 a request is in the trail from its upload to its end, each once",
    sql: `SELECT 'request/' || r.id AS subject, 'uploads and ends in the trail, ' || r.status AS detail,
        1 + (r.status IN ${ANSWERED}) AS expected, COUNT(a.seq) AS found
      FROM requests r LEFT JOIN audit a ON a.subject = 'request/' || r.id AND (a.action = 'request.uploaded'
        OR (a.action = 'request.' || r.status AND r.status IN ${ANSWERED}))
      WHERE ${inRange("r.id")} GROUP BY r.id
      HAVING COUNT(*) FILTER (WHERE a.action = 'request.uploaded') <> 1 OR expected <> found`,
  },
];

const APPROVALS: readonly Rule[] = [
  {
    rule: "7 whoever decides is entitled",
    sql: `SELECT 'request/' || s.request_id AS subject, 'ballot ' || b.id || ' of ' || b.approver AS detail,
        'a manager of ' || r.region AS expected, p.role || ' of ' || COALESCE(p.region, 'every region') AS found
      FROM ${BALLOTS} JOIN requests r ON r.id = s.request_id LEFT JOIN people p ON p.id = b.approver
      WHERE ${inRange("s.request_id")} AND b.at >= ${recent} AND (p.id IS NULL OR p.role <> 'manager'
        OR COALESCE(p.region, r.region) <> r.region OR p.approval_limit <= 0)`,
  },
  {
    rule: "7 nobody decides on their own request",
    sql: `SELECT 'request/' || s.request_id AS subject, 'ballot ' || b.id AS detail, 'another person' AS expected,
        b.approver AS found
      FROM ${BALLOTS} JOIN requests r ON r.id = s.request_id
      WHERE ${inRange("s.request_id")} AND b.approver IN (r.requester, r.device_id)`,
  },
  {
    rule: "7 one person decides once per request",
    sql: `SELECT 'request/' || s.request_id AS subject, 'ballots of ' || b.approver AS detail, 1 AS expected, COUNT(*) AS found
      FROM ${BALLOTS} WHERE ${inRange("s.request_id")} GROUP BY s.request_id, b.approver HAVING COUNT(*) > 1`,
  },
  {
    rule: "7 what needed approval has one of someone whose limit covers it",
    sql: `SELECT 'request/' || r.id AS subject, 'highest limit of those who approved' AS detail, r.total AS expected,
        MAX(p.approval_limit) AS found
      FROM requests r JOIN approval_steps s ON s.request_id = r.id
      LEFT JOIN people p ON p.id = s.approver AND s.state = 'approved' AND s.payload_hash = r.payload_hash
      WHERE ${inRange("r.id")} AND r.order_id IS NOT NULL AND r.updated_at >= ${recent}
      GROUP BY r.id HAVING COALESCE(found, -1) < expected`,
  },
  {
    rule: "7 nothing is ordered while a step of it is open or rejected",
    sql: `SELECT 'request/' || r.id AS subject, 'step ' || s.id AS detail, 'approved' AS expected, s.state AS found
      FROM requests r JOIN approval_steps s ON s.request_id = r.id
      WHERE ${inRange("r.id")} AND r.order_id IS NOT NULL AND s.state NOT IN ('approved', 'escalated')`,
  },
];

export const REQUEST_RULES: readonly Rule[] = [...STATES, ...APPROVALS_OF.request, ...APPROVALS];
