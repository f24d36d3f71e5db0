/** The crons: the nightly check of the invariants; and that of every minute, the last net: re-arms the relays, revives sagas and uploads that lost what would wake them. */
import { NIGHTLY_CRON } from "./config.ts";
import { createContainer, kickShard, type Lifetime } from "./container.ts";
import { staleCloudUploads } from "./db/queries/cloud-uploads.ts";
import type { Env } from "./env.ts";
import { log } from "./log.ts";
import { reportInvariants } from "./services/invariants.ts";
import { raiseStuck } from "./services/order-watch.ts";
import { auditDeps } from "./wiring/audit.ts";

const UPLOAD_STALE_MS = 10 * 60_000;

/** Runs what this cron is for. Any other than the nightly one is the cron of every minute. */
export async function onSchedule(
  { cron, scheduledTime }: Pick<ScheduledController, "cron" | "scheduledTime">,
  env: Env,
  lifetime: Lifetime,
): Promise<void> {
  if (cron === NIGHTLY_CRON) await reportInvariants(auditDeps(createContainer(env, lifetime)), scheduledTime);
  else await everyMinute(env, lifetime);
}

async function everyMinute(env: Env, lifetime: Lifetime): Promise<void> {
  const container = createContainer(env, lifetime);
  const shards = Array.from({ length: container.settings.RELAY_SHARDS }, (_, shard) => shard);
  await Promise.all(shards.map((shard) => kickShard(env, shard)));
  for (const orderId of await raiseStuck(container)) {
    log("warn", "saga.revived", { order: orderId });
    await env.SAGA.get(env.SAGA.idFromName(orderId)).start(orderId, container.newTrace().traceparent);
  }
  const stale = await staleCloudUploads(container.db, new Date(container.clock.now() - UPLOAD_STALE_MS).toISOString());
  for (const responseId of stale) await env.CLOUD_UPLOADS_QUEUE.send({ response_id: responseId });
}
