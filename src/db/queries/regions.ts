/** Regions: each request, order, stock row and hub belongs to one. */
import { eq } from "drizzle-orm";
import { regions } from "../schema/catalogue.ts";
import type { Database } from "../database.ts";

export async function isRegion(db: Database, id: string): Promise<boolean> {
  const rows = await db.select({ id: regions.id }).from(regions).where(eq(regions.id, id)).limit(1);
  return rows.length > 0;
}

export async function listRegionIds(db: Database): Promise<string[]> {
  const rows = await db.select({ id: regions.id }).from(regions).orderBy(regions.id);
  return rows.map((row) => row.id);
}
