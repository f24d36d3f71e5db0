/**
 * What hangs on the relay's alarm besides draining: parking what was sent in vain (a command dies), deleting what is long
 * done, the second drop of cached parts, sealing the audit. Every job is small, safe to repeat, and its failure stops no other.
 */
import { ANSWER_RETENTION_MS, MAX_SENDS, OUTBOX_RETENTION_MS, WEBHOOK_RETENTION_MS } from "../config.ts";
import { holdCommand } from "../db/queries/device-line.ts";
import { deleteOldAnswers } from "../db/queries/inbox.ts";
import { deleteFinished, exhaustedCommands, exhaustedRows, type Share } from "../db/queries/outbox.ts";
import { deleteOldDeliveries } from "../db/queries/webhook-deliveries.ts";
import { messageOf } from "../domain/errors.ts";
import { buryCommand } from "./burials.ts";
import type { ServiceDeps } from "./deps.ts";
import { parkEvent } from "./parking.ts";

export interface HousekeepingDeps extends ServiceDeps {
  /** Seals what is due of the audit. */
  readonly seal: () => Promise<void>;
  readonly log: (level: "error", event: string, facts: Readonly<Record<string, unknown>>) => void;
}

type Job = readonly [name: string, run: () => Promise<unknown>];

/**
 * Runs once per poll of a shard. What concerns the whole database rather than the shard's share is done by shard 0 alone.
 * `more`: jobs that need what only the caller has.
 */
export async function keepHouse(deps: HousekeepingDeps, share: Share, more: readonly Job[] = []): Promise<void> {
  const before = (ageMs: number) => new Date(deps.clock.now() - ageMs).toISOString();
  const forAll: readonly Job[] = [
    ["audit seals", deps.seal],
    ["retention of events", () => deleteFinished(deps.db, before(OUTBOX_RETENTION_MS))],
    ["retention of answers", () => deleteOldAnswers(deps.db, before(ANSWER_RETENTION_MS))],
    ["retention of webhook deliveries", () => deleteOldDeliveries(deps.db, before(WEBHOOK_RETENTION_MS))],
  ];
  const jobs: readonly Job[] = [
    ["parking", () => parkExhausted(deps, share)],
    ["lost commands", () => buryExhausted(deps, share)],
    ...more,
    ...(share.shard === 0 ? forAll : []),
  ];
  for (const [name, run] of jobs) {
    try {
      await run();
    } catch (error) {
      deps.log("error", "housekeeping.failed", { job: name, error: messageOf(error) });
    }
  }
}

async function parkExhausted(deps: HousekeepingDeps, share: Share): Promise<void> {
  const nowIso = new Date(deps.clock.now()).toISOString();
  for (const row of await exhaustedRows(deps.db, { share, nowIso, maxSends: MAX_SENDS })) {
    await parkEvent(deps, row, `sent ${row.attempts} times, never finished by its subscribers`);
  }
}

/**
 * A command that the queue never brings: dead like one that fails each time, never given up in silence. One behind others in
 * its device's line is sent on: it dies, if it must, when its turn has come, and never out of order.
 */
async function buryExhausted(deps: HousekeepingDeps, share: Share): Promise<void> {
  const nowIso = new Date(deps.clock.now()).toISOString();
  for (const { id, attempts, waits } of await exhaustedCommands(deps.db, { share, nowIso, maxSends: MAX_SENDS })) {
    if (waits) {
      await deps.commit({ trace: deps.newTrace(), writes: [holdCommand(id, "")] });
      continue;
    }
    const error = `sent ${attempts} times, never finished by its consumer`;
    await buryCommand(deps, { commandId: id, messageId: `relay at ${nowIso}`, error });
  }
}
