/** Wires the subscribers: what lies outside of the database (KV, sagas, queues, the document store, the upload files). */
import type { Container } from "../container.ts";
import { WEBHOOK_TIMEOUT_MS } from "../config.ts";
import { breakerFor, throughBreaker } from "../integrations/breaker.ts";
import { postWebhook } from "../integrations/webhook-post.ts";
import { log } from "../log.ts";
import type { DoneMark } from "../db/unit-of-work.ts";
import type { QueueMessage } from "../events/relay.ts";
import type { WebhookSendingDeps } from "../services/webhook-sending.ts";
import type { CacheInvalidationDeps } from "../subscribers/cache-invalidation.ts";
import type { CloudArchiveDeps } from "../subscribers/cloud-archive.ts";
import type { OrderStarterDeps } from "../subscribers/order-starter.ts";
import type { RequestProcessorDeps } from "../subscribers/request-processor.ts";
import { orchestratorDeps } from "./orchestrator.ts";

export type SubscriberDeps = CacheInvalidationDeps &
  CloudArchiveDeps &
  OrderStarterDeps &
  RequestProcessorDeps & {
    /** Hands a delivery's timer to the queue that makes the try. */
    readonly queueWebhook: (done: DoneMark) => Promise<void>;
  };

export function subscriberDeps(container: Container): SubscriberDeps {
  const { env } = container;
  return {
    ...container,
    ...orchestratorDeps(container),
    kv: env.CACHE,
    documentStore: container.settings.DOCUMENT_STORE,
    startSaga: (orderId, traceparent) => env.SAGA.get(env.SAGA.idFromName(orderId)).start(orderId, traceparent),
    sendCloudUpload: async (responseId) => {
      await env.CLOUD_UPLOADS_QUEUE.send({ response_id: responseId });
    },
    queueWebhook: async ({ seq, eventId }) => {
      await env.WEBHOOKS_QUEUE.send({ seq, event_id: eventId } satisfies QueueMessage);
    },
  };
}

export function webhookSendingDeps(container: Container): WebhookSendingDeps {
  const { clock, env, settings } = container;
  const exchange = { fetch: (url: string, init: RequestInit) => fetch(url, init), clock };
  return {
    ...container,
    environment: settings.ENVIRONMENT,
    post: (webhookId, message) =>
      throughBreaker(breakerFor(env.BREAKER, `webhook:${webhookId}`, { clock, log }), () =>
        postWebhook(exchange, { ...message, timeoutMs: WEBHOOK_TIMEOUT_MS }),
      ),
  };
}
