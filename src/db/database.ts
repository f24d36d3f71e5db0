/** Opens D1 for one unit of work. Every read that decides something goes to the primary, through one session. */
import { drizzle, type DrizzleD1Database } from "drizzle-orm/d1";

export type Database = DrizzleD1Database & { readonly $client: D1Database };

/** A session that starts at the primary: its reads see every write that was committed before it began. */
export function openDatabase(d1: D1Database): Database {
  return drizzle(d1.withSession("first-primary") as unknown as D1Database);
}
