/** The `cloud-uploads` queue: one attempt a message; the next attempt is a new message with the ladder's delay. */
import { z } from "zod";
import { createContainer, type Lifetime } from "../container.ts";
import type { Env } from "../env.ts";
import { toQueueSeconds } from "../resilience/backoff.ts";
import { uploadResponse } from "../services/cloud-upload.ts";
import { cloudUploadDeps } from "../wiring/documents.ts";
import { consumeEach, readingAs } from "./consume.ts";

export const cloudUploadMessage = z.object({ response_id: z.string().min(1) });

export async function consumeCloudUploads(batch: MessageBatch, env: Env, lifetime: Lifetime): Promise<void> {
  const container = createContainer(env, lifetime);
  const deps = cloudUploadDeps(container);
  const handle = readingAs(cloudUploadMessage, batch.queue, container, async (body) => {
    const outcome = await uploadResponse(deps, body.response_id);
    // Not a retry of this message: waiting for an open breaker must not use up the queue's own tries.
    if (outcome.do === "again") {
      await env.CLOUD_UPLOADS_QUEUE.send(body, { delaySeconds: toQueueSeconds(outcome.delayMs) });
    }
  });
  await consumeEach(batch, handle);
}
