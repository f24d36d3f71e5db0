/**
 * The file watcher: messages in the shape of R2 event notifications. Registers what was put without its route, or whose
 * route died in between; a file that is registered already is left alone.
 * Source: https://developers.cloudflare.com/r2/buckets/event-notifications/
 */
import { z } from "zod";
import { createContainer, type Lifetime } from "../container.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { registerKeptUpload } from "../wiring/uploads.ts";
import { consumeEach, readingAs } from "./consume.ts";

export const uploadMessage = z.object({
  action: z.enum(["PutObject", "CopyObject", "CompleteMultipartUpload"]),
  bucket: z.string(),
  object: z.object({ key: z.string().min(1), size: z.int().nonnegative(), eTag: z.string() }),
  eventTime: z.string(),
});

export async function consumeUploads(batch: MessageBatch, env: Env, lifetime: Lifetime): Promise<void> {
  const container = createContainer(env, lifetime);
  const handle = readingAs(uploadMessage, batch.queue, container, async (body) => {
    const { key } = body.object;
    const registered = await registerKeptUpload(container, key);
    if (!registered.ok) log("warn", "upload.refused", { key, code: registered.code, reason: registered.reason });
  });
  await consumeEach(batch, handle);
}
