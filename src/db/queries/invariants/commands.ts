/** Invariants 4, 5 and 7 of commands that wait for people, or whose scan contradicted the books, by command id. */
import { APPROVALS_OF, BALLOTS } from "./approvals.ts";
import { inRange, recent, type Rule } from "./rule.ts";

export const COMMAND_RULES: readonly Rule[] = [
  {
    rule: "4 a discrepancy is that of a rejected command which names it",
    sql: `SELECT 'discrepancy/' || d.id AS subject, 'of command ' || d.command_id AS detail, 'rejected ' || d.id AS expected,
        c.state || ' ' || COALESCE(c.result ->> '$.discrepancy_id', '') AS found
      FROM discrepancies d LEFT JOIN commands c ON c.id = d.command_id
      WHERE ${inRange("d.command_id")} AND (c.state IS NOT 'rejected' OR c.result ->> '$.discrepancy_id' IS NOT d.id)`,
  },
  {
    rule: "5 a command that waits for approval has someone to wait for",
    sql: `SELECT 'command/' || c.id AS subject, 'people who are asked' AS detail, 1 AS expected, 0 AS found
      FROM commands c WHERE ${inRange("c.id")} AND c.state = 'awaiting_approval'
        AND NOT EXISTS (SELECT 1 FROM approval_steps s WHERE s.command_id = c.id AND s.state = 'pending')
        AND 'command/' || c.id NOT IN (SELECT subject FROM open_events WHERE type = 'ApprovalDecided')`,
  },
  {
    rule: "7 a command that was applied after approval was approved",
    sql: `SELECT 'command/' || c.id AS subject, 'steps that approved it' AS detail, 1 AS expected, 0 AS found
      FROM commands c WHERE ${inRange("c.id")} AND c.state = 'applied' AND c.approval IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM approval_steps s WHERE s.command_id = c.id AND s.state = 'approved')`,
  },
  {
    rule: "7 whoever decides on a command is entitled, and didn't send it",
    sql: `SELECT 'command/' || c.id AS subject, 'ballot ' || b.id || ' of ' || b.approver AS detail,
        'a manager of ' || c.region AS expected, p.role || ' of ' || COALESCE(p.region, 'every region') AS found
      FROM ${BALLOTS} JOIN commands c ON c.id = s.command_id LEFT JOIN people p ON p.id = b.approver
      WHERE ${inRange("s.command_id")} AND b.at >= ${recent} AND (p.id IS NULL OR p.role <> 'manager'
        OR COALESCE(p.region, c.region) <> c.region OR p.approval_limit < c.approval ->> '$.value'
        OR c.sender = 'person:' || b.approver)`,
  },
  ...APPROVALS_OF.command,
];
