/** Wires the subscribers: what lies outside of the database (KV, sagas, queues, the document store, the upload files). */
import type { Container } from "../container.ts";
import { archiveStore } from "../integrations/archive.ts";
import { breakerFor, throughBreaker } from "../integrations/breaker.ts";
import { log } from "../log.ts";
import type { CloudUploadDeps } from "../services/cloud-upload.ts";
import type { CacheInvalidationDeps } from "../subscribers/cache-invalidation.ts";
import type { CloudArchiveDeps } from "../subscribers/cloud-archive.ts";
import type { OrderStarterDeps } from "../subscribers/order-starter.ts";
import type { RequestProcessorDeps } from "../subscribers/request-processor.ts";
import { orchestratorDeps } from "./orchestrator.ts";

export type SubscriberDeps = CacheInvalidationDeps & CloudArchiveDeps & OrderStarterDeps & RequestProcessorDeps;

export function subscriberDeps(container: Container): SubscriberDeps {
  const { env } = container;
  return {
    ...container,
    ...orchestratorDeps(container),
    kv: env.CACHE,
    startSaga: (orderId, traceparent) => env.SAGA.get(env.SAGA.idFromName(orderId)).start(orderId, traceparent),
    sendCloudUpload: async (responseId) => {
      await env.CLOUD_UPLOADS_QUEUE.send({ response_id: responseId });
    },
  };
}

export function cloudUploadDeps(container: Container): CloudUploadDeps {
  const { clock, env } = container;
  const store = archiveStore(env.ARCHIVE);
  const breaker = breakerFor(env.BREAKER, "archive", { clock, log });
  return {
    ...container,
    documents: {
      name: store.name,
      put: (path, body, contentType) => throughBreaker(breaker, () => store.put(path, body, contentType)),
      health: () => store.health(),
    },
  };
}
