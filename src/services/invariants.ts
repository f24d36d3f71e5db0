/**
 * Checks the invariants on the live data: reads only, in steps of a bounded number of keys. A check that runs out of its
 * time says where the next one goes on. Nightly it is run to its end and kept as a report; what is broken is told once.
 */
import {
  AUDIT_OVERDUE_MS,
  INVARIANT_DAY_MS,
  INVARIANT_KEYS,
  INVARIANT_RECENT_MS,
  INVARIANT_ROWS,
  INVARIANT_SEALS,
  INVARIANT_STUCK_MS,
  RESEND_AFTER_MS,
} from "../config.ts";
import { findSealsBack } from "../db/queries/audit-seals.ts";
import {
  findRangeEnd,
  firstOf,
  lastOf,
  listBroken,
  listOrdered,
  type BrokenRow,
  type OrderedRequest,
  type RuleGroupName,
} from "../db/queries/invariants.ts";
import { insertInvariantReport } from "../db/queries/invariant-reports.ts";
import type { RuleInput } from "../db/queries/invariants/rule.ts";
import { recountStock } from "../db/queries/recount.ts";
import { approversNeeded, LEVELS } from "../domain/approval-level.ts";
import { approvalPayload } from "../domain/approval-payload.ts";
import { AppError } from "../domain/errors.ts";
import { SUBSCRIBER_BITS } from "../events/subscriptions.ts";
import type { Finding } from "../domain/audit-findings.ts";
import { verifyAudit, type VerifyDeps } from "./audit-verify.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export interface InvariantDeps extends VerifyDeps, ServiceDeps {}

/** The next step: its place in STEPS, and the last key that was checked in it. */
export interface Place {
  readonly step: number;
  readonly after: string | number | null;
}

export interface Checked {
  /** The first thousand broken rows. */
  readonly rows: readonly BrokenRow[];
  readonly count: number;
  /** Null: all was checked. */
  readonly next: Place | null;
}

type Found = { readonly rows: readonly BrokenRow[]; readonly count: number };

interface Step {
  /** Whose keys its ranges tile; null: it is done in one go. */
  readonly keys: RuleGroupName | null;
  readonly check: (deps: InvariantDeps, input: RuleInput) => Promise<Found>;
}

const ruled = (group: RuleGroupName): Step => ({
  keys: group,
  check: (deps, input) => listBroken(deps.db, group, input, INVARIANT_ROWS),
});

const STEPS: readonly Step[] = [
  { keys: null, check: recounted },
  ruled("sku"),
  ruled("transfers"),
  ruled("orders"),
  ruled("requests"),
  { keys: "requests", check: orderedAsApproved },
  ruled("commands"),
  ruled("outbox"),
  ruled("waiting"),
  { keys: null, check: sealed },
];

export const INVARIANT_STEPS = STEPS.length;

/** Checks from `from` to the end, or until `budgetMs` is used up. */
export async function checkInvariants(
  deps: InvariantDeps,
  { from = { step: 0, after: null }, budgetMs = Number.POSITIVE_INFINITY }: { from?: Place; budgetMs?: number } = {},
): Promise<Checked> {
  const began = deps.clock.now();
  const rows: BrokenRow[] = [];
  let count = 0;
  let place: Place = from;
  for (let step = STEPS[place.step]; step; step = STEPS[place.step]) {
    const group = step.keys;
    const after = place.after ?? (group === null ? "" : firstOf(group));
    const end = group === null ? null : await findRangeEnd(deps.db, group, after, INVARIANT_KEYS);
    const found = await step.check(deps, inputOf(deps, after, end ?? (group === null ? "" : lastOf(group))));
    rows.push(...found.rows.slice(0, INVARIANT_ROWS - rows.length));
    count += found.count;
    place = end === null ? { step: place.step + 1, after: null } : { step: place.step, after: end };
    const left = STEPS.length > place.step;
    if (left && deps.clock.now() - began >= budgetMs) return { rows, count, next: place };
  }
  return { rows, count, next: null };
}

function inputOf(deps: InvariantDeps, after: string | number, upTo: string | number): RuleInput {
  const at = (ms: number) => new Date(deps.clock.now() + ms).toISOString();
  return {
    after,
    up_to: upTo,
    stuck: at(-INVARIANT_STUCK_MS),
    day_ago: at(-INVARIANT_DAY_MS),
    recent: at(-INVARIANT_RECENT_MS),
    movements_since: at(-INVARIANT_RECENT_MS - INVARIANT_STUCK_MS),
    lease_end: at(RESEND_AFTER_MS + INVARIANT_STUCK_MS),
    mover_bit: SUBSCRIBER_BITS["request-processor"],
  };
}

async function recounted(deps: InvariantDeps): Promise<Found> {
  const found = await recountStock(deps.db, null);
  const rows = found.map(({ rule, sku, location, expected, found: is }) => ({
    rule: `1 ${rule}`,
    subject: `stock/${sku}@${location}`,
    detail: "by recount",
    expected,
    found: is,
  }));
  return { rows, count: rows.length };
}

async function orderedAsApproved(deps: InvariantDeps, input: RuleInput): Promise<Found> {
  const rows: BrokenRow[] = [];
  for (const request of await listOrdered(deps.db, input)) rows.push(...(await brokenOrder(deps, request)));
  return { rows, count: rows.length };
}

async function brokenOrder(deps: InvariantDeps, request: OrderedRequest): Promise<BrokenRow[]> {
  const subject = `request/${request.id}`;
  const level = LEVELS.find((one) => one === request.level);
  const needed = level === undefined || level === "reject" ? null : approversNeeded(level);
  const rows: BrokenRow[] = [];
  if (needed === null || request.approved < needed) {
    const rule = "7 as many distinct people approve as the rules ask for";
    rows.push({ rule, subject, detail: `of level ${request.level}`, expected: needed, found: request.approved });
  }
  if (request.payload_hash === null) return rows;
  const lines = JSON.parse(request.lines) as Parameters<typeof approvalPayload>[1];
  const ordered = await deps.sha256(approvalPayload(request, lines));
  if (ordered !== request.payload_hash) {
    const rule = "7 what was ordered is what was approved";
    rows.push({ rule, subject, detail: "hash of the payload", expected: request.payload_hash, found: ordered });
  }
  return rows;
}

/** The newest seals: older ones were checked on the nights before, and all of them are by `GET /api/audit/verify`. */
async function sealed(deps: InvariantDeps): Promise<Found> {
  const rows: BrokenRow[] = [];
  let after: number | null = await findSealsBack(deps.db, INVARIANT_SEALS);
  // The beginning of the chain is looked at each night: what is slipped in below it would be seen by no other.
  const found: Finding[] = after > 0 ? [...(await verifyAudit(deps, 0, 1)).findings] : [];
  while (after !== null) {
    const verified = await verifyAudit(deps, after, INVARIANT_SEALS);
    after = verified.next;
    found.push(...verified.findings);
    for (const { kind, from_seq: from, to_seq: to, detail } of found.splice(0)) {
      rows.push({ rule: "6 the seals verify", subject: `audit/${from}–${to}`, detail, expected: null, found: kind });
    }
    const age = verified.unsealed.age_s ?? 0;
    if (after === null && age * 1000 > AUDIT_OVERDUE_MS) {
      const subject = `audit/${verified.unsealed.from_seq}`;
      const expected = AUDIT_OVERDUE_MS / 1000;
      rows.push({ rule: "6 the trail is sealed in time", subject, detail: "age in seconds", expected, found: age });
    }
  }
  return { rows, count: rows.length };
}

/** The nightly run: one report per scheduled time, and one event if anything is broken. */
export async function reportInvariants(deps: InvariantDeps, scheduledMs: number): Promise<void> {
  const began = deps.clock.now();
  const startedAt = isoNow(deps);
  const { rows, count } = await checkInvariants(deps);
  const id = deps.newId("invariantReport");
  const subject = `invariant-report/${id}`;
  const rules = [...new Set(rows.map(({ rule }) => rule))];
  const first = rows[0];
  const committed = await deps.commit({
    trace: deps.newTrace(),
    inbox: { scope: "invariants", id: new Date(scheduledMs).toISOString(), bodyHash: "", result: id },
    writes: [
      insertInvariantReport({
        id,
        startedAt,
        durationMs: deps.clock.now() - began,
        broken: count,
        findings: JSON.stringify(rows),
      }),
    ],
    audit: [
      {
        actor: { id: "invariant-check", kind: "system" },
        action: "invariants.checked",
        subject,
        after: { broken: count },
      },
    ],
    events: first
      ? [
          {
            type: "ErrorOccurred",
            subject,
            region: null,
            sequence: 1,
            data: {
              code: "INVARIANT_BROKEN",
              kind: "invariant-report",
              id,
              message: `${count} broken by ${rules.length} rules, first: ${first.rule}: ${first.subject}`,
              retryable: false,
              timestamp: isoNow(deps),
            },
          },
        ]
      : [],
  });
  if (!committed.ok)
    throw new AppError(committed.code, "the report of the invariants was refused", { retryable: true });
}
