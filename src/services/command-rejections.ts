/**
 * Ends a command as rejected, with the reason, the event to its sender and, where a device's scan contradicts the books,
 * the discrepancy in which it is kept: one batch.
 */
import { rejectCommandRow, type CommandRow } from "../db/queries/commands.ts";
import { insertDiscrepancy, type NewDiscrepancy } from "../db/queries/discrepancies.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import { actorOfSender } from "../domain/commands.ts";
import { expectedBy } from "../domain/discrepancy.ts";
import { AppError, type Refusal } from "../domain/errors.ts";
import { regionOf, traceOf, type Ended, type From } from "./command-context.ts";
import type { KeptScan } from "./command-scans.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

/** `again`: the books that `kept` was judged by have changed. Whoever was faster has ended it: `ended` as well. */
export async function rejectCommand(
  deps: ServiceDeps,
  row: CommandRow,
  refusal: Refusal,
  { from, done }: From,
  kept?: KeptScan,
  also: readonly GuardedWrite[] = [],
): Promise<Ended> {
  const { code, reason, facts } = refusal;
  const at = isoNow(deps);
  const found = kept ? discrepancyOf(deps, row, kept, reason, at) : undefined;
  const result = { code, ...facts, ...(found ? { discrepancy_id: found.id } : {}) };
  const committed = await deps.commit({
    trace: traceOf(row),
    ...(done ? { done } : {}),
    writes: [
      rejectCommandRow(row.id, at, reason, result, from),
      ...(found && kept ? [insertDiscrepancy(found, kept.books)] : []),
      ...also,
    ],
    audit: [
      {
        actor: { id: row.type, kind: "rule" },
        action: "command.rejected",
        subject: `command/${row.id}`,
        after: { code, ...(found ? { discrepancy_id: found.id } : {}) },
        reason,
      },
      ...(found
        ? [
            {
              actor: { id: row.type, kind: "rule" } as const,
              action: "discrepancy.found",
              subject: `discrepancy/${found.id}`,
              after: { kind: found.kind, expected: found.expected, found: found.scan.quantity, command_id: row.id },
              reason,
            },
          ]
        : []),
    ],
    events: [rejected(row, refusal, at, found?.id), ...(found ? [discrepancyFound(found)] : [])],
  });
  if (committed.ok || committed.code === "DUPLICATE") return "ended";
  if (committed.code === "CONFLICT") return "again";
  throw new AppError(committed.code, `command ${row.id} could not be rejected: ${committed.code}`, { retryable: true });
}

function rejected(row: CommandRow, { code, reason }: Refusal, at: string, discrepancyId?: string): AnyEventDraft {
  const sender = actorOfSender(row.sender);
  return {
    type: "CommandRejected",
    subject: `command/${row.id}`,
    region: regionOf(row),
    sequence: 1,
    data: {
      command_id: row.id,
      type: row.type,
      code,
      reason,
      timestamp: at,
      ...(sender.kind === "device" ? { device_id: sender.id } : {}),
      ...(discrepancyId === undefined ? {} : { discrepancy_id: discrepancyId }),
    },
  };
}

function discrepancyOf(
  deps: ServiceDeps,
  row: CommandRow,
  { kind, scan, books }: KeptScan,
  reason: string,
  at: string,
): NewDiscrepancy {
  return {
    id: deps.newId("discrepancy"),
    commandId: row.id,
    kind,
    deviceId: actorOfSender(row.sender).id,
    region: row.region,
    scan,
    expected: expectedBy(scan, books),
    seenVersion: row.seenVersion,
    kept: JSON.stringify({
      id: row.id,
      type: row.type,
      device_sequence: row.deviceSequence,
      device_time: row.deviceTime,
      seen_version: row.seenVersion,
      data: JSON.parse(row.data) as unknown,
    }),
    reason,
    at,
  };
}

function discrepancyFound(found: NewDiscrepancy): AnyEventDraft {
  const { sku, location, bin, quantity } = found.scan;
  return {
    type: "DiscrepancyFound",
    subject: `discrepancy/${found.id}`,
    region: found.region,
    sequence: 1,
    data: {
      discrepancy_id: found.id,
      command_id: found.commandId,
      kind: found.kind,
      device_id: found.deviceId,
      sku,
      location,
      bin,
      expected: found.expected,
      found: quantity,
      timestamp: found.at,
    },
  };
}
