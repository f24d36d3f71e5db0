/** Which consumer serves which queue of wrangler.toml. */
import type { Lifetime } from "../container.ts";
import type { Env } from "../env.ts";
import { consumeCloudUploads } from "./cloud-uploads.ts";
import { consumeCommands } from "./commands.ts";
import { consumeDeadLetters } from "./dead-letters.ts";
import { consumeEvents } from "./events.ts";
import { consumeUploads } from "./uploads.ts";
import { consumeWebhooks } from "./webhooks.ts";

const CONSUMERS: Readonly<Record<string, (batch: MessageBatch, env: Env, lifetime: Lifetime) => Promise<void>>> = {
  events: consumeEvents,
  commands: consumeCommands,
  uploads: consumeUploads,
  "cloud-uploads": consumeCloudUploads,
  webhooks: consumeWebhooks,
  "dead-letters": consumeDeadLetters,
};

export async function consumeQueue(batch: MessageBatch, env: Env, lifetime: Lifetime): Promise<void> {
  const consumer = CONSUMERS[batch.queue];
  if (!consumer) throw new Error(`no consumer for queue ${batch.queue}`);
  await consumer(batch, env, lifetime);
}
