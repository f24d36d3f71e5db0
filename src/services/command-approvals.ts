/**
 * What becomes of a command that waits for a person: executed once when approved, rejected when not, asked of someone else
 * when nobody decided in time, and rejected when nobody is left. Silence never approves, and nothing waits for ever.
 */
import {
  escalateStep,
  insertSteps,
  listBallots,
  listSteps,
  voidOpenSteps,
  type StepRow,
} from "../db/queries/approvals.ts";
import { findCommand, type CommandRow } from "../db/queries/commands.ts";
import { listManagers } from "../db/queries/people.ts";
import type { AnyEventDraft, DoneMark, UnitOfWork } from "../db/unit-of-work.ts";
import { nextEscalation } from "../domain/approval-escalation.ts";
import { actorOfSender } from "../domain/commands.ts";
import { AppError, refuse } from "../domain/errors.ts";
import type { StockApproval } from "../domain/stock-approval.ts";
import { askEvents, newStep } from "./command-asks.ts";
import { traceOf } from "./command-context.ts";
import { runCommand } from "./command-execution.ts";
import { rejectCommand } from "./command-rejections.ts";
import { scanOf, unapprovedScan } from "./command-scans.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

const MAX_TRIES = 5;

/** A step was decided: the command is executed, or ends with the approver's reason. */
export async function settleCommand(deps: ServiceDeps, commandId: string, done: DoneMark): Promise<void> {
  const waiting = await waitingCommand(deps, commandId);
  const steps = waiting ? await listSteps(deps.db, commandId) : [];
  const rejected = steps.find((step) => step.state === "rejected");
  const approved = steps.find((step) => step.state === "approved");
  if (!waiting || (!rejected && !approved)) return markDone(deps, done);
  const { row, approval } = waiting;
  if (rejected) {
    const ballot = (await listBallots(deps.db, commandId)).find((one) => one.stepId === rejected.id);
    const why = ballot?.reason ? `: ${ballot.reason}` : "";
    return rejectWaiting(deps, row, done, `rejected by ${rejected.approver} (${rejected.rule})${why}`);
  }
  // What is executed is what the ballot is bound to, or nothing.
  if (approved?.payloadHash !== (await deps.sha256(row.approval ?? ""))) {
    throw new AppError("PAYLOAD_CHANGED", `command ${commandId} isn't what was approved`);
  }
  await runCommand(deps, row, { from: "awaiting_approval", approved: approval, done });
}

/** A step is due: someone else is asked who is entitled, or the command ends. */
export async function escalateCommand(
  deps: ServiceDeps,
  commandId: string,
  stepId: string,
  done: DoneMark,
): Promise<void> {
  const waiting = await waitingCommand(deps, commandId);
  const steps = waiting ? await listSteps(deps.db, commandId) : [];
  const due = steps.find((step) => step.id === stepId);
  if (!waiting || due?.state !== "pending") return markDone(deps, done);
  const { row, approval } = waiting;
  const requester = actorOfSender(row.sender).id;
  const escalation = nextEscalation(
    await listManagers(deps.db, row.region),
    { approver: due.approver, region: row.region, requester, needed: 1, others: [] },
    approval.value,
    steps.map((step) => step.approver),
  );
  if (escalation.kind !== "ask") return rejectWaiting(deps, row, done, escalation.reason);
  const step = newStep(deps, due.position + 1, escalation.approver, due.rule);
  await commitStep(deps, row, done, {
    writes: [escalateStep(due.id, isoNow(deps)), insertSteps({ kind: "command", id: row.id }, due.payloadHash, [step])],
    audit: [audited(row, due, "approval.escalation ask", { to: step.approver }, escalation.reason)],
    events: [
      {
        type: "ApprovalEscalated",
        ...baseOf(row),
        data: {
          command_id: row.id,
          step_id: due.id,
          from: due.approver,
          to: step.approver,
          timestamp: isoNow(deps),
        },
      },
      ...askEvents(deps, row, step),
    ],
  });
}

/** A reminder for a step that still waits. */
export async function remindOfCommand(
  deps: ServiceDeps,
  commandId: string,
  stepId: string,
  done: DoneMark,
): Promise<void> {
  const waiting = await waitingCommand(deps, commandId);
  const step = waiting ? (await listSteps(deps.db, commandId)).find((one) => one.id === stepId) : undefined;
  if (!waiting || step?.state !== "pending" || step.dueAt === null) return markDone(deps, done);
  const { row } = waiting;
  const { approver, dueAt } = step;
  const data = { command_id: row.id, step_id: stepId, approver, due_at: dueAt, timestamp: isoNow(deps) };
  const events: AnyEventDraft[] = [{ type: "ApprovalReminder", ...baseOf(row), data }];
  const audit = [audited(row, step, "approval.reminded", { approver, due_at: dueAt })];
  await commitStep(deps, row, done, { writes: [], audit, events });
}

async function waitingCommand(
  deps: ServiceDeps,
  commandId: string,
): Promise<{ readonly row: CommandRow; readonly approval: StockApproval } | null> {
  const row = await findCommand(deps.db, commandId);
  if (row?.state !== "awaiting_approval" || row.approval === null) return null;
  return { row, approval: JSON.parse(row.approval) as StockApproval };
}

/** Nobody approved: the command ends, whoever is still asked isn't any more, and what a device saw is kept. */
async function rejectWaiting(deps: ServiceDeps, row: CommandRow, done: DoneMark, reason: string): Promise<void> {
  const refusal = refuse("OVER_LIMIT", reason);
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const kept = await unapprovedScan(deps, await scanOf(deps, row));
    const also = [voidOpenSteps({ kind: "command", id: row.id }, isoNow(deps))];
    if ((await rejectCommand(deps, row, refusal, { from: "awaiting_approval", done }, kept, also)) === "ended") return;
  }
  throw new AppError("CONFLICT", `the books of ${row.id} change all the time`, { retryable: true });
}

async function commitStep(
  deps: ServiceDeps,
  row: CommandRow,
  done: DoneMark,
  work: Pick<UnitOfWork, "writes" | "audit" | "events">,
): Promise<void> {
  const committed = await deps.commit({ ...work, trace: traceOf(row), done });
  if (committed.ok || committed.code === "DUPLICATE") return;
  // Decided in the same moment: the next try finds nothing to do.
  throw new AppError(committed.code, `the approval of ${row.id} moved on meanwhile`, { retryable: true });
}

async function markDone(deps: ServiceDeps, done: DoneMark): Promise<void> {
  await deps.commit({ trace: deps.newTrace(), writes: [], done });
}

function baseOf(row: CommandRow) {
  return { subject: `command/${row.id}`, region: row.region, sequence: 1 };
}

function audited(row: CommandRow, step: StepRow, action: string, after: object, reason?: string) {
  return {
    actor: { id: step.rule, kind: "rule" } as const,
    action,
    subject: `command/${row.id}`,
    after: { step_id: step.id, ...after },
    ...(reason === undefined ? {} : { reason }),
  };
}
