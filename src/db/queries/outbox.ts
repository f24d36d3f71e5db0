/** The relay's and the consumers' view of the outbox and of accepted commands. Leases are by time: no owner, none to strand. */
import { sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export interface OpenEvent {
  readonly event_id: string;
  readonly type: string;
  readonly subject: string;
  readonly region: string | null;
  readonly event: string;
  readonly attempts: number;
}

/**
 * Rows that the hubs haven't all accepted, oldest first: the order of the hub lane. At most `limit` a region, so that a
 * region whose hub is down doesn't keep the others from theirs.
 */
export function openHubRows(db: Database, buckets: readonly number[], hubBit: number, nowIso: string, limit: number) {
  return db.all<OpenEvent>(sql`
    SELECT event_id, type, subject, region, event, attempts FROM (
      SELECT rowid AS place, event_id, type, subject, region, event, attempts,
        ROW_NUMBER() OVER (PARTITION BY region ORDER BY rowid) AS nth FROM outbox
      WHERE bucket IN (SELECT value FROM json_each(${JSON.stringify(buckets)})) AND not_before <= ${nowIso}
        AND done <> want AND parked_at IS NULL AND want & ~done & ${hubBit} <> 0)
    WHERE nth <= ${limit} ORDER BY place`);
}

export async function markDone(db: Database, eventIds: readonly string[], bit: number): Promise<void> {
  await db.run(sql`UPDATE outbox SET done = done | ${bit}
    WHERE event_id IN (SELECT value FROM json_each(${JSON.stringify(eventIds)})) AND done & ${bit} = 0`);
}

/**
 * Takes rows that the queue subscribers still want, for `leaseUntil`: until then nobody sends them again; if they
 * aren't done by then, sent wasn't delivered, and they are taken once more, `maxSends` times in all.
 */
export function leaseQueueRows(
  db: Database,
  q: {
    buckets: readonly number[];
    hubBit: number;
    nowIso: string;
    leaseUntil: string;
    maxSends: number;
    limit: number;
  },
) {
  return db.all<OpenEvent>(sql`
    UPDATE outbox SET lease_until = ${q.leaseUntil}, attempts = attempts + 1
    WHERE rowid IN (
      SELECT rowid FROM outbox
      WHERE bucket IN (SELECT value FROM json_each(${JSON.stringify(q.buckets)})) AND not_before <= ${q.nowIso}
        AND done <> want AND parked_at IS NULL AND lease_until <= ${q.nowIso} AND attempts < ${q.maxSends}
        AND want & ~done & ~${q.hubBit} <> 0
      ORDER BY rowid LIMIT ${q.limit})
    RETURNING event_id, type, subject, region, event, attempts`);
}

/** A send that surely failed gives its rows back at once, and isn't counted. */
export async function releaseQueueRows(db: Database, eventIds: readonly string[]): Promise<void> {
  await db.run(sql`UPDATE outbox SET lease_until = '', attempts = attempts - 1
    WHERE event_id IN (SELECT value FROM json_each(${JSON.stringify(eventIds)})) AND attempts > 0`);
}

/** Rows sent `maxSends` times whose last lease ran out: nobody will do them any more. */
export function exhaustedRows(
  db: Database,
  q: { buckets: readonly number[]; hubBit: number; nowIso: string; maxSends: number },
) {
  return db.all<OpenEvent>(sql`
    SELECT event_id, type, subject, region, event, attempts FROM outbox
    WHERE bucket IN (SELECT value FROM json_each(${JSON.stringify(q.buckets)})) AND not_before <= ${q.nowIso}
      AND done <> want AND parked_at IS NULL AND lease_until <= ${q.nowIso} AND attempts >= ${q.maxSends}
      AND want & ~done & ~${q.hubBit} <> 0
    LIMIT 50`);
}

export function parkRow(eventId: string, nowIso: string, error: string): GuardedWrite {
  return {
    statement: sql`UPDATE outbox SET parked_at = ${nowIso}, error = ${error} WHERE event_id = ${eventId} AND parked_at IS NULL`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

export interface LeasedCommand {
  readonly id: string;
  readonly attempts: number;
}

/** The command row is its own outbox: accepted and not finished means that it must be (re)sent. */
export function leaseCommands(
  db: Database,
  q: { buckets: readonly number[]; nowIso: string; leaseUntil: string; limit: number },
) {
  return db.all<LeasedCommand>(sql`
    UPDATE commands SET lease_until = ${q.leaseUntil}, attempts = attempts + 1
    WHERE id IN (
      SELECT id FROM commands
      WHERE state = 'accepted' AND bucket IN (SELECT value FROM json_each(${JSON.stringify(q.buckets)}))
        AND lease_until <= ${q.nowIso}
      ORDER BY id LIMIT ${q.limit})
    RETURNING id, attempts`);
}

export async function releaseCommands(db: Database, ids: readonly string[]): Promise<void> {
  await db.run(sql`UPDATE commands SET lease_until = '' WHERE state = 'accepted'
    AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`);
}

export interface DeliveryState {
  readonly region: string | null;
  readonly event_id: string;
  readonly want: number;
  readonly done: number;
  readonly event: string;
}

/** What is still wanted of each event; a row that is gone was finished and aged out. */
export function deliveryStates(db: Database, eventIds: readonly string[]) {
  return db.all<DeliveryState>(sql`SELECT event_id, region, want, done, event FROM outbox
    WHERE event_id IN (SELECT value FROM json_each(${JSON.stringify(eventIds)}))`);
}

/** Deletes what was finished before `beforeIso`. Looks at the oldest 500 rows only, so an idle run costs little. */
export async function deleteFinished(db: Database, beforeIso: string): Promise<void> {
  await db.run(sql`DELETE FROM outbox WHERE done = want AND created_at < ${beforeIso}
    AND rowid IN (SELECT rowid FROM outbox ORDER BY rowid LIMIT 500)`);
}

export interface OutboxSummary {
  readonly open: number;
  readonly parked: number;
  readonly timers: number;
  readonly oldest_open_at: string | null;
}

export async function summariseOutbox(db: Database, nowIso: string): Promise<OutboxSummary> {
  const row = await db.get<OutboxSummary>(sql`SELECT
      COUNT(*) FILTER (WHERE parked_at IS NULL AND not_before <= ${nowIso}) AS open,
      COUNT(*) FILTER (WHERE parked_at IS NOT NULL) AS parked,
      COUNT(*) FILTER (WHERE parked_at IS NULL AND not_before > ${nowIso}) AS timers,
      MIN(created_at) FILTER (WHERE parked_at IS NULL AND not_before <= ${nowIso}) AS oldest_open_at
    FROM outbox WHERE done <> want`);
  return row;
}
