/** The inbox: what came in under a key that can come twice, and what it was answered. Its rows are written by commit(). */
import { sql } from "drizzle-orm";
import type { Database } from "../database.ts";

export interface InboxRow {
  readonly body_hash: string;
  readonly result: string | null;
}

export async function findInboxRow(db: Database, scope: string, id: string): Promise<InboxRow | null> {
  const row = await db.get<InboxRow | undefined>(
    sql`SELECT body_hash, result FROM inbox WHERE scope = ${scope} AND id = ${id}`,
  );
  return row ?? null;
}

/** Deletes stored answers of REST writes from before `beforeIso`, the oldest first, at most 500 a run. */
export async function deleteOldAnswers(db: Database, beforeIso: string): Promise<void> {
  await db.run(sql`DELETE FROM inbox WHERE (scope, id) IN (
    SELECT scope, id FROM inbox
    WHERE scope >= 'POST ' AND scope < 'POST!' AND at < ${beforeIso} ORDER BY at LIMIT 500)`);
}
