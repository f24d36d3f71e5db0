/**
 * Executes a command that nobody has executed yet: one batch that claims it and does it, one that hands it to a person, or
 * one that rejects it with the reason. Each asserts the state it comes from, so whatever comes twice ends once.
 */
import { COMMAND_PLANS } from "../config.ts";
import { applyCommandRow, type CommandRow, type OpenState } from "../db/queries/commands.ts";
import type { AnyEventDraft } from "../db/unit-of-work.ts";
import { actorOfSender } from "../domain/commands.ts";
import { AppError, refuse } from "../domain/errors.ts";
import type { StockApproval } from "../domain/stock-approval.ts";
import { judgeChange, type Judged } from "./command-asks.ts";
import { contextOf, regionOf, traceOf, type Ended, type From } from "./command-context.ts";
import { rejectCommand } from "./command-rejections.ts";
import { contradictionNow, refusedScan, unapprovedScan } from "./command-scans.ts";
import { commandSchema, kindOf, type Command } from "./commands/kinds.ts";
import type { ServiceDeps } from "./deps.ts";

/** How a command comes to be executed. */
export interface Run extends From {
  /** What a person has approved: the work must be exactly that. */
  readonly approved?: StockApproval;
}

/** Plans and commits until it is decided. Throws when others were faster again and again. */
export async function runCommand(deps: ServiceDeps, row: CommandRow, run: Run = { from: "accepted" }): Promise<void> {
  const parsed = commandSchema.safeParse({ type: row.type, data: JSON.parse(row.data) as unknown });
  if (!parsed.success) {
    const refusal = refuse("VALIDATION", parsed.error.issues[0]?.message ?? "not a command");
    await rejectCommand(deps, row, refusal, run);
    return;
  }
  for (let plan = 0; plan < COMMAND_PLANS; plan++) {
    if ((await attempt(deps, row, parsed.data, run)) === "ended") return;
  }
  throw new AppError("CONFLICT", `what ${row.id} acts on changed ${COMMAND_PLANS} times while it was planned`, {
    retryable: true,
  });
}

async function attempt(deps: ServiceDeps, row: CommandRow, command: Command, run: Run): Promise<Ended> {
  const kind = kindOf(command.type);
  const context = contextOf(deps, row);
  const scan = row.deviceSequence === null ? null : ((await kind.scan?.(deps, context, command.data)) ?? null);
  const contradiction = scan && (await contradictionNow(deps, row, scan));
  if (contradiction) return rejectCommand(deps, row, contradiction.refusal, run, contradiction.kept);
  const planned = await kind.plan(deps, context, command.data);
  if (!planned.ok) return rejectCommand(deps, row, planned, run, await refusedScan(deps, scan, planned.code));
  const { result, writes, audit, events, stock } = planned.work;
  if (run.approved && stock?.change !== run.approved.change) {
    const reason = `a change of ${run.approved.change} was approved, and by now it would be ${stock?.change ?? 0}`;
    return rejectCommand(deps, row, refuse("PAYLOAD_CHANGED", reason), run, await unapprovedScan(deps, scan));
  }
  const judged: Judged = stock && !run.approved ? await judgeChange(deps, row, stock, scan) : { guard: [] };
  if ("ended" in judged) return judged.ended;
  const committed = await deps.commit({
    trace: traceOf(row),
    ...(run.done ? { done: run.done } : {}),
    writes: [...judged.guard, ...writes, applyCommandRow(row.id, context.at, result, run.from)],
    audit,
    events: [...events, ...appliedEvents(row, run.from, context.at)],
  });
  if (committed.ok || committed.code === "DUPLICATE") return "ended";
  // A scan that the books refused is judged again by what they say now.
  if (committed.code === "CONFLICT" || (scan && committed.code === "INSUFFICIENT_STOCK")) return "again";
  return rejectCommand(deps, row, await kind.explain(deps, context, command.data, committed.code), run);
}

/** A device that isn't there, or someone who waited for a person, hears of the end; others have their answer by asking. */
function appliedEvents(row: CommandRow, from: OpenState, at: string): AnyEventDraft[] {
  if (row.deviceSequence === null && from === "accepted") return [];
  const data = { kind: "command", id: row.id, from, to: "applied", timestamp: at } as const;
  const { id } = actorOfSender(row.sender);
  const base = { subject: `command/${row.id}`, region: regionOf(row), sequence: 3 };
  return [{ type: "StatusChanged", ...base, data: { ...data, device_id: id } }];
}
