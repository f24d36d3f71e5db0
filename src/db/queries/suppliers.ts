/** Suppliers as addresses: what is needed to reach one, which are simulated, and which may be bought from. */
import { and, asc, eq, gt, isNotNull, sql } from "drizzle-orm";
import type { SupplierRow } from "../../domain/supplier-access.ts";
import type { Database } from "../database.ts";
import { suppliers } from "../schema/catalogue.ts";

/** What must still hold when something is bought: null when there is no such supplier. */
export async function findBuyable(
  db: Database,
  id: string,
  skus: readonly string[],
): Promise<{ readonly active: boolean; readonly discontinued: readonly string[] } | null> {
  const [row] = await db.all<{ active: number; discontinued: string }>(sql`
    SELECT s.active, (SELECT json_group_array(p.sku) FROM parts p
      WHERE p.discontinued = 1 AND p.sku IN (SELECT value FROM json_each(${JSON.stringify(skus)}))) AS discontinued
    FROM suppliers s WHERE s.id = ${id}`);
  return row ? { active: row.active === 1, discontinued: JSON.parse(row.discontinued) as string[] } : null;
}

/** How the supplier is reached, or null when there is none of this id. */
export async function findSupplierRow(db: Database, id: string): Promise<SupplierRow | null> {
  const { adapter, url, secretName } = suppliers;
  const [row] = await db
    .select({ id: suppliers.id, adapter, url, secretName })
    .from(suppliers)
    .where(eq(suppliers.id, id))
    .limit(1);
  return row ?? null;
}

/** Those that have an address, after this id, in the order of their ids. */
export async function listSimulatedSuppliers(
  db: Database,
  after: string,
  limit: number,
): Promise<{ readonly id: string; readonly name: string; readonly url: string | null }[]> {
  const { id, name, url, adapter } = suppliers;
  return db
    .select({ id, name, url })
    .from(suppliers)
    .where(and(eq(adapter, "simulated-supplier"), isNotNull(url), gt(id, after)))
    .orderBy(asc(id))
    .limit(limit);
}
