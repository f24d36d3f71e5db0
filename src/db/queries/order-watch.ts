/** The projection of the sagas in the database: which orders are stuck, since when, in which step, for which truck. */
import { sql, type SQL } from "drizzle-orm";
import type { Database } from "../database.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

const RUNNING = sql`status IN ('Pending', 'Cancelling')`;
/** Has ended. It may have a wake time all the same: an act that isn't carried out yet, purchases that are looked after. */
const AT_REST = sql`status IN ('Completed', 'Cancelled', 'NeedsAttention')`;

/** Past its wake time, and nothing has happened since: its alarm is lost, or never came. `before`: ISO 8601. */
const overdue = (before: string): SQL => sql`(next_wake_at < ${before} AND updated_at < ${before})`;

/** The saga sleeps: when it means to act next, and where and why it waits. No step lands by this, so no version is raised. */
export async function noteWaiting(
  db: Database,
  orderId: string,
  q: { until: string; at: string; step: string | null; attempts: number; error: string | null },
): Promise<void> {
  await db.run(sql`UPDATE orders SET next_wake_at = ${q.until}, stuck_since = COALESCE(stuck_since, ${q.at}),
      step = COALESCE(${q.step}, step), attempts = ${q.attempts}, last_error = COALESCE(${q.error}, last_error)
    WHERE id = ${orderId} AND ${RUNNING}`);
}

/** When the saga of an order that has ended means to act; null: never again. Nothing else of such an order changes. */
export async function noteWake(db: Database, orderId: string, until: string | null): Promise<void> {
  await db.run(sql`UPDATE orders SET next_wake_at = ${until}
    WHERE id = ${orderId} AND ${AT_REST} AND next_wake_at IS NOT ${until}`);
}

export interface OverdueOrder {
  readonly id: string;
  readonly region: string;
  readonly deviceId: string;
  readonly step: string;
  readonly version: number;
  readonly nextWakeAt: string;
  readonly lastError: string | null;
  /** Has this wake time's passing been told? */
  readonly told: 0 | 1;
  /** Somebody waits for it: it is on its way, or a person has acted on it. */
  readonly awaited: 0 | 1;
}

/** A hundred of them, those that have ended too, drawn anew each time: those that stay overdue whatever is done don't keep the others out. */
export async function overdueOrders(db: Database, before: string): Promise<OverdueOrder[]> {
  const columns = sql`id, region, device_id AS deviceId, step, version, next_wake_at AS nextWakeAt,
    last_error AS lastError, alarmed_wake_at IS next_wake_at AS told`;
  // Two parts, so that each is read from the index of just those.
  return db.all<OverdueOrder>(sql`SELECT * FROM (
      SELECT ${columns}, 1 AS awaited FROM orders WHERE ${RUNNING} AND ${overdue(before)}
      UNION ALL
      SELECT ${columns}, status = 'NeedsAttention' FROM orders WHERE ${AT_REST} AND ${overdue(before)})
    ORDER BY RANDOM() LIMIT 100`);
}

/** Notes that the passing of this wake time is told: whoever comes second changes nothing. */
export function noteAlarmed(orderId: string, wakeAt: string): GuardedWrite {
  return {
    statement: sql`UPDATE orders SET alarmed_wake_at = ${wakeAt}
      WHERE id = ${orderId} AND next_wake_at = ${wakeAt} AND alarmed_wake_at IS NOT ${wakeAt}`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

export interface StuckOrder {
  readonly id: string;
  readonly requestId: string | null;
  readonly deviceId: string;
  readonly region: string;
  readonly destination: string;
  readonly status: "Pending" | "Cancelling" | "NeedsAttention";
  readonly step: string;
  readonly stuckSince: string;
  readonly nextWakeAt: string | null;
  readonly attempts: number;
  readonly lastError: string | null;
  readonly error: string | null;
  readonly overdue: 0 | 1;
}

/** Those that wait for a person, and those that haven't got any further since they slept or were to wake; the longest first. */
export async function listStuckOrders(
  db: Database,
  q: { region: string | null; before: string; after: readonly [string, string] | null; limit: number },
): Promise<StuckOrder[]> {
  const since = sql`COALESCE(stuck_since, next_wake_at)`;
  const region = q.region === null ? sql`` : sql` AND region = ${q.region}`;
  const after = q.after === null ? sql`` : sql` AND (${since}, id) > (${q.after[0]}, ${q.after[1]})`;
  const columns = sql`id, request_id AS requestId, device_id AS deviceId, region, destination, status, step,
    ${since} AS stuckSince, next_wake_at AS nextWakeAt, attempts, last_error AS lastError, error`;
  return db.all<StuckOrder>(sql`
    SELECT ${columns}, ${overdue(q.before)} AS overdue FROM orders
      WHERE ${RUNNING} AND (stuck_since IS NOT NULL OR ${overdue(q.before)})${region}${after}
    UNION ALL
    SELECT ${columns}, 0 FROM orders WHERE status = 'NeedsAttention'${region}${after}
    ORDER BY stuckSince, id LIMIT ${q.limit}`);
}
