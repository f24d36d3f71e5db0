/** The cron of every minute, the last net: re-arms the relays, revives sagas and uploads that lost what would wake them. */
import { createContainer, kickShard, type Lifetime } from "./container.ts";
import { staleCloudUploads } from "./db/queries/cloud-uploads.ts";
import { overdueOrders } from "./db/queries/orders.ts";
import type { Env } from "./env.ts";
import { log } from "./log.ts";

const OVERDUE_MS = 60_000;
const UPLOAD_STALE_MS = 10 * 60_000;

export async function everyMinute(env: Env, lifetime: Lifetime): Promise<void> {
  const container = createContainer(env, lifetime);
  const shards = Array.from({ length: container.settings.RELAY_SHARDS }, (_, shard) => shard);
  await Promise.all(shards.map((shard) => kickShard(env, shard)));
  const overdue = await overdueOrders(container.db, new Date(container.clock.now() - OVERDUE_MS).toISOString());
  for (const orderId of overdue) {
    log("warn", "saga.revived", { order: orderId });
    await env.SAGA.get(env.SAGA.idFromName(orderId)).start(orderId, container.newTrace().traceparent);
  }
  const stale = await staleCloudUploads(container.db, new Date(container.clock.now() - UPLOAD_STALE_MS).toISOString());
  for (const responseId of stale) await env.CLOUD_UPLOADS_QUEUE.send({ response_id: responseId });
}
