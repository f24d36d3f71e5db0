/** Suppliers as addresses: what is needed to reach one. */
import { eq } from "drizzle-orm";
import type { Database } from "../database.ts";
import { suppliers } from "../schema/catalogue.ts";

/** The base URL of the supplier's API, or null when there is no such supplier or it has none. */
export async function findSupplierUrl(db: Database, id: string): Promise<string | null> {
  const [row] = await db.select({ url: suppliers.url }).from(suppliers).where(eq(suppliers.id, id)).limit(1);
  return row?.url ?? null;
}
