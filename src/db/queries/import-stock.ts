/**
 * The SQL of a stock import: a row sets the quantity of a bin, and the movement is the difference to what lies there
 * when the batch runs, so SUM(movement) = on_hand = SUM(bins) holds whatever happened since the file was read. All rows of
 * a place must stand in one chunk: its level is changed, and checked against what is reserved, once.
 */
import { sql, type SQL } from "drizzle-orm";
import type { Database } from "../database.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import { chunksOf, type Chunk, type ImportRecord } from "./import-chunks.ts";
import { rowsOf } from "./imports.ts";

export interface StockRecord extends ImportRecord {
  readonly sku: string;
  readonly location: string;
  readonly bin: string;
  readonly quantity: number;
  readonly movement_id: string;
}

const FIELDS = ["sku", "location", "bin", "quantity", "movement_id"] as const;
const rows = (chunk: Chunk) => rowsOf(chunk, FIELDS);
const BIN = sql`stock_bins b ON b.sku = f.sku AND b.location = f.location AND b.bin = f.bin`;
const LEVEL = sql`stock_levels l ON l.sku = f.sku AND l.location = f.location`;

export interface StockDifference {
  readonly at: number;
  /** No such bin yet. */
  readonly is_new: number;
  /** The place had a level: devices may show it. */
  readonly is_known: number;
  readonly region: string;
}

/** The rows that change something. */
function stockDifferences(db: Database, chunk: Chunk): Promise<StockDifference[]> {
  return db.all<StockDifference>(sql`
    SELECT f.at, b.sku IS NULL AS is_new, l.sku IS NOT NULL AS is_known, p.region
    FROM ${rows(chunk)} JOIN locations p ON p.id = f.location LEFT JOIN ${BIN} LEFT JOIN ${LEVEL}
    WHERE b.quantity IS NOT f.quantity`);
}

export interface ShortPlace {
  readonly sku: string;
  readonly location: string;
  readonly on_hand: number;
  readonly reserved: number;
}

/** The places that would hold less than is reserved there. */
function shortPlaces(db: Database, chunk: Chunk): Promise<ShortPlace[]> {
  return db.all<ShortPlace>(sql`
    SELECT f.sku, f.location, l.on_hand + SUM(f.quantity - COALESCE(b.quantity, 0)) AS on_hand, l.reserved
    FROM ${rows(chunk)} JOIN ${LEVEL} LEFT JOIN ${BIN} GROUP BY f.sku, f.location
    HAVING l.on_hand + SUM(f.quantity - COALESCE(b.quantity, 0)) < l.reserved`);
}

/** Movements, level and bins of one chunk, in this order: the first two read the bins as they were. */
function stockWrites(chunk: Chunk<StockRecord>, source: string, at: string): GuardedWrite[] {
  const places = new Set(chunk.rows.map(placeOf)).size;
  return [
    {
      statement: sql`INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at)
        SELECT f.movement_id, f.sku, f.location, f.bin, f.quantity - COALESCE(b.quantity, 0), 'import', ${source}, ${at}
        FROM ${rows(chunk)} LEFT JOIN ${BIN} WHERE f.quantity <> COALESCE(b.quantity, 0)`,
    },
    {
      statement: sql`INSERT INTO stock_levels(sku, location, on_hand)
        SELECT f.sku, f.location, COALESCE(MAX(l.on_hand), 0) + SUM(f.quantity - COALESCE(b.quantity, 0))
        FROM ${rows(chunk)} LEFT JOIN ${LEVEL} LEFT JOIN ${BIN} WHERE true GROUP BY f.sku, f.location
        ON CONFLICT(sku, location) DO UPDATE SET on_hand = excluded.on_hand, version = version + 1
        WHERE excluded.on_hand >= reserved`,
      expect: { rows: places, otherwise: "INSUFFICIENT_STOCK" },
    },
    {
      statement: sql`INSERT INTO stock_bins(sku, location, bin, quantity)
        SELECT f.sku, f.location, f.bin, f.quantity FROM ${rows(chunk)} WHERE true
        ON CONFLICT(sku, location, bin) DO UPDATE SET quantity = excluded.quantity`,
      expect: { rows: chunk.rows.length, otherwise: "CONFLICT" },
    },
  ];
}

export interface StockPlan {
  readonly created: ReadonlySet<number>;
  readonly updated: ReadonlySet<number>;
  /** By line: what differs. */
  readonly differences: ReadonlyMap<number, StockDifference>;
  readonly short: readonly ShortPlace[];
  readonly writes: readonly GuardedWrite[];
}

/** Compares the file with what lies there. The chunks are cut by `placeOf`, of rows grouped by it. */
export async function planStock(
  db: Database,
  chunks: readonly Chunk<StockRecord>[],
  { source, at }: { readonly source: string; readonly at: string },
): Promise<StockPlan> {
  const differences = new Map<number, StockDifference>();
  const short: ShortPlace[] = [];
  for (const chunk of chunks) {
    for (const difference of await stockDifferences(db, chunk)) differences.set(difference.at, difference);
    short.push(...(await shortPlaces(db, chunk)));
  }
  const found = [...differences.values()];
  const rowsToWrite = chunks.flatMap((chunk) => chunk.rows.filter((row) => differences.has(row.at)));
  return {
    created: new Set(found.filter((one) => one.is_new === 1).map((one) => one.at)),
    updated: new Set(found.filter((one) => one.is_new === 0).map((one) => one.at)),
    differences,
    short,
    writes: chunksOf(rowsToWrite, placeOf).flatMap((chunk) => stockWrites(chunk, source, at)),
  };
}

/** The place of a row: rows of one place are written together. */
export function placeOf(row: { readonly sku: string; readonly location: string }): string {
  return JSON.stringify([row.sku, row.location]);
}

/** The quantity of a movement inside its own batch: 0 when the bin held the wanted quantity already. */
export function movementQuantity(q: {
  readonly sku: string;
  readonly location: string;
  readonly movementId: string;
}): SQL {
  return sql`SELECT COALESCE((SELECT quantity FROM stock_movements
    WHERE sku = ${q.sku} AND location = ${q.location} AND id = ${q.movementId}), 0)`;
}
