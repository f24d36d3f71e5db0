/**
 * The SQL of a hub: one log for the shard (a broadcast is stored once) and a cursor row for each device. An event id is
 * in the log at most once, and `seq` only grows, also when retention has emptied the log.
 */
import type { LogRow } from "../domain/hub/connections.ts";
import type { Cursor, LogState } from "../domain/hub/cursors.ts";
import type { HubIdentity } from "../domain/hub/routing.ts";

export interface NewEvent {
  readonly eventId: string;
  readonly type: string;
  readonly topics: readonly string[];
  readonly event: string;
  readonly bytes: number;
}

/** Idempotent. `epoch` names the log when it is created now, and is ignored afterwards. */
export function createHubSchema(sql: SqlStorage, epoch: string): void {
  sql.exec(`
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS log (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      event_id TEXT NOT NULL UNIQUE,
      type TEXT NOT NULL,
      topics TEXT NOT NULL,
      event TEXT NOT NULL,
      bytes INTEGER NOT NULL,
      at INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS cursors (
      device TEXT PRIMARY KEY,
      session TEXT NOT NULL,
      identity TEXT NOT NULL,
      topics TEXT NOT NULL,
      acked INTEGER NOT NULL,
      upto INTEGER NOT NULL
    ) WITHOUT ROWID;
  `);
  sql.exec("INSERT OR IGNORE INTO meta (key, value) VALUES ('epoch', ?)", epoch);
}

export function logState(sql: SqlStorage): LogState {
  const row = sql
    .exec<{ epoch: string; floor: number; head: number | null }>(
      `SELECT (SELECT value FROM meta WHERE key = 'epoch') AS epoch,
              CAST(coalesce((SELECT value FROM meta WHERE key = 'floor'), '0') AS INTEGER) AS floor,
              (SELECT max(seq) FROM log) AS head`,
    )
    .one();
  return { epoch: row.epoch, floor: row.floor, head: row.head ?? row.floor };
}

/** Appends what isn't there yet, in order, and returns the new rows. `at`: ms since the epoch. */
export function appendEvents(sql: SqlStorage, events: readonly NewEvent[], at: number): LogRow[] {
  const rows: LogRow[] = [];
  for (const { eventId, type, topics, event, bytes } of events) {
    const [inserted] = sql
      .exec<{ seq: number }>(
        `INSERT INTO log (event_id, type, topics, event, bytes, at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (event_id) DO NOTHING RETURNING seq`,
        eventId,
        type,
        JSON.stringify(topics),
        event,
        bytes,
        at,
      )
      .toArray();
    if (inserted) rows.push({ seq: inserted.seq, type, topics, event, bytes });
  }
  return rows;
}

type StoredRow = { seq: number; type: string; topics: string; event: string; bytes: number };

export function rowsAfter(sql: SqlStorage, seq: number, limit: number): LogRow[] {
  return sql
    .exec<StoredRow>("SELECT seq, type, topics, event, bytes FROM log WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
    .toArray()
    .map((row) => ({ ...row, topics: JSON.parse(row.topics) as string[] }));
}

/** An event of the log without its text, or null when it never came or was dropped. */
export function findEvent(sql: SqlStorage, eventId: string): Pick<LogRow, "seq" | "type" | "topics"> | null {
  const [row] = sql
    .exec<Omit<StoredRow, "event" | "bytes">>("SELECT seq, type, topics FROM log WHERE event_id = ?", eventId)
    .toArray();
  return row ? { ...row, topics: JSON.parse(row.topics) as string[] } : null;
}

type StoredCursor = { device: string; identity: string; topics: string; acked: number; upto: number };

function toCursor(row: StoredCursor): Cursor {
  return {
    ...row,
    identity: JSON.parse(row.identity) as HubIdentity,
    topics: JSON.parse(row.topics) as Record<string, number>,
  };
}

export function findCursor(sql: SqlStorage, device: string): Cursor | null {
  const [row] = sql
    .exec<StoredCursor>("SELECT device, identity, topics, acked, upto FROM cursors WHERE device = ?", device)
    .toArray();
  return row ? toCursor(row) : null;
}

export function listCursors(sql: SqlStorage): Cursor[] {
  return sql
    .exec<StoredCursor>("SELECT device, identity, topics, acked, upto FROM cursors ORDER BY device")
    .toArray()
    .map(toCursor);
}

/** The cursor of a session that begins: what the device says of itself replaces what was stored. */
export function putCursor(sql: SqlStorage, session: string, cursor: Cursor): void {
  sql.exec(
    "INSERT OR REPLACE INTO cursors (device, session, identity, topics, acked, upto) VALUES (?, ?, ?, ?, ?, ?)",
    cursor.device,
    session,
    JSON.stringify(cursor.identity),
    JSON.stringify(cursor.topics),
    cursor.acked,
    cursor.upto,
  );
}

/** Moves the cursor on. A session that a newer one has replaced moves nothing. */
export function advanceCursor(sql: SqlStorage, device: string, session: string, acked: number, upto: number): void {
  sql.exec(
    "UPDATE cursors SET acked = ?, upto = ? WHERE device = ? AND session = ? AND upto < ?",
    acked,
    upto,
    device,
    session,
    upto,
  );
}

/** When retention is due next (ms since the epoch), or null while the log is empty. */
export function sweepDue(sql: SqlStorage, retentionMs: number, sweepMs: number): number | null {
  const { oldest, swept } = sql
    .exec<{ oldest: number | null; swept: number }>(
      `SELECT (SELECT at FROM log ORDER BY seq LIMIT 1) AS oldest,
              CAST(coalesce((SELECT value FROM meta WHERE key = 'swept'), '0') AS INTEGER) AS swept`,
    )
    .one();
  return oldest === null ? null : Math.max(oldest + retentionMs, swept + sweepMs);
}

/** Drops what came up to `before` and remembers up to which seq that was: a device behind it is told the gap. */
export function sweepLog(sql: SqlStorage, before: number, now: number): void {
  sql.exec("INSERT OR REPLACE INTO meta (key, value) VALUES ('swept', ?)", String(now));
  const { last } = sql.exec<{ last: number | null }>("SELECT max(seq) AS last FROM log WHERE at <= ?", before).one();
  if (last === null) return;
  sql.exec("INSERT OR REPLACE INTO meta (key, value) VALUES ('floor', ?)", String(last));
  sql.exec("DELETE FROM log WHERE seq <= ?", last);
}
