/**
 * Guarded writes of the stock ledger. Every change of on_hand is a movement in the same batch, and
 * SUM(movement) = on_hand = SUM(bins), SUM(open reservations) = reserved hold after every batch.
 */
import { and, eq, isNotNull, isNull, sql, type SQL } from "drizzle-orm";
import type { Database } from "../database.ts";
import { locations } from "../schema/catalogue.ts";
import { stockBins, stockLevels } from "../schema/stock.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export interface StockChange {
  readonly sku: string;
  readonly location: string;
  readonly bin: string;
  /** In the part's stock unit; negative takes away. Never 0. */
  readonly quantity: number;
  readonly kind: "adjustment" | "ship" | "ship_reversal" | "receipt" | "import" | "count";
  /** `{kind}/{id}` of what caused it. */
  readonly source: string;
  readonly movementId: string;
  readonly at: string;
}

/** The writes of one change of on_hand. What is reserved can't be taken away: INSUFFICIENT_STOCK. */
export function changeStock(change: StockChange): GuardedWrite[] {
  const { sku, location, bin, quantity } = change;
  const enough = { rows: 1, otherwise: "INSUFFICIENT_STOCK" } as const;
  const balance: GuardedWrite[] =
    quantity > 0
      ? [
          {
            statement: sql`INSERT INTO stock_levels(sku, location, on_hand) VALUES (${sku}, ${location}, ${quantity})
              ON CONFLICT(sku, location) DO UPDATE SET on_hand = on_hand + ${quantity}, version = version + 1`,
            expect: enough,
          },
          {
            statement: sql`INSERT INTO stock_bins(sku, location, bin, quantity) VALUES (${sku}, ${location}, ${bin}, ${quantity})
              ON CONFLICT(sku, location, bin) DO UPDATE SET quantity = quantity + ${quantity}`,
            expect: enough,
          },
        ]
      : [
          {
            statement: sql`UPDATE stock_levels SET on_hand = on_hand + ${quantity}, version = version + 1
              WHERE sku = ${sku} AND location = ${location} AND on_hand + ${quantity} >= reserved`,
            expect: enough,
          },
          {
            statement: sql`UPDATE stock_bins SET quantity = quantity + ${quantity}
              WHERE sku = ${sku} AND location = ${location} AND bin = ${bin} AND quantity + ${quantity} >= 0`,
            expect: enough,
          },
        ];
  return [...balance, { statement: movementInsert(change) }];
}

export function movementInsert(change: StockChange): SQL {
  return sql`INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at)
    VALUES (${change.movementId}, ${change.sku}, ${change.location}, ${change.bin}, ${change.quantity},
            ${change.kind}, ${change.source}, ${change.at})`;
}

/** Expressions over a level's row inside the batch, for events and answers. */
export function levelColumn(column: "on_hand" | "version", sku: string, location: string): SQL {
  return sql`SELECT ${sql.identifier(column)} FROM stock_levels WHERE sku = ${sku} AND location = ${location}`;
}

export async function findLocation(db: Database, id: string) {
  const [row] = await db.select().from(locations).where(eq(locations.id, id)).limit(1);
  return row ?? null;
}

export interface PlaceFigures {
  readonly on_hand: number;
  readonly reserved: number;
  /** null: there is no such bin. */
  readonly in_bin: number | null;
}

/** What a refusal tells of a place and a bin of it, as they are now. */
export async function findPlaceFigures(
  db: Database,
  sku: string,
  location: string,
  bin: string,
): Promise<PlaceFigures> {
  return db.get<PlaceFigures>(sql`SELECT COALESCE(l.on_hand, 0) AS on_hand, COALESCE(l.reserved, 0) AS reserved,
      b.quantity AS in_bin
    FROM (SELECT ${sku} AS sku, ${location} AS location) AS d
    LEFT JOIN stock_levels l ON l.sku = d.sku AND l.location = d.location
    LEFT JOIN stock_bins b ON b.sku = d.sku AND b.location = d.location AND b.bin = ${bin}`);
}

export interface StockView {
  readonly sku: string;
  readonly location: string;
  readonly region: string;
  readonly on_hand: number;
  readonly reserved: number;
  readonly available: number;
  readonly incoming: number;
  readonly in_transit: number;
  readonly minimum: number;
  readonly maximum: number | null;
  /** Below the minimum, also with what is incoming. */
  readonly low: boolean;
  readonly version: number;
}

export async function listStock(
  db: Database,
  q: {
    sku?: string | undefined;
    location?: string | undefined;
    low?: boolean | undefined;
    region: string | null;
    limit: number;
  },
): Promise<StockView[]> {
  const rows = await db
    .select({ level: stockLevels, region: locations.region })
    .from(stockLevels)
    .innerJoin(locations, eq(locations.id, stockLevels.location))
    .where(
      and(
        q.sku === undefined ? undefined : eq(stockLevels.sku, q.sku),
        q.location === undefined ? undefined : eq(stockLevels.location, q.location),
        q.region === null ? undefined : eq(locations.region, q.region),
        q.low === undefined ? undefined : q.low ? isNotNull(stockLevels.lowMark) : isNull(stockLevels.lowMark),
      ),
    )
    .orderBy(stockLevels.sku, stockLevels.location)
    .limit(q.limit);
  return rows.map(({ level, region }) => ({
    sku: level.sku,
    location: level.location,
    region,
    on_hand: level.onHand,
    reserved: level.reserved,
    available: level.onHand - level.reserved,
    incoming: level.incoming,
    in_transit: level.inTransit,
    minimum: level.minimum,
    maximum: level.maximum,
    low: level.lowMark !== null,
    version: level.version,
  }));
}

export async function listBins(db: Database, sku: string, location: string) {
  return db
    .select({ bin: stockBins.bin, quantity: stockBins.quantity })
    .from(stockBins)
    .where(and(eq(stockBins.sku, sku), eq(stockBins.location, location)))
    .orderBy(stockBins.bin);
}
