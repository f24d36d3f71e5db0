/**
 * The crons: the nightly one, which begins a check of the invariants; and that of every minute, the last net: re-arms the
 * relays, revives sagas and uploads that lost what would wake them, and goes on with the check.
 */
import { NIGHTLY_CRON } from "./config.ts";
import { createContainer, kickShard, type Container, type Lifetime } from "./container.ts";
import { staleCloudUploads } from "./db/queries/cloud-uploads.ts";
import { messageOf } from "./domain/errors.ts";
import type { Env } from "./env.ts";
import { log } from "./log.ts";
import { continueInvariantRun, startInvariantRun, watchInvariantRuns } from "./services/invariant-runs.ts";
import { raiseStuck } from "./services/order-watch.ts";
import { auditDeps } from "./wiring/audit.ts";

const UPLOAD_STALE_MS = 10 * 60_000;

/** Runs what this cron is for. Any other than the nightly one is the cron of every minute. */
export async function onSchedule(
  { cron, scheduledTime }: Pick<ScheduledController, "cron" | "scheduledTime">,
  env: Env,
  lifetime: Lifetime,
): Promise<void> {
  if (cron === NIGHTLY_CRON) await everyNight(env, lifetime, scheduledTime);
  else await everyMinute(env, lifetime);
}

async function everyNight(env: Env, lifetime: Lifetime, scheduledMs: number): Promise<void> {
  const deps = auditDeps(createContainer(env, lifetime));
  await startInvariantRun(deps, scheduledMs);
  await continueInvariantRun(deps);
}

/** Each part, and each order and upload, by itself: one that always fails holds none of the others up. */
async function everyMinute(env: Env, lifetime: Lifetime): Promise<void> {
  const container = createContainer(env, lifetime);
  const shards = Array.from({ length: container.settings.RELAY_SHARDS }, (_, shard) => shard);
  const parts = [
    ...shards.map((shard) => kickShard(env, shard)),
    reviveSagas(container),
    resendUploads(container),
    continueInvariantRun(auditDeps(container)),
    watchInvariantRuns(container),
  ];
  for (const part of await Promise.allSettled(parts)) if (part.status === "rejected") throw part.reason;
}

async function reviveSagas(container: Container): Promise<void> {
  const { SAGA } = container.env;
  const notTold = (order: string, fault: unknown) =>
    log("error", "saga.stuck_not_told", { order, error: messageOf(fault) });
  for (const orderId of await raiseStuck(container, notTold)) {
    log("warn", "saga.revived", { order: orderId });
    try {
      await SAGA.get(SAGA.idFromName(orderId)).start(orderId, container.newTrace().traceparent);
    } catch (error) {
      log("error", "saga.revival_failed", { order: orderId, error: messageOf(error) });
    }
  }
}

async function resendUploads({ env, db, clock }: Container): Promise<void> {
  const stale = await staleCloudUploads(db, new Date(clock.now() - UPLOAD_STALE_MS).toISOString());
  for (const responseId of stale) {
    try {
      await env.CLOUD_UPLOADS_QUEUE.send({ response_id: responseId });
    } catch (error) {
      log("error", "upload.resend_failed", { response: responseId, error: messageOf(error) });
    }
  }
}
