/** The relay as a test drives it: by its alarm, by cron, or by what a queue delivers, without waiting for real time. */
import {
  createExecutionContext,
  createMessageBatch,
  createScheduledController,
  getQueueResult,
  runDurableObjectAlarm,
  runInDurableObject,
  waitOnExecutionContext,
} from "cloudflare:test";
import { env } from "./harness.ts";
import { moveClock } from "./world.ts";
import worker from "./worker.ts";

const relay = () => env.RELAY.get(env.RELAY.idFromName("relay:0"));

/** Runs the alarm of the relay now. False: none was armed. */
export function runRelayAlarm(): Promise<boolean> {
  return runDurableObjectAlarm(relay());
}

/** When the relay means to wake (ms since the epoch), or null: never. */
export function relayAlarmAt(): Promise<number | null> {
  return runInDurableObject(relay(), (_, state) => state.storage.getAlarm());
}

export function loseRelayAlarm(): Promise<void> {
  return runInDurableObject(relay(), (_, state) => state.storage.deleteAlarm());
}

/** From here on the poll happens when the test says so: the next alarm lies a minute of real time ahead. */
export async function holdRelayPoll(): Promise<void> {
  await relay().kick(0);
  moveClock(60_000);
  await runRelayAlarm();
}

/** Fires a cron; without options that of every minute. */
export async function runCron(options: { readonly cron?: string; readonly scheduledTime?: Date } = {}): Promise<void> {
  const ctx = createExecutionContext();
  await worker.scheduled(createScheduledController(options), env, ctx);
  await waitOnExecutionContext(ctx);
}

/** Hands messages to the consumer of a queue, as the platform does. Returns which were acknowledged: `{name}-{place}`. */
export async function deliverMessages(
  queue: string,
  bodies: readonly unknown[],
  name = "m",
): Promise<readonly string[]> {
  const messages = bodies.map((body, at) => ({ id: `${name}-${at}`, timestamp: new Date(), attempts: 1, body }));
  const batch = createMessageBatch(queue, messages);
  const ctx = createExecutionContext();
  await worker.queue(batch, env, ctx);
  return (await getQueueResult(batch, ctx)).explicitAcks;
}
