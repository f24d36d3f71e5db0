/** Parts of one run: on shelves with their opening movements, or offered by a supplier of the run's own. */
import { standInSupplier, type StandInSupplier } from "../stand-in-supplier.ts";
import { env } from "./small-world.ts";

const PRICE = 1_000;

export interface Shelves {
  readonly location: string;
  readonly bins: Readonly<Record<string, number>>;
}

function partRow(sku: string): D1PreparedStatement {
  return env.DB.prepare(
    "INSERT INTO parts(sku, name, category, unit, list_price) VALUES (?, ?, 'body', 'each', ?)",
  ).bind(sku, `Part ${sku}`, PRICE);
}

export async function seedShelves(sku: string, ...all: readonly Shelves[]): Promise<void> {
  const { DB: db } = env;
  await db.batch([
    partRow(sku),
    ...all.flatMap(({ location, bins }) => [
      db.prepare("INSERT INTO stock_levels(sku, location, on_hand) VALUES (?, ?, ?)").bind(
        sku,
        location,
        Object.values(bins).reduce((sum, quantity) => sum + quantity, 0),
      ),
      ...Object.entries(bins).flatMap(([bin, quantity]) => [
        db
          .prepare("INSERT INTO stock_bins(sku, location, bin, quantity) VALUES (?, ?, ?, ?)")
          .bind(sku, location, bin, quantity),
        db
          .prepare(
            `INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at)
             VALUES (?, ?, ?, ?, ?, 'opening', 'test', '2026-01-05T06:00:00.000Z')`,
          )
          .bind(`mov_${sku}_${location}_${bin}`, sku, location, bin, quantity),
      ]),
    ]),
  ]);
}

/** A part that must be bought, of a supplier of its own. */
export async function seedOffer(sku: string, supplier: string): Promise<StandInSupplier> {
  const { DB: db } = env;
  const standIn = standInSupplier(supplier.toLowerCase());
  await db.batch([
    partRow(sku),
    db.prepare("INSERT INTO suppliers(id, name, url) VALUES (?1, ?1, ?2)").bind(standIn.supplier, standIn.url),
    db
      .prepare("INSERT INTO supplier_parts(supplier, sku, unit, lead_time_days) VALUES (?, ?, 'each', 2)")
      .bind(standIn.supplier, sku),
    db
      .prepare("INSERT INTO price_breaks(supplier, sku, min_quantity, unit_price) VALUES (?, ?, 1, ?)")
      .bind(standIn.supplier, sku, PRICE),
  ]);
  return standIn;
}
