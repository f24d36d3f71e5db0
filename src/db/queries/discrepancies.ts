/** Discrepancies: what the books say of a bin, the kept scan that contradicts them, and its one resolution. */
import { and, desc, eq, lt, sql } from "drizzle-orm";
import type { Books, DiscrepancyKind, Scan } from "../../domain/discrepancy.ts";
import type { Database } from "../database.ts";
import { discrepancies } from "../schema/stock.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export type DiscrepancyRow = typeof discrepancies.$inferSelect;

export interface PricedBooks extends Books {
  /** Minor units a piece, at list price. */
  readonly unitPrice: number;
  readonly currency: string;
}

interface Place {
  readonly sku: string;
  readonly location: string;
  readonly bin: string;
}

/** What the books say of a bin and its level now; zeros where nothing was ever kept. */
export async function findBooks(db: Database, place: Place): Promise<PricedBooks> {
  const [row] = await db.all<PricedBooks>(sql`
    SELECT COALESCE(l.on_hand, 0) AS onHand, COALESCE(l.reserved, 0) AS reserved, COALESCE(l.version, 0) AS version,
      COALESCE(b.quantity, 0) AS inBin, p.list_price AS unitPrice, p.currency
    FROM parts p
    LEFT JOIN stock_levels l ON l.sku = p.sku AND l.location = ${place.location}
    LEFT JOIN stock_bins b ON b.sku = p.sku AND b.location = ${place.location} AND b.bin = ${place.bin}
    WHERE p.sku = ${place.sku}`);
  return row ?? { onHand: 0, reserved: 0, version: 0, inBin: 0, unitPrice: 0, currency: "USD" };
}

/**
 * How many commands of the device itself, among the `within` numbers before this one, changed the level after `version`.
 * A count that agreed changed nothing.
 */
export async function countOwnChanges(
  db: Database,
  q: { sender: string; before: number; within: number; sku: string; location: string; version: number },
): Promise<number> {
  const [row] = await db.all<{ n: number }>(sql`SELECT COUNT(*) AS n FROM commands
    WHERE sender = ${q.sender} AND device_sequence < ${q.before} AND device_sequence >= ${q.before - q.within}
      AND state = 'applied' AND result ->> '$.sku' = ${q.sku} AND result ->> '$.location' = ${q.location}
      AND result ->> '$.version' > ${q.version} AND COALESCE(result ->> '$.difference', 1) <> 0`);
  return row?.n ?? 0;
}

export interface NewDiscrepancy {
  readonly id: string;
  readonly commandId: string;
  readonly kind: DiscrepancyKind;
  readonly deviceId: string;
  readonly region: string;
  readonly scan: Scan;
  readonly expected: number;
  readonly seenVersion: number | null;
  /** The command as it came, JSON. */
  readonly kept: string;
  readonly reason: string;
  readonly at: string;
}

/** Keeps the scan, if the books still are what it was judged by: CONFLICT otherwise. */
export function insertDiscrepancy(d: NewDiscrepancy, books: Books): GuardedWrite {
  const { sku, location, bin, says, quantity } = d.scan;
  return {
    statement: sql`INSERT INTO discrepancies(id, command_id, kind, device_id, region, location, sku, bin, says, expected,
        found, seen_version, version, scan, reason, state, created_at)
      SELECT ${d.id}, ${d.commandId}, ${d.kind}, ${d.deviceId}, ${d.region}, ${location}, ${sku}, ${bin}, ${says},
        ${d.expected}, ${quantity}, ${d.seenVersion}, ${books.version}, ${d.kept}, ${d.reason}, 'open', ${d.at}
      WHERE ${booksAre({ sku, location, bin }, books)}`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

/** Resolves an open one as `row` says, if the books still are what the correction was made from: CONFLICT otherwise. */
export function resolveDiscrepancyRow(row: DiscrepancyRow, books: Books): GuardedWrite {
  return {
    statement: sql`UPDATE discrepancies SET state = 'resolved', resolution = ${row.resolution}, counted = ${row.counted},
        note = ${row.note}, resolved_by = ${row.resolvedBy}, resolved_at = ${row.resolvedAt}
      WHERE id = ${row.id} AND state = 'open' AND ${booksAre(row, books)}`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

/** Before all writes of a batch: CONFLICT when so many pieces can be taken from the bin after all. Writes no row. */
export function assertShort({ sku, location, bin }: Place, pieces: number): GuardedWrite {
  return {
    statement: sql`INSERT INTO assert_that SELECT ${pieces} > COALESCE((
      SELECT MIN(b.quantity, l.on_hand - l.reserved) FROM stock_bins b
      JOIN stock_levels l ON l.sku = b.sku AND l.location = b.location
      WHERE b.sku = ${sku} AND b.location = ${location} AND b.bin = ${bin}), 0), 1, 'CONFLICT'`,
  };
}

/** Before all writes of a batch: CONFLICT when so many pieces are more than that share of what is on hand. Writes no row. */
export function assertShare({ sku, location }: Place, pieces: number, percent: number): GuardedWrite {
  return {
    statement: sql`INSERT INTO assert_that SELECT ${pieces * 100} <= ${percent} * COALESCE((
      SELECT on_hand FROM stock_levels WHERE sku = ${sku} AND location = ${location}), 0), 1, 'CONFLICT'`,
  };
}

function booksAre({ sku, location, bin }: Place, books: Books) {
  return sql`COALESCE((SELECT version FROM stock_levels WHERE sku = ${sku} AND location = ${location}), 0) = ${books.version}
    AND COALESCE((SELECT quantity FROM stock_bins WHERE sku = ${sku} AND location = ${location} AND bin = ${bin}), 0)
      = ${books.inBin}`;
}

export async function findDiscrepancy(db: Database, id: string): Promise<DiscrepancyRow | null> {
  const [row] = await db.select().from(discrepancies).where(eq(discrepancies.id, id)).limit(1);
  return row ?? null;
}

export interface DiscrepancyFilter {
  readonly state?: "open" | "resolved" | undefined;
  readonly sku?: string | undefined;
  readonly location?: string | undefined;
  /** null: every region. */
  readonly region: string | null;
  /** Ids before this one: the next page. */
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Newest first. */
export function listDiscrepancies(db: Database, q: DiscrepancyFilter): Promise<DiscrepancyRow[]> {
  return db
    .select()
    .from(discrepancies)
    .where(
      and(
        // Said as the index says it, so that the open ones of a place are found without a scan.
        q.state === undefined ? undefined : sql`state = ${sql.raw(q.state === "open" ? "'open'" : "'resolved'")}`,
        q.location === undefined ? undefined : eq(discrepancies.location, q.location),
        q.sku === undefined ? undefined : eq(discrepancies.sku, q.sku),
        q.region === null ? undefined : eq(discrepancies.region, q.region),
        q.before === undefined ? undefined : lt(discrepancies.id, q.before),
      ),
    )
    .orderBy(desc(discrepancies.id))
    .limit(q.limit);
}
