/** What the agents decide from, read from the primary: candidates for lines, stock of a region, offers with their prices. */
import { sql } from "drizzle-orm";
import type { PartCandidate } from "../../domain/parts-resolution.ts";
import type { ExchangeRate } from "../../domain/exchange.ts";
import type { SupplierOffer } from "../../domain/purchase-quote.ts";
import type { StockFact } from "../../domain/sourcing.ts";
import { supplierAccess, type AccessRules, type SupplierAdapter } from "../../domain/supplier-access.ts";
import type { Database } from "../database.ts";
import { findParts, searchCandidates } from "./parts.ts";

type PartRow = Awaited<ReturnType<typeof findParts>>[number];

const CANDIDATES_PER_TEXT = 20;
const MAX_SUCCESSORS = 10;

interface OfferRow {
  readonly sku: string;
  readonly supplier: string;
  readonly active: number;
  readonly preferred: number;
  readonly credit_rating: number;
  readonly adapter: SupplierAdapter;
  readonly url: string | null;
  readonly secret_name: string | null;
  readonly unit: string;
  readonly pack: number;
  readonly moq: number;
  readonly max_order_quantity: number | null;
  readonly lead_time_days: number;
  readonly currency: string;
  readonly supplier_currency: string;
  readonly freight_flat: number;
  readonly freight_free_from: number | null;
  readonly freight_per_line: number;
  readonly arrivals: string;
  readonly breaks: string;
}

async function offerRows(db: Database, skus: readonly string[]): Promise<OfferRow[]> {
  return db.all<OfferRow>(sql`
    SELECT o.sku, o.supplier, s.active, s.preferred, s.credit_rating, s.adapter, s.url, s.secret_name, o.unit, o.pack, o.moq,
      o.max_order_quantity, o.lead_time_days, o.currency, s.currency AS supplier_currency, s.freight_flat, s.freight_free_from,
      s.freight_per_line, o.arrivals,
      (SELECT json_group_array(json_object('minQuantity', b.min_quantity, 'unitPrice', b.unit_price))
         FROM price_breaks b WHERE b.sku = o.sku AND b.supplier = o.supplier) AS breaks
    FROM supplier_parts o JOIN suppliers s ON s.id = o.supplier
    WHERE o.sku IN (SELECT value FROM json_each(${JSON.stringify([...new Set(skus)])}))
    ORDER BY o.sku, o.supplier`);
}

/** All offers for these parts, whoever makes them. By `rules` the offer of a supplier that can't be called says why. */
export async function listOffers(db: Database, skus: readonly string[], rules: AccessRules): Promise<SupplierOffer[]> {
  return (await offerRows(db, skus)).map((row) => ({
    sku: row.sku,
    supplier: row.supplier,
    active: row.active === 1,
    preferred: row.preferred === 1,
    creditRating: row.credit_rating,
    noAccess: noAccess(row, rules),
    pack: row.pack,
    moq: row.moq,
    maxOrderQuantity: row.max_order_quantity,
    leadTimeDays: row.lead_time_days,
    arrivals: JSON.parse(row.arrivals) as number[],
    currency: row.currency,
    supplierCurrency: row.supplier_currency,
    freight: { flat: row.freight_flat, freeFrom: row.freight_free_from, perLine: row.freight_per_line },
    priceBreaks: JSON.parse(row.breaks) as { minQuantity: number; unitPrice: number }[],
  }));
}

function noAccess(
  { supplier: id, adapter, url, secret_name: secretName }: OfferRow,
  rules: AccessRules,
): string | null {
  const access = supplierAccess({ id, adapter, url, secretName }, rules);
  return access.ok ? null : access.reason;
}

/**
 * The rates to this currency that hold on the day (`2026-11-23`): for each other currency the newest. From one currency to
 * the next in the table's key, so that what rates once were costs nothing.
 */
export async function listRates(db: Database, to: string, day: string): Promise<ExchangeRate[]> {
  const rows = await db.all<{ from: string; billionths: number; asOf: string }>(sql`
    WITH RECURSIVE currencies(currency) AS (
      SELECT MIN(from_currency) FROM exchange_rates
      UNION ALL SELECT (SELECT MIN(from_currency) FROM exchange_rates WHERE from_currency > currency)
      FROM currencies WHERE currency IS NOT NULL)
    SELECT r.from_currency AS "from", r.rate AS billionths, r.as_of AS asOf
    FROM currencies CROSS JOIN exchange_rates r ON r.from_currency = currency AND r.to_currency = ${to}
      AND r.as_of = (SELECT MAX(as_of) FROM exchange_rates
        WHERE from_currency = currency AND to_currency = ${to} AND as_of <= ${day})
    ORDER BY r.from_currency`);
  return rows.map((row) => ({ ...row, to }));
}

/** What is available of these parts in the warehouses of a region, from the primary and never from the cache. */
export async function listAvailable(db: Database, skus: readonly string[], region: string): Promise<StockFact[]> {
  return db.all<StockFact>(sql`
    SELECT l.sku, l.location, p.region, l.on_hand - l.reserved AS available
    FROM stock_levels l JOIN locations p ON p.id = l.location
    WHERE p.region = ${region} AND p.kind = 'warehouse' AND l.on_hand > l.reserved
      AND l.sku IN (SELECT value FROM json_each(${JSON.stringify([...new Set(skus)])}))
    ORDER BY l.sku, l.location`);
}

/**
 * The closed list that each line is resolved from: parts named by SKU or barcode, the best full-text matches of a free
 * text, and the successors of them all. By line number; the same part may be a candidate of several lines.
 */
export async function listCandidates(
  db: Database,
  lines: readonly { readonly line: number; readonly sku?: string | undefined; readonly text?: string | undefined }[],
): Promise<Map<number, PartCandidate[]>> {
  const found = new Map<string, PartRow>();
  const note = (rows: readonly PartRow[]) => {
    for (const row of rows) found.set(row.sku, row);
    return rows.map((row) => row.sku);
  };
  const codes = lines.map((line) => (line.sku ?? line.text ?? "").trim());
  const byCode = Map.groupBy(await findPartsByCode(db, codes), ({ code }) => code);
  note([...byCode.values()].flat().map(({ part }) => part));
  const byText = new Map<string, string[]>();
  for (const text of new Set(lines.flatMap((line) => line.text ?? []))) {
    byText.set(text, note(await searchCandidates(db, text, CANDIDATES_PER_TEXT)));
  }
  for (
    let hop = 0, open = successorsOf(found);
    hop < MAX_SUCCESSORS && open.length > 0;
    hop++, open = successorsOf(found)
  ) {
    if (note(await findParts(db, open)).length === 0) break;
  }
  const packs = Map.groupBy(await offerRows(db, [...found.keys()]), (row) => row.sku);
  const candidateOf = (row: PartRow): PartCandidate => ({
    sku: row.sku,
    name: row.name,
    description: row.description,
    category: row.category,
    unit: row.unit,
    listPrice: row.listPrice,
    currency: row.currency,
    barcode: row.barcode,
    supersededBy: row.supersededBy,
    discontinued: row.discontinued,
    packs: (packs.get(row.sku) ?? [])
      .filter((offer) => offer.pack > 1)
      .map((offer) => ({ unit: offer.unit, size: offer.pack })),
  });
  const withSuccessors = (skus: readonly string[]): PartCandidate[] => {
    const list = new Map<string, PartCandidate>();
    const queue = [...skus];
    for (let sku = queue.shift(); sku !== undefined; sku = queue.shift()) {
      const row = found.get(sku);
      if (!row || list.has(sku)) continue;
      list.set(sku, candidateOf(row));
      if (row.supersededBy !== null) queue.push(row.supersededBy);
    }
    return [...list.values()];
  };
  return new Map(
    lines.map((line, index) => {
      const named = (byCode.get(codes[index] ?? "") ?? []).map(({ part }) => part.sku);
      return [line.line, withSuccessors([...named, ...(byText.get(line.text ?? "") ?? [])])];
    }),
  );
}

function successorsOf(found: ReadonlyMap<string, PartRow>): string[] {
  return [...found.values()].flatMap((part) =>
    part.supersededBy !== null && !found.has(part.supersededBy) ? [part.supersededBy] : [],
  );
}

/** Parts whose SKU (ASCII case aside) or barcode is one of the codes, with the code that named them. */
export async function findPartsByCode(
  db: Database,
  codes: readonly string[],
): Promise<{ code: string; part: PartRow }[]> {
  const wanted = JSON.stringify([...new Set(codes)].filter((code) => code !== ""));
  const rows = await db.all<{ code: string; sku: string }>(sql`
    SELECT c.value AS code, p.sku FROM json_each(${wanted}) c JOIN parts p ON p.sku = c.value
    UNION SELECT c.value, p.sku FROM json_each(${wanted}) c JOIN parts p ON p.sku = upper(c.value)
    UNION SELECT c.value, p.sku FROM json_each(${wanted}) c JOIN parts p ON p.barcode = c.value`);
  const parts = new Map(
    (
      await findParts(
        db,
        rows.map((row) => row.sku),
      )
    ).map((part) => [part.sku, part]),
  );
  return rows.flatMap(({ code, sku }) => {
    const part = parts.get(sku);
    return part ? [{ code, part }] : [];
  });
}
