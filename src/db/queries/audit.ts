/** The trail, as it is read: of one subject and what belongs to it, in order. */
import { asc, inArray, sql, type SQL } from "drizzle-orm";
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

/** The region that a subject `{kind}/{id}` belongs to, or null: none, every one, or nobody can say. */
export async function findSubjectRegion(db: Database, subject: string): Promise<string | null> {
  const [, kind = "", id = ""] = /^([^/]+)\/(.+)$/s.exec(subject) ?? [];
  const from = REGION_OF[kind];
  if (!from) return null;
  const [row] = await db.all<{ region: string | null }>(from(id));
  return row?.region ?? null;
}

const REGION_OF: Readonly<Record<string, (id: string) => SQL>> = {
  request: (id) => sql`SELECT region FROM requests WHERE id = ${id}`,
  order: (id) => sql`SELECT region FROM orders WHERE id = ${id}`,
  command: (id) => sql`SELECT region FROM commands WHERE id = ${id}`,
  device: (id) => sql`SELECT region FROM devices WHERE id = ${id}`,
  response: (id) => sql`SELECT q.region FROM responses r JOIN requests q ON q.id = r.request_id WHERE r.id = ${id}`,
  // stock/{sku}@{location}
  stock: (id) => sql`SELECT region FROM locations WHERE id = ${id.slice(id.lastIndexOf("@") + 1)}`,
};
