/** The `cloud-uploads` queue: one attempt a message; the next attempt is a new message with the ladder's delay. */
import { z } from "zod";
import { createContainer, type Lifetime } from "../container.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { toQueueSeconds } from "../resilience/backoff.ts";
import { uploadResponse } from "../services/cloud-upload.ts";
import { cloudUploadDeps } from "../wiring/subscribers.ts";
import { consumeEach } from "./consume.ts";

const messageSchema = z.object({ response_id: z.string().min(1) });

export async function consumeCloudUploads(batch: MessageBatch, env: Env, lifetime: Lifetime): Promise<void> {
  const deps = cloudUploadDeps(createContainer(env, lifetime));
  await consumeEach(batch, async (message) => {
    const parsed = messageSchema.safeParse(message.body);
    if (!parsed.success) {
      log("error", "queue.not_an_upload", { id: message.id });
      return;
    }
    const outcome = await uploadResponse(deps, parsed.data.response_id);
    // Not a retry of this message: waiting for an open breaker must not use up the queue's own tries.
    if (outcome.do === "again") {
      await env.CLOUD_UPLOADS_QUEUE.send(parsed.data, { delaySeconds: toQueueSeconds(outcome.delayMs) });
    }
  });
}
