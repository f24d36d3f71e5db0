/** Where each response file stands on its way to the document store. */
import { eq, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { cloudUploads } from "../schema/requests.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export async function findCloudUpload(db: Database, responseId: string) {
  const [row] = await db.select().from(cloudUploads).where(eq(cloudUploads.responseId, responseId)).limit(1);
  return row ?? null;
}

export function queueCloudUpload(responseId: string, path: string, at: string): GuardedWrite {
  return {
    statement: sql`INSERT INTO cloud_uploads(response_id, path, state, updated_at)
      VALUES (${responseId}, ${path}, 'queued', ${at}) ON CONFLICT DO NOTHING`,
  };
}

export function finishCloudUpload(responseId: string, attempts: number, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE cloud_uploads SET state = 'done', attempts = ${attempts}, error = NULL, updated_at = ${at}
      WHERE response_id = ${responseId} AND state <> 'done'`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** Counts a failed attempt; the caller's count must still be the stored one. */
export function noteFailedAttempt(
  responseId: string,
  q: { attempts: number; error: string; final: boolean; at: string },
): GuardedWrite {
  return {
    statement: sql`UPDATE cloud_uploads SET attempts = ${q.attempts}, error = ${q.error},
        state = ${q.final ? "failed" : "queued"}, updated_at = ${q.at}
      WHERE response_id = ${responseId} AND state = 'queued' AND attempts = ${q.attempts - 1}`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** Shows that the upload's message is alive although it may not be tried: the cron leaves it alone. */
export function noteWaiting(responseId: string, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE cloud_uploads SET updated_at = ${at} WHERE response_id = ${responseId} AND state = 'queued'`,
  };
}

/** Uploads whose message must have been lost: queued, and untouched for longer than any wait. */
export async function staleCloudUploads(db: Database, beforeIso: string): Promise<string[]> {
  const rows = await db.all<{ response_id: string }>(sql`SELECT response_id FROM cloud_uploads
    WHERE state = 'queued' AND updated_at < ${beforeIso} LIMIT 100`);
  return rows.map((row) => row.response_id);
}
