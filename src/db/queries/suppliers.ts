/** Suppliers as addresses: what is needed to reach one. */
import { eq } from "drizzle-orm";
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
