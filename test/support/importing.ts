/** Imports as a test does them: the service over the test's own D1, without the HTTP app. */
import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { uuidv7 } from "uuidv7";
import { sha256Hex } from "../../src/container.ts";
import { openDatabase } from "../../src/db/database.ts";
import { commit } from "../../src/db/unit-of-work.ts";
import { parseMessage } from "../../src/domain/events.ts";
import { ID_PREFIXES, type NewId } from "../../src/domain/ids.ts";
import type { ImportKind } from "../../src/domain/import-rows.ts";
import { wantOf, webhookWantOf } from "../../src/events/subscriptions.ts";
import { importFile, type ImportDeps } from "../../src/services/imports.ts";
import { stoppedClock } from "./stopped-clock.ts";

export const clock = stoppedClock();
const newId: NewId = (kind) => `${ID_PREFIXES[kind]}_${uuidv7().replaceAll("-", "")}`;

export function importDeps(over: Partial<ImportDeps> = {}): ImportDeps {
  const db = over.db ?? openDatabase(env.DB);
  return {
    db,
    commit: (work) => commit({ db, now: clock.now, newId, wantOf, webhookWantOf }, work),
    clock,
    newId,
    sha256: sha256Hex,
    environment: "development",
    ...over,
  };
}

const trace = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, correlationId: "a".repeat(32) };

export function importCsv(
  kind: ImportKind,
  file: string | Uint8Array,
  options: { dryRun?: boolean; deps?: ImportDeps } = {},
) {
  return importFile(options.deps ?? importDeps(), {
    kind,
    body: typeof file === "string" ? new TextEncoder().encode(file) : file,
    dryRun: options.dryRun ?? false,
    actor: { id: "admin", kind: "person" },
    trace,
  });
}

export async function rowsOf<T = Record<string, unknown>>(query: string, ...values: unknown[]): Promise<T[]> {
  return (
    await env.DB.prepare(query)
      .bind(...values)
      .all<T>()
  ).results;
}

/** Every (sku, location) where ledger, level, bins and reservations differ: none, ever. */
export function stockDifferences() {
  return rowsOf(`
    SELECT l.sku, l.location, l.on_hand, l.reserved,
      (SELECT COALESCE(SUM(quantity), 0) FROM stock_movements m WHERE m.sku = l.sku AND m.location = l.location) AS moved,
      (SELECT COALESCE(SUM(quantity), 0) FROM stock_bins b WHERE b.sku = l.sku AND b.location = l.location) AS binned,
      (SELECT COALESCE(SUM(quantity), 0) FROM reservations r WHERE r.sku = l.sku AND r.location = l.location AND r.state = 'open') AS held
    FROM stock_levels l WHERE l.on_hand <> moved OR l.on_hand <> binned OR l.reserved <> held`);
}

export const PARTS =
  "sku,name,category,subcategory,color,standard_cost,list_price,safety_stock,reorder_point,discontinued";
export const OFFERS = "supplier_id,sku,unit,unit_price,currency,min_order_qty,max_order_qty,lead_time_days";
export const STOCK = "sku,warehouse_id,bin,quantity";
export const SUPPLIERS = "supplier_id,name,account_number,credit_rating,preferred,active";
export const ORDERS = "purchase_order_id,supplier_id,buyer_id,status,ordered_at,shipped_at,subtotal,tax,freight,total";
export const LINES = "purchase_order_id,line,sku,quantity,unit_price,due_at,received,rejected";

export const file = (header: string, ...rows: string[]) => `${header}\n${rows.join("\n")}\n`;
export const part = (sku: string, price = "10.00", name = `Part ${sku}`) =>
  `${sku},${name},pumps,,,1.00,${price},0,0,false`;
export const parts = (...skus: string[]) => file(PARTS, ...skus.map((sku) => part(sku)));

interface EventRow {
  readonly type: string;
  readonly subject: string;
  readonly region: string | null;
  readonly event: string;
  readonly not_before: string;
}

/** The events since `rowid`, and each is one of the catalogue. */
export async function eventsSince(rowid: number) {
  const rows = await rowsOf<EventRow>(
    "SELECT type, subject, region, event, not_before FROM outbox WHERE rowid > ? ORDER BY rowid",
    rowid,
  );
  return rows.map((row) => {
    const parsed = parseMessage(JSON.parse(row.event));
    if (!parsed.ok) throw new Error(parsed.reason);
    return {
      type: row.type,
      subject: row.subject,
      region: row.region,
      notBefore: row.not_before,
      data: parsed.message.data,
    };
  });
}

export const lastEvent = async () =>
  (await rowsOf<{ n: number }>("SELECT COALESCE(MAX(rowid), 0) AS n FROM outbox"))[0]?.n ?? 0;
export const everything = () =>
  rowsOf(`SELECT (SELECT COUNT(*) FROM inbox) AS inbox, (SELECT COUNT(*) FROM outbox) AS outbox, (SELECT COUNT(*) FROM audit) AS audit,
    (SELECT COUNT(*) FROM parts) AS parts, (SELECT COUNT(*) FROM supplier_parts) AS offers, (SELECT COUNT(*) FROM locations) AS places,
    (SELECT COUNT(*) FROM stock_movements) AS moved, (SELECT COALESCE(SUM(quantity), 0) FROM stock_bins) AS binned`);

export async function must(done: ReturnType<typeof importCsv>) {
  const result = await done;
  if (!result.ok) throw new Error(`${result.code} ${result.reason} ${JSON.stringify(result.problems)}`);
  return result;
}

export async function reserve(sku: string, location: string, quantity: number): Promise<void> {
  await env.DB.batch([
    env.DB.prepare("UPDATE stock_levels SET reserved = reserved + ? WHERE sku = ? AND location = ?").bind(
      quantity,
      sku,
      location,
    ),
    env.DB.prepare("INSERT INTO reservations VALUES (?, ?, ?, ?, 'open', '2027-01-01T00:00:00.000Z')").bind(
      `ord_${sku}`,
      sku,
      location,
      quantity,
    ),
  ]);
}

/** Two regions, a warehouse in each, a truck and a supplier. */
export async function importPlaces(): Promise<void> {
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
  await must(importCsv("regions", "region_id,name\nnorth,North\nsouth,South\n"));
  await must(importCsv("warehouses", "warehouse_id,name,region_id\nw-1,One,north\nw-2,Two,south\n"));
  await must(importCsv("suppliers", file(SUPPLIERS, 'acme,"Acme, ""Inc""",ACME0001,1,true,true')));
  await env.DB.prepare("INSERT INTO locations VALUES ('truck-9', 'truck', 'Truck 9', 'north')").run();
}
