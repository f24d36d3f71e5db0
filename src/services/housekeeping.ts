/** What hangs on the relay's alarm besides draining: parking what was sent in vain, and deleting what is long done. */
import { MAX_SENDS, OUTBOX_RETENTION_MS } from "../config.ts";
import type { Database } from "../db/database.ts";
import { deleteFinished, exhaustedRows, parkRow } from "../db/queries/outbox.ts";
import type { Committed, UnitOfWork } from "../db/unit-of-work.ts";
import type { Clock } from "../domain/ports.ts";
import type { Trace } from "../domain/trace.ts";
import { HUB_BIT } from "../events/subscriptions.ts";

export interface HousekeepingDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly commit: (work: UnitOfWork) => Promise<Committed>;
  readonly newTrace: () => Trace;
}

/** Runs once per poll of a shard. Every step is small and safe to repeat. */
export async function keepHouse(deps: HousekeepingDeps, buckets: readonly number[]): Promise<void> {
  const now = deps.clock.now();
  const nowIso = new Date(now).toISOString();
  for (const row of await exhaustedRows(deps.db, { buckets, hubBit: HUB_BIT, nowIso, maxSends: MAX_SENDS })) {
    const reason = `sent ${row.attempts} times, never finished by its subscribers`;
    await deps.commit({
      trace: deps.newTrace(),
      writes: [parkRow(row.event_id, nowIso, reason)],
      audit: [
        { actor: { id: "relay", kind: "system" }, action: "event.parked", subject: `event/${row.event_id}`, reason },
      ],
      events: [
        {
          type: "ErrorOccurred",
          subject: `event/${row.event_id}`,
          region: row.region,
          sequence: 1,
          data: {
            code: "EVENT_PARKED",
            kind: "event",
            id: row.event_id,
            message: `${row.type} of ${row.subject}: ${reason}`,
            retryable: true,
            timestamp: nowIso,
          },
        },
      ],
    });
  }
  await deleteFinished(deps.db, new Date(now - OUTBOX_RETENTION_MS).toISOString());
}
