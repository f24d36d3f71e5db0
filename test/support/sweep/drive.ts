/**
 * Owns time: what is due (clients, queue messages, alarms in the order of their times, late calls) happens one after the other
 * in an order that the seed shuffles; then the clock moves to the next thing. It ends when nothing is due any more.
 */
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { CACHE_SECOND_DROP_MS } from "../../../src/config.ts";
import type { Env } from "../../../src/env.ts";
import product from "../../../src/worker.ts";
import { environmentOf } from "./bindings.ts";
import { lifetimeOf, type Client } from "./client.ts";
import { dueInTables } from "./due.ts";
import { stubOf } from "./stubs.ts";
import type { Random } from "./random.ts";
import {
  forgetObjects,
  incarnate,
  lives,
  moveTo,
  stage,
  track,
  type Alarm,
  type ObjectNamespace,
  type Queued,
} from "./stage.ts";

const MAX_STEPS = 1_500;
const MAX_RETRIES = 4;
const DEAD_LETTERS = "dead-letters";
const ALARM_RETRY_MS = 2_000;
const CRON_MS = 60_000;
/** The last look: when cached parts have been dropped twice, and the audit is sealed. */
const CLOSING_MS = CACHE_SECOND_DROP_MS + 5_000;
/** How long nothing may happen, in looks of a millisecond, before work is taken to wait for something else. */
const STILL_WHILE_HELD = 4;
const STILL = 300;
/** Real time: no step of the product waits for any. */
const HANGS_MS = 30_000;
/** How long a call is delayed at most, by the clock. */
const HELD_MS = 20_000;
const DUPLICATE = 0.1;
const ABORT = 0.08;

export interface Drive {
  readonly env: Env;
  readonly client: Client;
  readonly random: Random;
  /** Are the flow's clients through? */
  readonly finished: () => boolean;
  /** Timers later than this (ms since the epoch) are left alone. */
  readonly horizon: number;
  /** How far the clock moves at least, when nothing is due. */
  readonly leapMs: number;
}

/** Plays until nothing is due. Throws when that never comes. */
export async function drive(run: Drive): Promise<void> {
  let nextCron = stage.now + CRON_MS;
  /** How many faults had been met when the last look began: one that meets a fault is taken again. */
  let lookedAt = -1;
  for (let step = 0; step < MAX_STEPS; step++) {
    await settle();
    await loseMemory(run);
    const due = dueNow(run);
    if (due.length > 0) {
      begin(run.random.pick(due));
      await settle();
      await whileHeld(run);
      continue;
    }
    const next = await nextTime(run);
    if (next !== null) {
      moveTo(Math.max(next, stage.now + run.leapMs));
      if (stage.now >= nextCron) {
        nextCron = stage.now + CRON_MS;
        begin(() => tick(run));
      }
      continue;
    }
    if (!run.finished()) throw new Error("4 nobody is waiting for a clock, and the clients aren't through");
    // Once more with everything that comes by the clock: what it finds to do is done too.
    if (lookedAt === stage.hit.size) return;
    lookedAt = stage.hit.size;
    moveTo(stage.now + CLOSING_MS);
    nextCron = stage.now + CRON_MS;
    begin(() => tick(run));
    await settle();
    for (const alarm of stage.alarms.values()) if (alarm.at <= stage.now) begin(() => ring(run.env, alarm));
    await settle();
    await whileHeld(run);
  }
  throw new Error(`5 it never comes to rest: ${MAX_STEPS} steps`);
}

type Step = () => Promise<void>;

function begin(step: Step): void {
  track(step());
}

/** Waits until all work is over, or only waits itself. */
async function settle(): Promise<void> {
  const began = Date.now();
  let still = 0;
  let seen = stage.trace.length;
  while (stage.tasks.size > 0) {
    const moved = stage.running.size > 0 || stage.trace.length !== seen;
    seen = stage.trace.length;
    still = moved ? 0 : still + 1;
    if (still > (stage.held.length > 0 ? STILL_WHILE_HELD : STILL)) return;
    if (Date.now() - began > HANGS_MS) throw new Error(`5 a call hangs: ${stage.trace.slice(-3).join("; ")}`);
    await scheduler.wait(1);
  }
}

/** What else is due happens, and now and then what is due soon; then the held calls go on. */
async function whileHeld(run: Drive): Promise<void> {
  const latest = stage.now + HELD_MS;
  for (let more = 6 + run.random.below(6); stage.held.length > 0 && more > 0; more--) {
    const due = dueNow(run);
    if (due.length === 0) {
      const next = await nextTime(run);
      if (next === null || next > latest || run.random.chance(0.4)) break;
      moveTo(next);
      continue;
    }
    begin(run.random.pick(due));
    await settle();
  }
  for (const held of stage.held.splice(0)) held.released = true;
  await settle();
}

function dueNow({ client, random, env }: Drive): Step[] {
  const steps: Step[] = [];
  for (const attempt of client.attempts) {
    if (attempt.at <= stage.now) {
      steps.push(async () => {
        client.attempts = client.attempts.filter((one) => one !== attempt);
        await attempt.run();
      });
    }
  }
  const queues = new Set(stage.queues.filter(({ at }) => at <= stage.now).map(({ queue }) => queue));
  for (const queue of queues) steps.push(() => deliver(env, queue, random));
  const [alarm] = [...stage.alarms.values()].filter(({ at }) => at <= stage.now).sort((a, b) => a.at - b.at);
  if (alarm) steps.push(() => ring(env, alarm));
  for (const late of stage.late) {
    if (late.at <= stage.now) {
      steps.push(async () => {
        stage.late = stage.late.filter((one) => one !== late);
        if (stage.loud) console.log(`late: ${late.point}`);
        await late.run(env).catch(() => undefined);
      });
    }
  }
  return steps;
}

/** The earliest time at which something is to happen; the relay's polls that would find nothing are left out. */
async function nextTime({ env, client, horizon }: Drive): Promise<number | null> {
  const times = [
    ...client.attempts.map(({ at }) => at),
    ...stage.queues.map(({ at }) => at),
    ...stage.late.map(({ at }) => at),
    ...alarmsOf("SAGA"),
    // An open circuit asks for ever.
    ...alarmsOf("BREAKER").filter((at) => at <= horizon),
  ];
  const inTables = await dueInTables(env.DB, horizon);
  if (inTables !== null) {
    const polls = alarmsOf("RELAY");
    // A relay without an alarm is woken by the cron.
    const poll = polls.length === 0 ? stage.now + CRON_MS : Math.min(...polls);
    times.push(Math.max(poll, inTables));
  }
  const ahead = times.filter((at) => at > stage.now);
  return times.length === 0 ? null : ahead.length === times.length ? Math.min(...ahead) : stage.now + 1;
}

function alarmsOf(namespace: ObjectNamespace): number[] {
  return [...stage.alarms.values()].filter((alarm) => alarm.namespace === namespace).map(({ at }) => at);
}

/** Hands a shuffled part of what waits to the consumer, as the platform does: at least once, in no order. */
async function deliver(env: Env, queue: string, random: Random): Promise<void> {
  const waiting = stage.queues.filter((one) => one.queue === queue && one.at <= stage.now);
  const size = 1 + random.below(Math.min(waiting.length, 10));
  const batch: Queued[] = [];
  for (let n = 0; n < size; n++) batch.push(...waiting.splice(random.below(waiting.length), 1));
  stage.queues = stage.queues.filter((one) => !batch.includes(one));
  if (queue !== DEAD_LETTERS) {
    for (const one of batch.filter(({ body }) => stage.givesUp(body))) {
      batch.splice(batch.indexOf(one), 1);
      stage.queues.push({ ...one, queue: DEAD_LETTERS, attempts: 1 });
    }
    if (batch.length === 0) return;
  }
  const again = batch.filter(() => random.chance(DUPLICATE));
  for (const one of again)
    stage.queues.push({ ...one, id: `m-${++stage.messages}`, at: stage.now + random.below(5_000) });

  const answers = new Map<Queued, { ack: boolean; delaySeconds: number }>();
  const messages = batch.map((one) => ({
    id: one.id,
    timestamp: new Date(one.at),
    attempts: one.attempts,
    body: one.body,
    // The first word counts: a retry after an acknowledgement has no effect, nor the other way round.
    ack: () => void (answers.has(one) || answers.set(one, { ack: true, delaySeconds: 0 })),
    retry: (options?: QueueRetryOptions) =>
      void (answers.has(one) || answers.set(one, { ack: false, delaySeconds: options?.delaySeconds ?? 0 })),
  }));
  const who = incarnate(`queue ${queue}`);
  let thrown = false;
  try {
    const whole = { queue, messages, ackAll: () => undefined, retryAll: () => undefined } as unknown as MessageBatch;
    await lives.run(who, () => product.queue(whole, environmentOf(env, who), lifetimeOf()));
  } catch {
    thrown = true;
  }
  for (const one of batch) {
    const answer = who.dead ? undefined : answers.get(one);
    if (answer ? answer.ack : !thrown && !who.dead) continue;
    const attempts = one.attempts + 1;
    // Nothing that fails twice at most may ever come here.
    if (attempts > MAX_RETRIES + 1) throw new Error(`a message of ${queue} was given up`);
    stage.queues.push({ ...one, attempts, at: stage.now + (answer?.delaySeconds ?? 1) * 1000 });
  }
}

/** Runs an alarm. One that died before it set the next is run again, as the platform does. */
async function ring(env: Env, alarm: Alarm): Promise<void> {
  const key = `${alarm.namespace} ${alarm.id}`;
  stage.alarms.delete(key);
  const stub = stubOf(env, alarm.namespace, alarm.id);
  const failed = await runDurableObjectAlarm(stub).then(
    () => stage.objects.get(key)?.dead === true,
    () => true,
  );
  if (!failed || stage.alarms.has(key)) return;
  const at = stage.now + ALARM_RETRY_MS;
  stage.alarms.set(key, { ...alarm, at });
  await runInDurableObject(stub, (_, state) => state.storage.setAlarm(at));
}

async function tick({ env }: Drive): Promise<void> {
  const who = incarnate("cron");
  const controller = { scheduledTime: stage.now, cron: "* * * * *", noRetry: () => undefined };
  await lives
    .run(who, () => product.scheduled(controller, environmentOf(env, who), lifetimeOf()))
    .catch(() => undefined);
}

/** Between two steps every object may lose what it has in memory; one that died does. */
async function loseMemory({ random }: Drive): Promise<void> {
  const dead = [...stage.objects.values()].some((one) => one.dead);
  const chance = random.chance(ABORT);
  if (stage.held.length > 0 || stage.tasks.size > 0) return;
  if (!dead && !chance) return;
  await abortAllDurableObjects();
  forgetObjects();
}
