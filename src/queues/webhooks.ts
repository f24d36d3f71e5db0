/**
 * The `webhooks` queue: timers of deliveries that are due, in the messages of the `events` queue. A message that is lost comes
 * again with its outbox row, which stays open until the try is committed.
 */
import { createContainer, type Lifetime } from "../container.ts";
import type { Env } from "../env.ts";
import { sendWebhook } from "../subscribers/webhook-sender.ts";
import { webhookSendingDeps } from "../wiring/subscribers.ts";
import { consumeTogether } from "./consume.ts";
import { deliverWith } from "./events.ts";

export async function consumeWebhooks(batch: MessageBatch, env: Env, lifetime: Lifetime): Promise<void> {
  const container = createContainer(env, lifetime);
  const deps = webhookSendingDeps(container);
  await consumeTogether(
    batch,
    deliverWith(container, batch, { "webhook-sender": (delivery) => sendWebhook(deps, delivery) }),
  );
}
