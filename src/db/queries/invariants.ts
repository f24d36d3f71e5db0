/**
 * The rules of the live check, run range by range: each range's rules are one batch, so that they see one moment of the
 * database, read a bounded number of keys, and write nothing.
 */
import { sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { COMMAND_RULES } from "./invariants/commands.ts";
import { ORDER_RULES } from "./invariants/orders.ts";
import { REQUEST_RULES } from "./invariants/requests.ts";
import { inRange, OPEN_EVENTS, type Rule, type RuleInput } from "./invariants/rule.ts";
import { SKU_RULES, TRANSFER_RULES } from "./invariants/stock.ts";
import { OUTBOX_RULES, WAITING_RULES } from "./invariants/waiting.ts";

export interface BrokenRow {
  readonly rule: string;
  /** `{kind}/{id}`. */
  readonly subject: string;
  readonly detail: string;
  readonly expected: string | number | null;
  readonly found: string | number | null;
}

interface RuleGroup {
  /** Where the keys are listed; null: whole tables, one statement. */
  readonly keys: { readonly table: string; readonly column: string; readonly first: string | number } | null;
  readonly rules: readonly Rule[];
}

export const RULE_GROUPS = {
  sku: { keys: { table: "parts", column: "sku", first: "" }, rules: SKU_RULES },
  transfers: { keys: null, rules: TRANSFER_RULES },
  orders: { keys: { table: "orders", column: "id", first: "" }, rules: ORDER_RULES },
  requests: { keys: { table: "requests", column: "id", first: "" }, rules: REQUEST_RULES },
  commands: { keys: { table: "commands", column: "id", first: "" }, rules: COMMAND_RULES },
  outbox: { keys: { table: "outbox", column: "seq", first: -1 }, rules: OUTBOX_RULES },
  waiting: { keys: null, rules: WAITING_RULES },
} as const satisfies Record<string, RuleGroup>;

export type RuleGroupName = keyof typeof RULE_GROUPS;

/** Where a group's keys begin (exclusive). */
export function firstOf(group: RuleGroupName): string | number {
  return RULE_GROUPS[group].keys?.first ?? "";
}

/** The last key of the next `count` after `after`, or null: fewer are left. */
export async function findRangeEnd(
  db: Database,
  group: RuleGroupName,
  after: string | number,
  count: number,
): Promise<string | number | null> {
  const { keys } = RULE_GROUPS[group];
  if (keys === null) return null;
  const column = sql.identifier(keys.column);
  const rows = await db.all<{ key: string | number }>(sql`
    SELECT ${column} AS key FROM ${sql.identifier(keys.table)} WHERE ${column} > ${after}
    ORDER BY ${column} LIMIT 1 OFFSET ${count - 1}`);
  return rows[0]?.key ?? null;
}

/** Above every key. */
export function lastOf(group: RuleGroupName): string | number {
  return typeof firstOf(group) === "number" ? Number.MAX_SAFE_INTEGER : "\u{10FFFF}";
}

/** The rows of a range that break a rule of the group: the first `limit` of each rule, and how many there are. */
export async function listBroken(
  db: Database,
  group: RuleGroupName,
  input: RuleInput,
  limit: number,
): Promise<{ readonly rows: BrokenRow[]; readonly count: number }> {
  const values = INPUT_COLUMNS.map((column) => input[column]);
  const found = await db.$client.batch<BrokenRow & { total: number }>(
    RULE_GROUPS[group].rules.map((one) => db.$client.prepare(statementOf(one)).bind(...values, limit)),
  );
  return {
    rows: found.flatMap(({ results }) =>
      results.map(({ rule, subject, detail, expected, found: is }) => ({ rule, subject, detail, expected, found: is })),
    ),
    count: found.reduce((sum, { results }) => sum + (results[0]?.total ?? 0), 0),
  };
}

const INPUT_COLUMNS = [
  "after",
  "up_to",
  "stuck",
  "day_ago",
  "recent",
  "movements_since",
  "lease_end",
  "mover_bit",
] as const satisfies (keyof RuleInput)[];

function statementOf({ rule, sql: text }: Rule): string {
  const parameters = INPUT_COLUMNS.map((_, at) => `?${at + 1}`).join(", ");
  return `WITH q(${INPUT_COLUMNS.join(", ")}) AS (SELECT ${parameters}), ${OPEN_EVENTS}
    SELECT ${quoted(rule)} AS rule, *, COUNT(*) OVER () AS total FROM (${text}) LIMIT ?${INPUT_COLUMNS.length + 1}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export interface OrderedRequest {
  readonly id: string;
  readonly destination: string;
  readonly currency: string;
  readonly payload_hash: string | null;
  /** The level of scrutiny that its chain was made for. */
  readonly level: string | null;
  /** Distinct people who approved. */
  readonly approved: number;
  /** JSON array of allocations. */
  readonly lines: string;
}

/** What was ordered of the range's requests that moved since `recent`, with what was approved of it. */
export function listOrdered(db: Database, input: RuleInput): Promise<OrderedRequest[]> {
  return db.all<OrderedRequest>(sql`
    WITH q(after, up_to) AS (SELECT ${input.after}, ${input.up_to})
    SELECT r.id, r.destination, r.currency, r.payload_hash, r.context ->> '$.trusted.chain.level' AS level,
      (SELECT COUNT(DISTINCT s.approver) FROM approval_steps s WHERE s.request_id = r.id AND s.state = 'approved') AS approved,
      (SELECT json_group_array(json_object('line', l.request_line, 'sku', l.sku, 'quantity', l.quantity,
          'source', l.source, 'location', l.location, 'supplier', l.supplier, 'orderQuantity', l.order_quantity,
          'unitPrice', l.unit_price, 'freight', l.freight, 'terms', json(l.supplier_terms)))
        FROM order_lines l WHERE l.order_id = r.order_id) AS lines
    FROM requests r JOIN orders o ON o.id = r.order_id
    WHERE ${sql.raw(inRange("r.id"))} AND r.updated_at >= ${input.recent}`);
}
