/** How the document of a response is shown: where it is or goes, and how far it has come. */
import { z } from "@hono/zod-openapi";
import type { CloudUploadRow } from "../db/queries/cloud-uploads.ts";
import { DOCUMENT_STORES } from "../domain/ports.ts";

export const documentView = z.object({
  store: z.enum(DOCUMENT_STORES),
  state: z.enum(["queued", "stored", "failed"]),
  path: z.string(),
  link: z.string().nullable().openapi({ description: "Where a browser finds it; null: the store has no such address" }),
  attempts: z.int(),
  error: z.string().nullable().openapi({ description: "Of the last attempt, if it failed" }),
  at: z.string().openapi({ description: "Queued, stored, or tried last" }),
  next_attempt_at: z.string().nullable().openapi({ description: "Not earlier than this; null: there is none" }),
});

export function shownDocument(row: CloudUploadRow): z.output<typeof documentView> {
  const { store, state, path, link, attempts, error, updatedAt: at } = row;
  return { store, state, path, link, attempts, error, at, next_attempt_at: state === "queued" ? row.dueAt : null };
}
