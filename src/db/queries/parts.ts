/** Reads of the catalogue: one part with offers and stock, pages by keyset, candidates by full-text search. */
import { and, asc, eq, gt, inArray, sql } from "drizzle-orm";
import type { PartPage, PartQuery, PartSummary, PartView } from "../../domain/parts.ts";
import type { Database } from "../database.ts";
import { locations, parts, priceBreaks, supplierParts } from "../schema/catalogue.ts";
import { stockLevels } from "../schema/stock.ts";

type PartRow = typeof parts.$inferSelect;

function summaryOf(row: PartRow): PartSummary {
  return {
    sku: row.sku,
    name: row.name,
    category: row.category,
    unit: row.unit,
    list_price: { amount: row.listPrice, currency: row.currency },
    barcode: row.barcode,
    superseded_by: row.supersededBy,
    discontinued: row.discontinued,
    version: row.version,
  };
}

export async function findPartView(db: Database, sku: string): Promise<PartView | null> {
  const [partRows, offers, breaks, places] = await db.batch([
    db.select().from(parts).where(eq(parts.sku, sku)).limit(1),
    db.select().from(supplierParts).where(eq(supplierParts.sku, sku)).orderBy(supplierParts.supplier),
    db
      .select()
      .from(priceBreaks)
      .where(eq(priceBreaks.sku, sku))
      .orderBy(priceBreaks.supplier, priceBreaks.minQuantity),
    db
      .select({ level: stockLevels, region: locations.region })
      .from(stockLevels)
      .innerJoin(locations, eq(locations.id, stockLevels.location))
      .where(eq(stockLevels.sku, sku))
      .orderBy(stockLevels.location),
  ]);
  const row = partRows[0];
  if (!row) return null;
  return {
    ...summaryOf(row),
    description: row.description,
    suppliers: offers.map((offer) => ({
      supplier: offer.supplier,
      unit: offer.unit,
      pack: offer.pack,
      moq: offer.moq,
      lead_time_days: offer.leadTimeDays,
      price_breaks: breaks
        .filter((b) => b.supplier === offer.supplier)
        .map((b) => ({ min_quantity: b.minQuantity, unit_price: { amount: b.unitPrice, currency: offer.currency } })),
    })),
    stock: places.map(({ level, region }) => ({
      location: level.location,
      region,
      on_hand: level.onHand,
      reserved: level.reserved,
      available: level.onHand - level.reserved,
      incoming: level.incoming,
      in_transit: level.inTransit,
    })),
  };
}

/** A page in SKU order, after the cursor (the last SKU of the page before). */
export async function listParts(db: Database, query: PartQuery): Promise<PartPage> {
  const match = query.q === undefined ? null : ftsQuery(query.q);
  if (query.q !== undefined && match === null) return { data: [], next_cursor: null }; // a search without a word
  const rows = await db
    .select()
    .from(parts)
    .where(
      and(
        query.category === undefined ? undefined : eq(parts.category, query.category),
        query.cursor === undefined ? undefined : gt(parts.sku, query.cursor),
        query.supplier === undefined
          ? undefined
          : sql`EXISTS (SELECT 1 FROM supplier_parts sp WHERE sp.sku = ${parts.sku} AND sp.supplier = ${query.supplier})`,
        match === null
          ? undefined
          : sql`parts.rowid IN (SELECT rowid FROM parts_search WHERE parts_search MATCH ${match})`,
      ),
    )
    .orderBy(asc(parts.sku))
    .limit(query.limit + 1);
  const page = rows.slice(0, query.limit);
  const last = page.at(-1);
  return { data: page.map(summaryOf), next_cursor: rows.length > query.limit && last ? last.sku : null };
}

export async function findParts(db: Database, skus: readonly string[]): Promise<PartRow[]> {
  if (skus.length === 0) return [];
  return db
    .select()
    .from(parts)
    .where(inArray(parts.sku, sql`(SELECT value FROM json_each(${JSON.stringify([...new Set(skus)])}))`));
}

/** The closed list that a line of free text is resolved from: the best matches of any of its words. */
export async function searchCandidates(db: Database, text: string, limit: number): Promise<PartRow[]> {
  const match = ftsQuery(text, " OR ");
  if (match === null) return [];
  return db
    .select({ part: parts })
    .from(parts)
    .innerJoin(sql`parts_search`, sql`parts_search.rowid = parts.rowid`)
    .where(sql`parts_search MATCH ${match}`)
    .orderBy(sql`bm25(parts_search, 10.0, 5.0, 1.0, 10.0)`, parts.sku)
    .limit(limit)
    .then((rows) => rows.map((row) => row.part));
}

/** Words quoted, so that nothing in them is syntax (FTS5 full-text query syntax); the last is a prefix. Null: no word. */
export function ftsQuery(text: string, join: " OR " | " " = " "): string | null {
  const words = text.normalize("NFC").match(/[\p{L}\p{N}]+/gu) ?? [];
  const terms = words.slice(0, 16).map((word) => `"${word}"`);
  const last = terms.pop();
  return last === undefined ? null : [...terms, `${last}*`].join(join);
}
