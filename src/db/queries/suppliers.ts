/** Suppliers as addresses: what is needed to reach one, and which are simulated. */
import { and, asc, eq, gt, isNotNull } from "drizzle-orm";
import type { SupplierRow } from "../../domain/supplier-access.ts";
import type { Database } from "../database.ts";
import { suppliers } from "../schema/catalogue.ts";

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
