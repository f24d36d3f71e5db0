/** Regions: each request, order, stock row and hub belongs to one. */
import { regions } from "../schema/catalogue.ts";
import type { Database } from "../database.ts";

export async function listRegionIds(db: Database): Promise<string[]> {
  const rows = await db.select({ id: regions.id }).from(regions).orderBy(regions.id);
  return rows.map((row) => row.id);
}
