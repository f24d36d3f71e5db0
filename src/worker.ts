/** The Worker: fetch, queue, scheduled; re-exports the Durable Object classes; nothing else. */
import type { Env } from "./env.ts";
import { consumeQueue } from "./queues/consume-queue.ts";
import { createApp } from "./routes/app.ts";
import { onSchedule } from "./scheduled.ts";

export { CircuitBreaker } from "./durable-objects/circuit-breaker.ts";
export { DeviceHub } from "./durable-objects/device-hub.ts";
export { OrderSaga } from "./durable-objects/order-saga.ts";
export { OutboxRelay } from "./durable-objects/outbox-relay.ts";

const app = createApp();

export default {
  fetch: (request, env, ctx) => app.fetch(request, env, ctx),
  queue: (batch, env, ctx) => consumeQueue(batch, env, ctx),
  scheduled: (controller, env, ctx) => onSchedule(controller, env, ctx),
} satisfies ExportedHandler<Env>;
