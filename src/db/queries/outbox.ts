/** The relay's and the consumers' view of the outbox and of accepted commands. Leases are by time: no owner, none to strand. */
import { sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

/** Which part of the log a relay serves: the buckets that leave `shard` when divided by `shards`. */
export interface Share {
  readonly shard: number;
  readonly shards: number;
}

/**
 * Every relay finds what is due by time; those rows are few, and a share is a filter over them. The indexes are named in
 * the queries: left alone, the planner walks the whole table for the sake of ORDER BY … LIMIT.
 */
const served = ({ shard, shards }: Share) => sql`bucket % ${shards} = ${shard}`;

/** Given up by one round of housekeeping. */
const EXHAUSTED_AT_ONCE = 50;

export interface OpenEvent {
  readonly seq: number;
  readonly event_id: string;
  readonly type: string;
  readonly subject: string;
  readonly region: string | null;
  readonly event: string;
}

/** As the index `outbox_open` has it: it is used where a query says the same. */
const isOpen = sql`(done | dead) <> want AND parked_at IS NULL`;

/** The region of a row that concerns all of them, as the hub lane finds it. */
export const EVERY_REGION = "*";

/**
 * Rows that the hubs haven't all accepted, oldest first: the order of the hub lane. The first `limit` of each region but
 * those to be passed over, so that a region whose hub is down costs the others nothing. What comes after a parked event of
 * its subject waits. No timer is for hubs (`EventDraft`): what has a time was given back by a person at that time.
 */
export async function openHubRows(
  db: Database,
  q: { share: Share; hubBit: number; nowIso: string; passedOver: readonly string[]; limit: number },
) {
  const passedOver = sql`(SELECT value FROM json_each(${JSON.stringify(q.passedOver)}))`;
  const isFree = sql`${served(q.share)} AND NOT EXISTS (SELECT 1 FROM outbox AS p INDEXED BY outbox_parked
    WHERE p.subject = h.subject AND p.parked_at IS NOT NULL AND p.seq < h.seq AND p.want & ~p.done & ${q.hubBit} <> 0)`;
  const columns = (of: "o" | "h") =>
    sql.raw(["seq", "event_id", "type", "subject", "region", "event", "created_at"].map((c) => `${of}.${c}`).join());
  const givenBack = (queued: 0 | 1) => sql`SELECT ${columns("h")} FROM outbox AS h INDEXED BY outbox_open
    WHERE ${isOpen} AND h.queued = ${queued} AND h.not_before > '' AND h.not_before <= ${q.nowIso} AND h.hub_region > ''
      AND h.hub_region NOT IN ${passedOver} AND ${isFree}`;
  // Rows that a queue's subscriber wants too, and those that none does, are two stretches of the index.
  const of = (queued: 0 | 1) => sql`SELECT * FROM (SELECT ${queued}, hub_region FROM outbox INDEXED BY outbox_open
    WHERE ${isOpen} AND queued = ${queued} AND not_before = '' AND hub_region > '' ORDER BY hub_region LIMIT 1)`;
  const rows = await db.all<OpenEvent & { readonly created_at: string }>(sql`
    WITH RECURSIVE waiting(queued, region) AS (
      ${of(0)} UNION ALL ${of(1)} UNION ALL
      SELECT w.queued, (SELECT MIN(hub_region) FROM outbox INDEXED BY outbox_open
        WHERE ${isOpen} AND queued = w.queued AND not_before = '' AND hub_region > w.region)
      FROM waiting AS w WHERE w.region IS NOT NULL)
    SELECT ${columns("o")} FROM waiting AS w CROSS JOIN outbox AS o
    WHERE w.region NOT IN ${passedOver}
      AND o.seq IN (SELECT h.seq FROM outbox AS h INDEXED BY outbox_open
        WHERE ${isOpen} AND h.queued = w.queued AND h.not_before = '' AND h.hub_region = w.region AND ${isFree}
        ORDER BY h.seq LIMIT ${q.limit})
    UNION ALL ${givenBack(0)} UNION ALL ${givenBack(1)}`);
  const taken = new Map<string | null, number>();
  return rows
    .toSorted((one, other) => one.seq - other.seq)
    .filter(({ region }) => {
      const nth = (taken.get(region) ?? 0) + 1;
      taken.set(region, nth);
      return nth <= q.limit; // later ones may follow on some that were left out
    });
}

export async function markDone(db: Database, places: readonly number[], bit: number): Promise<void> {
  await db.run(sql`UPDATE outbox SET done = done | ${bit}
    WHERE seq IN (SELECT value FROM json_each(${JSON.stringify(places)})) AND done & ${bit} = 0`);
}

/**
 * Takes rows that the queue subscribers still want, for `leaseUntil`: until then nobody sends them again; if they
 * aren't done by then, sent wasn't delivered, and they are taken once more, `maxSends` times in all.
 */
export function leaseQueueRows(
  db: Database,
  q: { share: Share; nowIso: string; leaseUntil: string; maxSends: number; limit: number },
) {
  return db.all<OpenEvent>(sql`
    UPDATE outbox SET lease_until = ${q.leaseUntil}, attempts = attempts + 1
    WHERE seq IN (
      SELECT seq FROM outbox INDEXED BY outbox_open
      WHERE ${isOpen} AND queued = 1 AND not_before <= ${q.nowIso} AND ${served(q.share)}
        AND lease_until <= ${q.nowIso} AND attempts < ${q.maxSends}
      LIMIT ${q.limit})
    RETURNING seq, event_id, type, subject, region, event`);
}

/** A send that surely failed gives its rows back at once, and isn't counted. */
export async function releaseQueueRows(db: Database, places: readonly number[]): Promise<void> {
  await db.run(sql`UPDATE outbox SET lease_until = '', attempts = attempts - 1
    WHERE seq IN (SELECT value FROM json_each(${JSON.stringify(places)})) AND attempts > 0`);
}

/** Rows sent `maxSends` times whose last lease ran out: nobody will do them any more. */
export function exhaustedRows(db: Database, q: { share: Share; nowIso: string; maxSends: number }) {
  return db.all<OpenEvent & { readonly attempts: number }>(sql`
    SELECT seq, event_id, type, subject, region, event, attempts FROM outbox INDEXED BY outbox_open
    WHERE ${isOpen} AND queued = 1 AND not_before <= ${q.nowIso} AND ${served(q.share)}
      AND lease_until <= ${q.nowIso} AND attempts >= ${q.maxSends}
    LIMIT ${EXHAUSTED_AT_ONCE}`);
}

export function parkRow(row: Pick<OpenEvent, "seq" | "event_id">, nowIso: string, error: string): GuardedWrite {
  return {
    statement: sql`UPDATE outbox SET parked_at = ${nowIso}, error = ${error}
      WHERE seq = ${row.seq} AND event_id = ${row.event_id} AND (done | dead) <> want AND parked_at IS NULL`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** The relay takes it up again as if for the first time; its retention begins anew. */
export function unparkRow(row: Pick<OpenEvent, "seq" | "event_id">, nowIso: string): GuardedWrite {
  return {
    statement: sql`UPDATE outbox SET parked_at = NULL, error = NULL, lease_until = '', attempts = 0, not_before = ${nowIso}
      WHERE seq = ${row.seq} AND event_id = ${row.event_id} AND parked_at IS NOT NULL`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

export interface ParkedEvent {
  readonly seq: number;
  readonly event_id: string;
  readonly type: string;
  readonly subject: string;
  readonly region: string | null;
  readonly bucket: number;
  readonly created_at: string;
  readonly parked_at: string;
  readonly error: string | null;
}

/** Oldest first, of a region or of all (null). `eventId`: that one only. */
export function listParked(db: Database, q: { region: string | null; eventId?: string; after: number; limit: number }) {
  const one = q.eventId === undefined ? sql`` : sql`AND event_id = ${q.eventId}`;
  return db.all<ParkedEvent>(sql`
    SELECT seq, event_id, type, subject, region, bucket, created_at, parked_at, error
    FROM outbox INDEXED BY outbox_parked
    WHERE parked_at IS NOT NULL AND (done | dead) <> want AND seq > ${q.after} ${one} ${within(q.region)} ORDER BY seq LIMIT ${q.limit}`);
}

/** The command row is its own outbox: accepted and not finished means that it must be (re)sent. */
export function leaseCommands(
  db: Database,
  q: { share: Share; nowIso: string; leaseUntil: string; maxSends: number; limit: number },
) {
  return db.all<{ readonly id: string }>(sql`
    UPDATE commands SET lease_until = ${q.leaseUntil}, attempts = attempts + 1
    WHERE id IN (
      SELECT id FROM commands INDEXED BY commands_open
      WHERE state = 'accepted' AND ${served(q.share)}
        AND lease_until <= ${q.nowIso} AND attempts < ${q.maxSends}
      ORDER BY id LIMIT ${q.limit})
    RETURNING id`);
}

/** A send that surely failed isn't counted. */
export async function releaseCommands(db: Database, ids: readonly string[]): Promise<void> {
  await db.run(sql`UPDATE commands SET lease_until = '', attempts = attempts - 1 WHERE state = 'accepted' AND attempts > 0
    AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`);
}

/**
 * Commands sent `maxSends` times whose last lease ran out: the queue loses them each time. `waits`: 1: it isn't its turn, a
 * lower number of its device comes first, so that no message of its own could have finished it.
 */
export function exhaustedCommands(db: Database, q: { share: Share; nowIso: string; maxSends: number }) {
  return db.all<{ readonly id: string; readonly attempts: number; readonly waits: 0 | 1 }>(sql`
    SELECT id, attempts, device_sequence IS NOT NULL AND EXISTS (SELECT 1 FROM commands AS p INDEXED BY commands_in_line
      WHERE p.sender = commands.sender AND p.state = 'accepted' AND p.device_sequence IS NOT NULL
        AND p.device_sequence < commands.device_sequence) AS waits
    FROM commands INDEXED BY commands_open
    WHERE state = 'accepted' AND ${served(q.share)}
      AND lease_until <= ${q.nowIso} AND attempts >= ${q.maxSends} LIMIT ${EXHAUSTED_AT_ONCE}`);
}

export interface DeliveryState {
  readonly seq: number;
  readonly region: string | null;
  readonly event_id: string;
  readonly want: number;
  readonly done: number;
  readonly dead: number;
  readonly event: string;
  /** JSON, by subscriber: the event as a person edited its dead letter. Null: nobody did. */
  readonly edited: string | null;
}

/** What is still wanted of the events at these places of the log; a row that is gone was finished and aged out. */
export function deliveryStates(db: Database, places: readonly number[]) {
  return db.all<DeliveryState>(sql`SELECT seq, event_id, region, want, done, dead, event,
      (SELECT json_group_object(l.subscriber, json(l.edited) ORDER BY l.id) FROM dead_letters AS l
        WHERE l.event_seq = outbox.seq AND l.event_id = outbox.event_id AND l.edited IS NOT NULL AND l.state = 'redriven'
        HAVING COUNT(*) > 0) AS edited
    FROM outbox WHERE seq IN (SELECT value FROM json_each(${JSON.stringify(places)}))`);
}

/**
 * Deletes what is done, and was made, due or given back before `beforeIso`, up to 500 rows from the old end of the log. While the oldest row is
 * younger, one row is read. The newest row stays, so that a place in the log is never given twice.
 */
export async function deleteFinished(db: Database, beforeIso: string): Promise<void> {
  const oldest = await db.get<{ created_at: string } | undefined>(
    sql`SELECT created_at FROM outbox ORDER BY seq LIMIT 1`,
  );
  if (!oldest || oldest.created_at >= beforeIso) return;
  // Unfinished rows at the old end stay: the look goes that much further, so that they never hide the finished ones.
  await db.run(sql`DELETE FROM outbox WHERE seq IN (
    SELECT seq FROM (SELECT seq, want, done, MAX(created_at, not_before) AS since FROM outbox ORDER BY seq
      LIMIT 500 + (SELECT COUNT(*) FROM outbox INDEXED BY outbox_parked WHERE parked_at IS NOT NULL)
                + (SELECT COUNT(*) FROM dead_letters WHERE state = 'open')
                + (SELECT COUNT(*) FROM outbox INDEXED BY outbox_open WHERE (done | dead) <> want AND parked_at IS NULL))
    WHERE done = want AND since < ${beforeIso} AND seq < (SELECT MAX(seq) FROM outbox))`);
}

export interface LoggedEvent {
  readonly seq: number;
  readonly event: string;
}

/**
 * The next events of these types after the place `after`, in commit order, up to the first row that is younger than
 * `olderThanIso`; `upTo` is the last place looked at. A wait of one length needs no row of its own: the log is the timer.
 */
export async function eventsOfAge(
  db: Database,
  q: { after: number; olderThanIso: string; share: Share; types: readonly string[]; limit: number },
): Promise<{ events: LoggedEvent[]; upTo: number }> {
  const rows = await db.all<LoggedEvent & { wanted: number }>(sql`
    SELECT seq, event, type IN (${sql.join(
      q.types.map((type) => sql`${type}`),
      sql`, `,
    )})
        AND ${served(q.share)} AS wanted
    FROM outbox WHERE seq > ${q.after}
      AND seq < COALESCE((SELECT seq FROM outbox WHERE seq > ${q.after} AND created_at > ${q.olderThanIso}
        ORDER BY seq LIMIT 1), 9007199254740991)
    ORDER BY seq LIMIT ${q.limit}`);
  return { events: rows.filter(({ wanted }) => wanted === 1), upTo: rows.at(-1)?.seq ?? q.after };
}

/** The last place of the log that is older; 0: none. Reads from the young end, so as many rows as are younger. */
export async function lastOlderThan(db: Database, iso: string): Promise<number> {
  const [row] = await db.all<{ seq: number }>(
    sql`SELECT seq FROM outbox WHERE created_at < ${iso} ORDER BY seq DESC LIMIT 1`,
  );
  return row?.seq ?? 0;
}

export interface OutboxSummary {
  readonly open: number;
  readonly parked: number;
  readonly timers: number;
  readonly dead_letters: number;
  readonly oldest_open_at: string | null;
}

/** null: of every region, and of what concerns none. */
function within(region: string | null) {
  return region === null ? sql`` : sql`AND region = ${region}`;
}

export async function summariseOutbox(db: Database, nowIso: string, region: string | null): Promise<OutboxSummary> {
  return db.get<OutboxSummary>(sql`SELECT
      COUNT(*) FILTER (WHERE not_before <= ${nowIso}) AS open,
      COUNT(*) FILTER (WHERE not_before > ${nowIso}) AS timers,
      MIN(created_at) FILTER (WHERE not_before <= ${nowIso}) AS oldest_open_at,
      (SELECT COUNT(*) FROM outbox INDEXED BY outbox_parked WHERE parked_at IS NOT NULL AND (done | dead) <> want
        ${within(region)}) AS parked,
      (SELECT COUNT(*) FROM dead_letters WHERE state = 'open' ${within(region)}) AS dead_letters
    FROM outbox INDEXED BY outbox_open WHERE (done | dead) <> want AND parked_at IS NULL ${within(region)}`);
}
