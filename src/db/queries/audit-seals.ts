/** The chain of seals, and the rows that they cover or have yet to cover. */
import { sql, type SQL } from "drizzle-orm";
import type { AuditRow, Seal } from "../../domain/audit-seal.ts";
import type { Database } from "../database.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

const ROW = sql`seq, at, actor, actor_kind, action, subject, before, after, reason, trace`;
const SEAL = sql`from_seq, to_seq, row_count, prev, hash, sealed_at, key_id, signature`;

/** Below every seq (the least safe integer): what is sealed up to while there is no seal. */
const NOTHING_SEALED = sql`-9007199254740991`;
const SEALED_TO = sql`COALESCE((SELECT MAX(to_seq) FROM audit_seals), ${NOTHING_SEALED})`;

/** Appends to the chain, but only while `after` (null: no seal) is still its head: of two sealers at once one writes. */
export function insertSeal(seal: Seal, after: Seal | null): GuardedWrite {
  return {
    statement: sql`INSERT INTO audit_seals(${SEAL})
      SELECT ${seal.from_seq}, ${seal.to_seq}, ${seal.row_count}, ${seal.prev}, ${seal.hash}, ${seal.sealed_at},
        ${seal.key_id}, ${seal.signature}
      WHERE ${SEALED_TO} = ${after === null ? NOTHING_SEALED : after.to_seq}`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

/** The last seal at or below `upTo`; without it the head of the chain. */
export async function findLastSeal(db: Database, upTo?: number): Promise<Seal | null> {
  const where = upTo === undefined ? sql`` : sql`WHERE to_seq <= ${upTo}`;
  const [seal] = await db.all<Seal>(sql`SELECT ${SEAL} FROM audit_seals ${where} ORDER BY to_seq DESC LIMIT 1`);
  return seal ?? null;
}

export function listSealsAfter(db: Database, after: number, limit: number): Promise<Seal[]> {
  return db.all<Seal>(sql`SELECT ${SEAL} FROM audit_seals WHERE to_seq > ${after} ORDER BY to_seq LIMIT ${limit}`);
}

/** The first seal made at or after this time: rows of that time lie in it or later. One row is read per seal. */
export async function findSealSince(db: Database, atIso: string): Promise<Seal | null> {
  const [seal] = await db.all<Seal>(
    sql`SELECT ${SEAL} FROM audit_seals WHERE sealed_at >= ${atIso} ORDER BY to_seq LIMIT 1`,
  );
  return seal ?? null;
}

/** The oldest rows that no seal covers, in order: at most `limit`, and no more than `maxChars` of text beyond the first. */
export function listUnsealed(db: Database, limit: number, maxChars: number): Promise<AuditRow[]> {
  return db.all<AuditRow>(sql`
    SELECT ${ROW} FROM (
      SELECT ${ROW}, ROW_NUMBER() OVER (ORDER BY seq) AS nth, SUM(${TEXT_LENGTH}) OVER (ORDER BY seq) AS chars
      FROM (SELECT ${ROW} FROM audit WHERE seq > ${SEALED_TO} ORDER BY seq LIMIT ${limit}))
    WHERE nth = 1 OR chars <= ${maxChars} ORDER BY seq`);
}

const TEXT_LENGTH: SQL = sql`LENGTH(COALESCE(before, '')) + LENGTH(COALESCE(after, '')) + LENGTH(COALESCE(reason, ''))`;

export function listAuditRows(
  db: Database,
  fromSeq: number,
  toSeq: number,
  limit = Number.MAX_SAFE_INTEGER,
): Promise<AuditRow[]> {
  return db.all<AuditRow>(
    sql`SELECT ${ROW} FROM audit WHERE seq BETWEEN ${fromSeq} AND ${toSeq} ORDER BY seq LIMIT ${limit}`,
  );
}

/** When the first thing happened in this deployment; null: nothing has. */
export async function findFirstAuditAt(db: Database): Promise<string | null> {
  const [row] = await db.all<{ at: string }>(sql`SELECT at FROM audit ORDER BY seq LIMIT 1`);
  return row?.at ?? null;
}

export interface UnsealedTail {
  readonly rows: number;
  readonly from_seq: number | null;
  readonly oldest_at: string | null;
  /** The highest seq of the whole trail; 0: it is empty. */
  readonly highest: number;
}

export function summariseUnsealed(db: Database): Promise<UnsealedTail> {
  return db.get<UnsealedTail>(sql`SELECT COUNT(*) AS rows, MIN(seq) AS from_seq, MIN(at) AS oldest_at,
      COALESCE((SELECT MAX(seq) FROM audit), 0) AS highest FROM audit WHERE seq > ${SEALED_TO}`);
}

/** The seqs of the rows below this one, or null: there are none. */
export async function findRowsBelow(db: Database, seq: number): Promise<readonly [from: number, to: number] | null> {
  const row = await db.get<{ from_seq: number | null; to_seq: number | null }>(
    sql`SELECT MIN(seq) AS from_seq, MAX(seq) AS to_seq FROM audit WHERE seq < ${seq}`,
  );
  return row.from_seq === null || row.to_seq === null ? null : [row.from_seq, row.to_seq];
}

/** The last seq before the newest `count` seals. */
export async function findSealsBack(db: Database, count: number): Promise<number> {
  const rows = await db.all<{ to_seq: number }>(
    sql`SELECT to_seq FROM audit_seals ORDER BY to_seq DESC LIMIT 1 OFFSET ${count}`,
  );
  return rows[0]?.to_seq ?? 0;
}
