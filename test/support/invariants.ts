/** What must hold of the database after every fault, property and load test, by one function. An empty list: all holds. */
import { RESEND_AFTER_MS } from "../../src/config.ts";
import { sha256Hex } from "../../src/container.ts";
import { approversNeeded } from "../../src/domain/approval-level.ts";
import { approvalPayload } from "../../src/domain/approval-payload.ts";
import { parseRequestContext } from "../../src/domain/request-context.ts";
import { CHECKS } from "./invariant-checks.ts";
import { EFFECTS } from "./invariant-effects.ts";
import { testClock } from "./world.ts";

export interface InvariantOptions {
  /** Orders, requests and commands may still be on their way, and due events too. */
  readonly allowUnfinished?: boolean;
  /** Ms since the epoch. */
  readonly now?: number;
}

const ENOUGH_APPROVERS = "7 as many distinct people approve as the rules ask for";
const COMMAND_AS_APPROVED = "7 the ballots of a command are bound to what is kept with it";
const AS_APPROVED = "7 what was ordered is what was approved";

const SEALS_VERIFY = "6 the seals verify";

const ALL = [...CHECKS, ...EFFECTS];

/** Each rule by its name, for the test that breaks them one by one. */
export const RULES: readonly string[] = [
  ...ALL.map(({ rule }) => rule),
  SEALS_VERIFY,
  ENOUGH_APPROVERS,
  AS_APPROVED,
  COMMAND_AS_APPROVED,
];

/** Every violation, as `rule: what`. Reads only. */
export async function violations(db: D1Database, options: InvariantOptions = {}): Promise<string[]> {
  const now = options.now ?? testClock.now();
  const checks = ALL.filter((check) => !(options.allowUnfinished && check.whenFinished));
  const times = [new Date(now).toISOString(), new Date(now + RESEND_AFTER_MS).toISOString()];
  const results = await db.batch<{ what: string }>(
    checks.map(({ sql }) => {
      const used = sql.includes("?2") ? 2 : sql.includes("?1") ? 1 : 0;
      return used === 0 ? db.prepare(sql) : db.prepare(sql).bind(...times.slice(0, used));
    }),
  );
  const found = results.flatMap(({ results: rows }, index) =>
    rows.map(({ what }) => `${checks[index]?.rule}: ${what}`),
  );
  return [...found, ...(await sealViolations(db)), ...(await approvalViolations(db)), ...(await commandViolations(db))];
}

/** Invariant 6, the part that SQL can't say: each seal goes on from the one before and fits its rows, by design/audit.md. */
async function sealViolations(db: D1Database): Promise<string[]> {
  const [seals, rows] = await db.batch<Record<string, string | number | null>>([
    db.prepare("SELECT * FROM audit_seals ORDER BY to_seq"),
    db.prepare("SELECT * FROM audit ORDER BY seq"),
  ]);
  const found: string[] = [];
  let before = { hash: "0".repeat(64), to: 0 };
  for (const seal of seals?.results ?? []) {
    const [from, to] = [Number(seal["from_seq"]), Number(seal["to_seq"])];
    const own = (rows?.results ?? []).filter(({ seq }) => Number(seq) >= from && Number(seq) <= to);
    const lines = await Promise.all(
      own.map(
        async ({ seq, ...row }) => `${seq} ${await sha256Hex(JSON.stringify(COLUMNS.map((name) => row[name])))}\n`,
      ),
    );
    const hash = await sha256Hex(`${before.hash}\n${lines.join("")}`);
    if (hash !== seal["hash"] || seal["prev"] !== before.hash || from !== before.to + 1) {
      found.push(`${SEALS_VERIFY}: ${from} to ${to}`);
    }
    before = { hash: String(seal["hash"]), to };
  }
  return found;
}

const COLUMNS = ["at", "actor", "actor_kind", "action", "subject", "before", "after", "reason", "trace"];

interface OrderedRequest {
  readonly id: string;
  readonly destination: string;
  readonly currency: string;
  readonly payload_hash: string | null;
  readonly context: string;
  readonly approved: number;
  readonly lines: string;
}

/** Invariant 7 for commands, the part that SQL can't say: each step's hash is that of the text kept with its command. */
async function commandViolations(db: D1Database): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT s.id, s.payload_hash, c.approval FROM approval_steps s LEFT JOIN commands c ON c.id = s.command_id
       WHERE s.command_id IS NOT NULL`,
    )
    .all<{ id: string; payload_hash: string; approval: string | null }>();
  const found: string[] = [];
  for (const step of results) {
    if ((await sha256Hex(step.approval ?? "")) !== step.payload_hash) found.push(`${COMMAND_AS_APPROVED}: ${step.id}`);
  }
  return found;
}

/** Invariant 7, the part that SQL can't say: what was ordered hashes to what was approved, and `auto` was the rules' own. */
async function approvalViolations(db: D1Database): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT r.id, r.destination, r.currency, r.payload_hash, r.context,
         (SELECT COUNT(DISTINCT s.approver) FROM approval_steps s WHERE s.request_id = r.id AND s.state = 'approved') AS approved,
         (SELECT json_group_array(json_object('line', l.request_line, 'sku', l.sku, 'quantity', l.quantity, 'source', l.source,
            'location', l.location, 'supplier', l.supplier, 'orderQuantity', l.order_quantity, 'unitPrice', l.unit_price,
            'freight', l.freight, 'terms', json(l.supplier_terms)))
          FROM order_lines l WHERE l.order_id = r.order_id) AS lines
       FROM requests r JOIN orders o ON o.id = r.order_id`,
    )
    .all<OrderedRequest>();
  const found: string[] = [];
  for (const request of results) {
    const context = parseRequestContext(request.context);
    const chain = context.ok ? context.context.trusted.chain : undefined;
    const needed =
      chain === undefined || chain.level === "reject" ? Number.POSITIVE_INFINITY : approversNeeded(chain.level);
    if (request.approved < needed) {
      found.push(`${ENOUGH_APPROVERS}: ${request.id}: ${request.approved} of ${needed}`);
    }
    if (request.payload_hash === null) continue;
    const lines = JSON.parse(request.lines) as Parameters<typeof approvalPayload>[1];
    if ((await sha256Hex(approvalPayload(request, lines))) !== request.payload_hash) {
      found.push(`${AS_APPROVED}: ${request.id}`);
    }
  }
  return found;
}
