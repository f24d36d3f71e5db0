/**
 * The nightly check of the invariants, over as many crons as it needs: the nightly one begins a run, that of every minute
 * goes on with it. Each place that was checked is committed by itself, so a crash costs one, and of two crons at once one
 * counts. What is broken is told once, and so is, day by day, that no run becomes complete.
 */
import { INVARIANT_OVERDUE_AGAIN_MS, INVARIANT_OVERDUE_MS, INVARIANT_ROWS } from "../config.ts";
import { findFirstAuditAt } from "../db/queries/audit-seals.ts";
import { findInboxRow } from "../db/queries/inbox.ts";
import type { BrokenRow } from "../db/queries/invariants.ts";
import {
  advanceInvariantReport,
  findLastComplete,
  findRunningReport,
  insertInvariantReport,
  type InvariantReportRow,
} from "../db/queries/invariant-reports.ts";
import type { EventDraft, UnitOfWork } from "../db/unit-of-work.ts";
import { AppError } from "../domain/errors.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import {
  budgetOf,
  checkPlace,
  FIRST_PLACE,
  readPlace,
  type Checked,
  type InvariantDeps,
  type Place,
} from "./invariants.ts";

const SCOPE = "invariants";
const ACTOR = { id: "invariant-check", kind: "system" } as const;

/** Of the commit of a place, with its trail and its event when it is the last. */
const COMMIT_STATEMENTS = 4;

/** Begins a run, one per scheduled time. While another is under way none is begun: that one is gone on with. */
export async function startInvariantRun(deps: ServiceDeps, scheduledMs: number): Promise<void> {
  const id = deps.newId("invariantReport");
  const place = JSON.stringify(FIRST_PLACE);
  const committed = await deps.commit({
    trace: deps.newTrace(),
    inbox: { scope: SCOPE, id: new Date(scheduledMs).toISOString(), bodyHash: "", result: id },
    writes: [insertInvariantReport({ id, startedAt: isoNow(deps), durationMs: 0, broken: 0, findings: "[]", place })],
  });
  if (committed.ok || committed.code === "CONFLICT") return;
  throw new AppError(committed.code, "the check of the invariants wasn't begun", { retryable: true });
}

/** Goes on with the run that is under way, if there is one, as far as the budget of one call reaches. */
export async function continueInvariantRun(deps: InvariantDeps): Promise<void> {
  const mayCheck = budgetOf(deps, COMMIT_STATEMENTS);
  let run = await findRunningReport(deps.db);
  while (run?.place) {
    const known = readPlace(run.place);
    // A place of another version: it is begun anew.
    const place: Place = known ?? FIRST_PLACE;
    if (!mayCheck(place)) return;
    const before: InvariantReportRow = known ? run : { ...run, broken: 0, findings: "[]" };
    run = await advance(deps, before, await checkPlace(deps, place));
  }
}

/** Null: someone else has checked this place in the meantime, and goes on. */
async function advance(
  deps: ServiceDeps,
  run: InvariantReportRow,
  { rows, count, next }: Checked,
): Promise<InvariantReportRow | null> {
  const findings = [...(JSON.parse(run.findings) as BrokenRow[]), ...rows].slice(0, INVARIANT_ROWS);
  const to: InvariantReportRow = {
    ...run,
    durationMs: deps.clock.now() - Date.parse(run.startedAt),
    broken: run.broken + count,
    findings: JSON.stringify(findings),
    place: next && JSON.stringify(next),
  };
  const committed = await deps.commit({
    trace: deps.newTrace(),
    writes: [advanceInvariantReport(run.place ?? "", to)],
    ...(next === null ? endOf(deps, to, findings) : {}),
  });
  if (committed.ok) return to;
  if (committed.code === "DUPLICATE") return null;
  throw new AppError(committed.code, "the report of the invariants was refused", { retryable: true });
}

function endOf(
  deps: ServiceDeps,
  run: InvariantReportRow,
  rows: readonly BrokenRow[],
): Pick<UnitOfWork, "audit" | "events"> {
  const subject = `invariant-report/${run.id}`;
  const rules = new Set(rows.map(({ rule }) => rule));
  const message = `${run.broken} broken by ${rules.size} rules, first: ${rows[0]?.rule}: ${rows[0]?.subject}`;
  return {
    audit: [{ actor: ACTOR, action: "invariants.checked", subject, after: { broken: run.broken } }],
    events:
      rows.length === 0
        ? []
        : [errorOf(deps, { code: "INVARIANT_BROKEN", kind: "invariant-report", id: run.id, message }, 1)],
  };
}

/**
 * Tells people once a day while no run has become complete for two. Where none ever was, the time counts from the first row
 * of the trail: a deployment that is younger has no night behind it that could be missed.
 */
export async function watchInvariantRuns(deps: ServiceDeps): Promise<void> {
  const last = await findLastComplete(deps.db);
  const first = last === null ? await findFirstAuditAt(deps.db) : null;
  const since = last ?? (first === null ? deps.clock.now() : Date.parse(first));
  const overdueMs = deps.clock.now() - since - INVARIANT_OVERDUE_MS;
  if (overdueMs < 0) return;
  const day = Math.floor(overdueMs / INVARIANT_OVERDUE_AGAIN_MS);
  const key = `overdue since ${new Date(since).toISOString()}, day ${day}`;
  if (await findInboxRow(deps.db, SCOPE, key)) return;
  const run = await findRunningReport(deps.db);
  const where = run === null ? "and none is under way" : `and the one begun at ${run.startedAt} stands at ${run.place}`;
  const message = `${last === null ? "no check of the invariants was ever complete" : `no check of the invariants was complete since ${new Date(last).toISOString()}`}, ${where}`;
  const error = { code: "INVARIANTS_UNCHECKED", kind: "invariant-check", id: "nightly", message };
  const committed = await deps.commit({
    trace: deps.newTrace(),
    inbox: { scope: SCOPE, id: key, bodyHash: "" },
    writes: [],
    audit: [
      { actor: ACTOR, action: "invariants.found unchecked", subject: "invariant-check/nightly", reason: message },
    ],
    events: [errorOf(deps, error, Math.floor(deps.clock.now() / INVARIANT_OVERDUE_AGAIN_MS))],
  });
  if (!committed.ok) throw new AppError(committed.code, "the alarm of the invariants was refused", { retryable: true });
}

function errorOf(
  deps: ServiceDeps,
  error: { readonly code: string; readonly kind: string; readonly id: string; readonly message: string },
  sequence: number,
): EventDraft<"ErrorOccurred"> {
  return {
    type: "ErrorOccurred",
    subject: `${error.kind}/${error.id}`,
    region: null,
    sequence,
    data: { ...error, retryable: false, timestamp: isoNow(deps) },
  };
}
