/**
 * Commands: accept is one batch that keeps the intent; execute is one batch that claims it and does it, or one that
 * rejects it with the reason. The id is the key: the same command by REST, by socket or twice has one effect.
 */
import { DEVICE_GAP_WAIT_MS, DEVICE_LINE_COMMANDS } from "../config.ts";
import { findCommand, type CommandRow } from "../db/queries/commands.ts";
import { findHeadOfLine, holdCommand, type HeadOfLine } from "../db/queries/device-line.ts";
import { runCommand } from "./command-execution.ts";
import { traceOf } from "./command-context.ts";
import type { ServiceDeps } from "./deps.ts";

/** Executes an accepted command once. Anything that isn't `accepted` any more is left alone. */
export async function executeCommand(deps: ServiceDeps, commandId: string): Promise<void> {
  const row = await findCommand(deps.db, commandId);
  if (!row || row.state !== "accepted") return;
  if (row.deviceSequence === null) return runCommand(deps, row);
  return executeInLine(deps, row);
}

/**
 * Executes the device's numbered commands in the order of their numbers, up to where the line has to wait: whichever of
 * them the queue delivers first. A number that never came holds back those after it for DEVICE_GAP_WAIT_MS.
 */
async function executeInLine(deps: ServiceDeps, asked: CommandRow): Promise<void> {
  for (let count = 0; count < DEVICE_LINE_COMMANDS; count++) {
    const head = await findHeadOfLine(deps.db, asked.sender);
    if (!head) return;
    const waitUntil = endOfWait(head);
    if (waitUntil > deps.clock.now()) return holdBoth(deps, head.row, waitUntil, asked);
    try {
      await runCommand(deps, head.row);
    } catch (error) {
      if (head.row.id === asked.id) throw error;
      // The fault is the other command's, and its own message carries it up the ladder; this one waits behind it.
      return holdUntil(deps, asked, deps.clock.now() + DEVICE_GAP_WAIT_MS);
    }
  }
  // The rest of a long line may have had its messages already: it is sent anew at once.
  const head = await findHeadOfLine(deps.db, asked.sender);
  if (head) await holdBoth(deps, head.row, 0, asked);
}

/** The one whose turn it is, until then; the one whose message this was waits behind it: its send wasn't lost either. */
async function holdBoth(deps: ServiceDeps, head: CommandRow, until: number, asked: CommandRow): Promise<void> {
  if (asked.id !== head.id) await holdUntil(deps, asked, deps.clock.now() + DEVICE_GAP_WAIT_MS);
  await holdUntil(deps, head, until);
}

/** Ms since the epoch; 0: it needn't wait. */
function endOfWait({ row, afterGap }: HeadOfLine): number {
  return afterGap ? Date.parse(row.createdAt) + DEVICE_GAP_WAIT_MS : 0;
}

async function holdUntil(deps: ServiceDeps, row: CommandRow, until: number): Promise<void> {
  const leaseUntil = until === 0 ? "" : new Date(until).toISOString();
  await deps.commit({ trace: traceOf(row), writes: [holdCommand(row.id, leaseUntil)] });
  deps.kick([row.bucket]);
}
