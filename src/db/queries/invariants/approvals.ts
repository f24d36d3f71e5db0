/** Invariants 5 to 7 of approval steps and their ballots, which concern a request or a command, by its id. */
import { inRange, type Rule } from "./rule.ts";

export const BALLOTS = `approval_steps s JOIN ballots b ON b.step_id = s.id`;

export const APPROVALS_OF = {
  request: approvalRules("request"),
  command: approvalRules("command"),
} as const;

function approvalRules(of: "request" | "command"): readonly Rule[] {
  const key = `s.${of}_id`;
  const subject = `'${of}/' || s.${of}_id`;
  return [
    {
      rule: "5 whoever is asked has a due time with a timer, or is held in sight",
      sql: `SELECT ${subject} AS subject, 'timer of step ' || s.id AS detail, 1 AS expected, 0 AS found
      FROM approval_steps s WHERE ${inRange(key)} AND s.state = 'pending' AND (s.due_at IS NULL
        OR (s.id NOT IN (SELECT step_id FROM open_events WHERE type = 'ApprovalDue' AND step_id IS NOT NULL)
            AND NOT EXISTS (SELECT 1 FROM audit a
              WHERE a.subject = ${subject} AND a.action = 'approval.escalation hold')))`,
    },
    {
      rule: "6 each ballot is in the trail once",
      sql: `SELECT ${subject} AS subject, 'ballot ' || b.id || ' of ' || b.approver AS detail, 1 AS expected,
        COUNT(a.seq) AS found
      FROM ${BALLOTS}
      LEFT JOIN audit a ON a.subject = ${subject} AND a.actor = b.approver
        AND a.action IN ('approval.approved', 'approval.rejected') AND a.after ->> '$.step_id' = s.id
      WHERE ${inRange(key)} GROUP BY b.id HAVING COUNT(a.seq) <> 1`,
    },
    {
      rule: "7 a decided step has its ballot, bound to what was approved",
      sql: `SELECT ${subject} AS subject, 'ballot of step ' || s.id || ', ' || s.state AS detail,
        CASE WHEN s.state IN ('approved', 'rejected') THEN s.approver || ': ' || s.state || ' ' || s.payload_hash END AS expected,
        b.approver || ': ' || b.decision || ' ' || b.payload_hash AS found
      FROM approval_steps s LEFT JOIN ballots b ON b.step_id = s.id
      WHERE ${inRange(key)} AND (s.state IN ('approved', 'rejected')) IS NOT (b.id IS NOT NULL
        AND b.approver = s.approver AND b.payload_hash = s.payload_hash AND b.request_id IS s.request_id AND b.command_id IS s.command_id
        AND b.decision = CASE s.state WHEN 'approved' THEN 'approve' WHEN 'rejected' THEN 'reject' ELSE b.decision END)`,
    },
  ];
}
