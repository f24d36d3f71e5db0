/** Where each response file stands on its way to the document store. */
import { eq, sql } from "drizzle-orm";
import type { DocumentStoreName } from "../../domain/ports.ts";
import type { Database } from "../database.ts";
import { cloudUploads } from "../schema/requests.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export type CloudUploadRow = typeof cloudUploads.$inferSelect;

export async function findCloudUpload(db: Database, responseId: string): Promise<CloudUploadRow | null> {
  const [row] = await db.select().from(cloudUploads).where(eq(cloudUploads.responseId, responseId)).limit(1);
  return row ?? null;
}

export interface UploadTarget {
  readonly responseId: string;
  readonly store: DocumentStoreName;
  readonly path: string;
}

export function queueCloudUpload({ responseId, store, path }: UploadTarget, at: string): GuardedWrite {
  return {
    statement: sql`INSERT INTO cloud_uploads(response_id, store, path, state, due_at, updated_at)
      VALUES (${responseId}, ${store}, ${path}, 'queued', ${at}, ${at}) ON CONFLICT DO NOTHING`,
  };
}

/** Begins the ladder anew for one that was given up, in the store of now. */
export function requeueCloudUpload({ responseId, store, path }: UploadTarget, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE cloud_uploads SET state = 'queued', store = ${store}, path = ${path}, ladder_from = attempts,
        due_at = ${at}, updated_at = ${at}
      WHERE response_id = ${responseId} AND state = 'failed'`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

/** Of the store that it was put into: one that was sent elsewhere meanwhile isn't there yet. */
export function finishCloudUpload(
  { responseId, store }: UploadTarget,
  q: { attempts: number; link: string | null; at: string },
): GuardedWrite {
  return {
    statement: sql`UPDATE cloud_uploads SET state = 'stored', attempts = ${q.attempts}, link = ${q.link}, error = NULL,
        updated_at = ${q.at}
      WHERE response_id = ${responseId} AND store = ${store} AND state <> 'stored'`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** Counts a failed attempt; the caller's count must still be the stored one. `dueAt`: of the next one; null: there is none. */
export function noteFailedAttempt(
  responseId: string,
  q: { attempts: number; error: string; dueAt: string | null; at: string },
): GuardedWrite {
  return {
    statement: sql`UPDATE cloud_uploads SET attempts = ${q.attempts}, error = ${q.error},
        state = ${q.dueAt === null ? "failed" : "queued"}, due_at = ${q.dueAt ?? q.at}, updated_at = ${q.at}
      WHERE response_id = ${responseId} AND state = 'queued' AND attempts = ${q.attempts - 1}`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** It may not be tried until then, and that was no attempt. */
export function noteWaiting(responseId: string, dueAt: string): GuardedWrite {
  return {
    statement: sql`UPDATE cloud_uploads SET due_at = ${dueAt} WHERE response_id = ${responseId} AND state = 'queued'`,
  };
}

/** Uploads whose message must have been lost: queued, and due for longer than a message takes. */
export async function staleCloudUploads(db: Database, beforeIso: string): Promise<string[]> {
  const rows = await db.all<{ response_id: string }>(sql`SELECT response_id FROM cloud_uploads
    WHERE state = 'queued' AND due_at < ${beforeIso} ORDER BY due_at LIMIT 100`);
  return rows.map((row) => row.response_id);
}
