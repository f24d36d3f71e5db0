/**
 * Checks the invariants on the live data: reads only, place by place, each a bounded number of keys. A check that runs out of
 * its time or its statements says where the next one goes on.
 */
import { z } from "zod";
import {
  AUDIT_OVERDUE_MS,
  INVARIANT_BUDGET_MS,
  INVARIANT_BUDGET_STATEMENTS,
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
  RULE_GROUPS,
  type BrokenRow,
  type OrderedRequest,
  type RuleGroupName,
} from "../db/queries/invariants.ts";
import type { RuleInput } from "../db/queries/invariants/rule.ts";
import { RECOUNT_STATEMENTS, recountStock } from "../db/queries/recount.ts";
import { approversNeeded, LEVELS } from "../domain/approval-level.ts";
import { approvalPayload } from "../domain/approval-payload.ts";
import { SUBSCRIBER_BITS } from "../events/subscriptions.ts";
import { verifyAudit, type VerifyDeps } from "./audit-verify.ts";
import type { ServiceDeps } from "./deps.ts";

export interface InvariantDeps extends VerifyDeps, ServiceDeps {}

export const INVARIANT_STEPS = [
  "recount",
  "sku",
  "transfers",
  "orders",
  "requests",
  "ordered",
  "commands",
  "outbox",
  "waiting",
  "seals",
] as const;
type StepName = (typeof INVARIANT_STEPS)[number];

/** What is checked next: the step, and the last key that was checked in it (null: none). */
export interface Place {
  readonly step: StepName;
  readonly after: string | number | null;
}

export const FIRST_PLACE: Place = { step: INVARIANT_STEPS[0], after: null };

const placeSchema = z.object({ step: z.enum(INVARIANT_STEPS), after: z.union([z.string(), z.int()]).nullable() });

/** From its JSON; null: none that this version knows. */
export function readPlace(text: string): Place | null {
  try {
    return placeSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

export interface Checked {
  /** The first thousand broken rows. */
  readonly rows: readonly BrokenRow[];
  readonly count: number;
  /** Null: all was checked. */
  readonly next: Place | null;
}

/** `goOn`: the key after which a step without ranges goes on. */
type Found = { readonly rows: readonly BrokenRow[]; readonly count: number; readonly goOn?: number | null };

interface Step {
  /** Whose keys its ranges tile; null: it has none, or says itself where it goes on. */
  readonly keys: RuleGroupName | null;
  /** That one place takes at most, with the look for the end of its range. */
  readonly statements: number;
  readonly check: (deps: InvariantDeps, input: RuleInput) => Promise<Found>;
}

const ruled = (group: RuleGroupName): Step => ({
  keys: group,
  statements: RULE_GROUPS[group].rules.length + 1,
  check: (deps, input) => listBroken(deps.db, group, input, INVARIANT_ROWS),
});

const STEPS: Readonly<Record<StepName, Step>> = {
  recount: { keys: null, statements: RECOUNT_STATEMENTS, check: recounted },
  sku: ruled("sku"),
  transfers: ruled("transfers"),
  orders: ruled("orders"),
  requests: ruled("requests"),
  ordered: { keys: "requests", statements: 2, check: orderedAsApproved },
  commands: ruled("commands"),
  outbox: ruled("outbox"),
  waiting: ruled("waiting"),
  // A seal takes one, a broken chain two; the chain itself is looked at with a few.
  seals: { keys: null, statements: 2 * INVARIANT_SEALS + 20, check: sealed },
};

/**
 * Says of one place after the other whether it may still be checked in this call: the first may, further ones while their
 * time and their statements last. `more`: what the caller adds to each.
 */
export function budgetOf({ clock }: Pick<InvariantDeps, "clock">, more = 0): (next: Place) => boolean {
  const began = clock.now();
  let used = 0;
  return ({ step }) => {
    const isFirst = used === 0;
    used += STEPS[step].statements + more;
    return isFirst || (used <= INVARIANT_BUDGET_STATEMENTS && clock.now() - began < INVARIANT_BUDGET_MS);
  };
}

/** Checks from `from` to the end, or until the budget of one call is used up. */
export async function checkInvariants(deps: InvariantDeps, from: Place = FIRST_PLACE): Promise<Checked> {
  const mayCheck = budgetOf(deps);
  const rows: BrokenRow[] = [];
  let count = 0;
  let place: Place | null = from;
  while (place !== null && mayCheck(place)) {
    const found: Checked = await checkPlace(deps, place);
    rows.push(...found.rows.slice(0, INVARIANT_ROWS - rows.length));
    count += found.count;
    place = found.next;
  }
  return { rows, count, next: place };
}

/** Checks one range of keys of one step. */
export async function checkPlace(deps: InvariantDeps, { step, after }: Place): Promise<Checked> {
  const { keys, check } = STEPS[step];
  const from = after ?? (keys === null ? "" : firstOf(keys));
  const end = keys === null ? null : await findRangeEnd(deps.db, keys, from, INVARIANT_KEYS);
  const { rows, count, goOn } = await check(deps, inputOf(deps, from, end ?? (keys === null ? "" : lastOf(keys))));
  const last = end ?? goOn ?? null;
  return { rows, count, next: last === null ? startOf(INVARIANT_STEPS.indexOf(step) + 1) : { step, after: last } };
}

function startOf(at: number): Place | null {
  const step = INVARIANT_STEPS[at];
  return step === undefined ? null : { step, after: null };
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
async function sealed(deps: InvariantDeps, { after }: RuleInput): Promise<Found> {
  const isFirst = typeof after !== "number";
  const from = isFirst ? await findSealsBack(deps.db, INVARIANT_SEALS) : after;
  // The beginning of the chain is looked at each night: what is slipped in below it would be seen by no other.
  const begun = isFirst && from > 0 ? (await verifyAudit(deps, 0, 1)).findings : [];
  const { findings, next, unsealed } = await verifyAudit(deps, from, INVARIANT_SEALS);
  const rows: BrokenRow[] = [...begun, ...findings].map(({ kind, from_seq: first, to_seq: to, detail }) => ({
    rule: "6 the seals verify",
    subject: `audit/${first}–${to}`,
    detail,
    expected: null,
    found: kind,
  }));
  const age = unsealed.age_s ?? 0;
  if (next === null && age * 1000 > AUDIT_OVERDUE_MS) {
    const subject = `audit/${unsealed.from_seq}`;
    const expected = AUDIT_OVERDUE_MS / 1000;
    rows.push({ rule: "6 the trail is sealed in time", subject, detail: "age in seconds", expected, found: age });
  }
  return { rows, count: rows.length, goOn: next };
}
