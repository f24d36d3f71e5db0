/** The Worker: fetch, queue, scheduled; re-exports the Durable Object classes; nothing else. */
import type { Env } from "./env.ts";

export { CircuitBreaker } from "./durable-objects/circuit-breaker.ts";
export { DeviceHub } from "./durable-objects/device-hub.ts";
export { OrderSaga } from "./durable-objects/order-saga.ts";
export { OutboxRelay } from "./durable-objects/outbox-relay.ts";

export default {
  async fetch(): Promise<Response> {
    return new Response("ok");
  },
  async queue(): Promise<void> {},
  async scheduled(): Promise<void> {},
} satisfies ExportedHandler<Env>;
