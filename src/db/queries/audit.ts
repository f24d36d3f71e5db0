/** The trail, as it is read: of one subject and what belongs to it, in order. */
import { asc, inArray, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { audit } from "../schema/messaging.ts";

export async function listAudit(db: Database, subjects: readonly string[], limit: number) {
  return db
    .select()
    .from(audit)
    .where(inArray(audit.subject, sql`(SELECT value FROM json_each(${JSON.stringify(subjects)}))`))
    .orderBy(asc(audit.seq))
    .limit(limit);
}
