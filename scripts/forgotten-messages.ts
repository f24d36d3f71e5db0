/**
 * The local queue broker keeps its messages in memory and forgets them when it stops. Whatever was sent and isn't done is
 * given back before the app serves, so that a restart goes on at once instead of when the leases run out.
 */
import type { D1Database } from "@cloudflare/workers-types";

/** As long as the wait of a ladder, or for a health check. */
const SOON_MS = 60_000;

/** Gives leases back without counting the lost sends. Harmless when nothing was lost: every effect has its done bit. */
export async function releaseForgotten(db: D1Database, now: number): Promise<void> {
  await db.batch([
    db.prepare(
      "UPDATE outbox SET lease_until = '', attempts = MAX(0, attempts - 1) WHERE lease_until <> '' AND (done | dead) <> want",
    ),
    db.prepare(
      "UPDATE commands SET lease_until = '', attempts = MAX(0, attempts - 1) WHERE lease_until <> '' AND state = 'accepted'",
    ),
    // Older than any wait: the cron that `npm start` runs at once takes up the orders, and sends the uploads again.
    db.prepare("UPDATE orders SET next_wake_at = '1970-01-01T00:00:00.000Z' WHERE status IN ('Pending', 'Cancelling')"),
    // Not those that wait for longer, as a store asked for: the cron sends them when they have been due for a while.
    db
      .prepare("UPDATE cloud_uploads SET due_at = '1970-01-01T00:00:00.000Z' WHERE state = 'queued' AND due_at <= ?")
      .bind(new Date(now + SOON_MS).toISOString()),
  ]);
}
