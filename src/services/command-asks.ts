/** Asks a person before stock is changed by more than the policy lets go: one step, bound to exactly that change. */
import { insertSteps, type NewStep } from "../db/queries/approvals.ts";
import { awaitApprovalRow, type CommandRow } from "../db/queries/commands.ts";
import { assertShare, assertShort, findBooks, type PricedBooks } from "../db/queries/discrepancies.ts";
import { listManagers } from "../db/queries/people.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import { actorOfSender } from "../domain/commands.ts";
import type { Scan } from "../domain/discrepancy.ts";
import { refuse } from "../domain/errors.ts";
import { formatMoney } from "../domain/money.ts";
import {
  mayNeedApproval,
  STOCK_SHARE_LIMIT_PERCENT,
  stockApprovalNeed,
  stockApprovalPayload,
  stockApprover,
  type StockApproval,
} from "../domain/stock-approval.ts";
import { eventsOfAsk } from "./approval-asks.ts";
import { timesOfAsk } from "./ask-times.ts";
import { traceOf, type Ended } from "./command-context.ts";
import { rejectCommand } from "./command-rejections.ts";
import { unapprovedScan } from "./command-scans.ts";
import type { StockEffect } from "./commands/kind.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

const FIRST_POSITION = 10;

/** The change needs nobody's approval while `guard` holds, or the command has ended here. */
export type Judged = { readonly guard: readonly GuardedWrite[] } | { readonly ended: Ended };

/** Judges a change by the policy, and asks where a person must approve it. Where nobody's limit covers it, it is rejected. */
export async function judgeChange(
  deps: ServiceDeps,
  row: CommandRow,
  stock: StockEffect,
  scan: Scan | null,
): Promise<Judged> {
  const books = await findBooks(deps.db, stock);
  const approval = approvalOf(row, stock, books);
  if (approval) return { ended: await askForApproval(deps, row, approval, scan) };
  if (!mayNeedApproval({ ...stock, ...books })) return { guard: [] };
  const pieces = Math.abs(stock.change);
  const guard = isShort(stock, books)
    ? assertShort(stock, pieces)
    : assertShare(stock, pieces, STOCK_SHARE_LIMIT_PERCENT);
  return { guard: [guard] };
}

async function askForApproval(
  deps: ServiceDeps,
  row: CommandRow,
  approval: StockApproval,
  scan: Scan | null,
): Promise<Ended> {
  const sender = actorOfSender(row.sender).id;
  const people = await listManagers(deps.db, row.region);
  const approver = stockApprover(people, { region: row.region, sender, value: approval.value });
  if (!approver) {
    const worth = formatMoney(approval.value, approval.currency);
    const refusal = refuse("OVER_LIMIT", `${approval.reason} Nobody's limit in ${row.region} covers ${worth}.`);
    return rejectCommand(deps, row, refusal, { from: "accepted" }, await unapprovedScan(deps, scan));
  }
  const payload = stockApprovalPayload(approval);
  const step = newStep(deps, FIRST_POSITION, approver.id, approval.rule);
  const committed = await deps.commit({
    trace: traceOf(row),
    writes: [
      awaitApprovalRow(row.id, payload),
      insertSteps({ kind: "command", id: row.id }, await deps.sha256(payload), [step]),
    ],
    audit: [
      {
        actor: { id: approval.rule, kind: "rule" },
        action: "approval.asked",
        subject: `command/${row.id}`,
        after: { approver: approver.id, step_id: step.id, change: approval.change, value: approval.value },
        reason: approval.reason,
      },
    ],
    events: [waits(row, sender, isoNow(deps)), ...askEvents(deps, row, step)],
  });
  return committed.ok || committed.code === "DUPLICATE" ? "ended" : "again";
}

/** What would have to be approved, or null. What the books refuse anyway isn't asked about: its batch says so. */
function approvalOf(row: CommandRow, stock: StockEffect, books: PricedBooks): StockApproval | null {
  if (isShort(stock, books)) return null;
  const { sku, location, bin, change } = stock;
  const need = stockApprovalNeed({ ...books, change, isCount: stock.isCount });
  if (!need) return null;
  const place = { sku, location, bin, change, unit_price: books.unitPrice, currency: books.currency };
  return { command_id: row.id, type: row.type, ...place, ...need };
}

function isShort({ change }: StockEffect, books: PricedBooks): boolean {
  return change < 0 && Math.min(books.inBin, books.onHand - books.reserved) < -change;
}

/** A step that is asked now. */
export function newStep(
  deps: ServiceDeps,
  position: number,
  approver: string,
  rule: string,
): NewStep & { dueAt: string } {
  const { askedAt, dueAt } = timesOfAsk(deps.clock.now());
  return { id: deps.newId("approvalStep"), position, approver, rule, state: "pending", askedAt, dueAt };
}

export function askEvents(deps: ServiceDeps, row: CommandRow, step: NewStep): AnyEventDraft[] {
  const base = { subject: `command/${row.id}`, region: row.region, sequence: 1 };
  const { id: stepId, approver, rule } = step;
  const times = timesOfAsk(deps.clock.now());
  return eventsOfAsk(base, { about: { command_id: row.id }, stepId, approver, rule, at: isoNow(deps), ...times });
}

function waits(row: CommandRow, sender: string, at: string): AnyEventDraft {
  const data = { kind: "command", id: row.id, from: "accepted", to: "awaiting_approval", timestamp: at } as const;
  const base = { subject: `command/${row.id}`, region: row.region, sequence: 1 };
  return { type: "StatusChanged", ...base, data: { ...data, device_id: sender } };
}
