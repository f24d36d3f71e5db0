/** The bindings as one incarnation sees them: every call goes through the stage; queues are the stage's own lists. */
import type { Clock } from "../../../src/domain/ports.ts";
import type { Env } from "../../../src/env.ts";
import { watchedDatabase } from "./database.ts";
import { watchedObjects } from "./stubs.ts";
import { stage, through, type Incarnation } from "./stage.ts";

/** `CLOUD_UPLOADS_QUEUE` produces for `cloud-uploads`. */
function queueOf(binding: string): string | undefined {
  return /^(.+)_QUEUE$/.exec(binding)?.[1]?.toLowerCase().replaceAll("_", "-");
}

const LOOK_MS = 10;

/** The environment of one incarnation. */
export function environmentOf(env: Env, who: Incarnation): Env {
  const made = new Map<string, unknown>();
  const make = (key: string): unknown => {
    if (key === "CLOCK") return clockOf(who);
    if (key === "DB") return watchedDatabase(env.DB, who);
    if (key === "CACHE") return watchedCache(env.CACHE, who);
    if (key === "FILES" || key === "ARCHIVE") return watchedBucket(env[key], key, who);
    const queue = queueOf(key);
    if (queue !== undefined) return watchedQueue(queue, who);
    if (key === "HUB" || key === "RELAY" || key === "SAGA" || key === "BREAKER") {
      return watchedObjects(env[key], key, who);
    }
    return Reflect.get(env, key) as unknown;
  };
  return new Proxy(env, {
    get(_, key: string) {
      if (!made.has(key)) made.set(key, make(key));
      return made.get(key);
    },
  });
}

/** Time stands until the driver moves it. Objects look by themselves: nobody can wake them from outside of their context. */
function clockOf(who: Incarnation): Clock {
  return {
    now: () => stage.now,
    after: async (ms) => {
      const end = stage.now + ms;
      if (who.object === undefined) return new Promise((wake) => void stage.waiting.push({ at: end, wake }));
      while (stage.now < end && !who.dead) await scheduler.wait(LOOK_MS);
    },
  };
}

function watchedCache(real: KVNamespace, who: Incarnation): KVNamespace {
  return {
    get: (key: string, type: "text") => through(who, { what: `CACHE.get ${key}`, perform: () => real.get(key, type) }),
    put: (key: string, value: string, options?: KVNamespacePutOptions) =>
      through(who, {
        what: `CACHE.put ${key}`,
        perform: () => real.put(key, value, options),
        later: (env) => env.CACHE.put(key, value, options),
      }),
    delete: (key: string) =>
      through(who, {
        what: `CACHE.delete ${key}`,
        perform: () => real.delete(key),
        later: (env) => env.CACHE.delete(key),
      }),
  } as unknown as KVNamespace;
}

function watchedBucket(real: R2Bucket, name: "FILES" | "ARCHIVE", who: Incarnation): R2Bucket {
  return {
    head: (key: string) => through(who, { what: `${name}.head ${key}`, perform: () => real.head(key) }),
    get: (key: string) => through(who, { what: `${name}.get ${key}`, perform: () => real.get(key) }),
    list: (options?: R2ListOptions) => through(who, { what: `${name}.list`, perform: () => real.list(options) }),
    put: (key: string, value: string | Uint8Array, options?: R2PutOptions) =>
      through(who, {
        what: `${name}.put ${key}`,
        perform: () => real.put(key, value, options),
        later: (env) => env[name].put(key, value, options),
      }),
  } as unknown as R2Bucket;
}

/** A message on its way, as the platform copies it. */
export function enqueue(queue: string, body: unknown, delaySeconds = 0, attempts = 1): void {
  stage.queues.push({
    queue,
    id: `m-${++stage.messages}`,
    body: JSON.parse(JSON.stringify(body)) as unknown,
    attempts,
    at: stage.now + delaySeconds * 1000,
  });
}

function watchedQueue(queue: string, who: Incarnation): Queue {
  const sent = (what: string, put: () => void) =>
    through(who, {
      what: `${queue}.${what}`,
      perform: async () => put(),
      later: async () => put(),
    });
  return {
    send: (body: unknown, options?: QueueSendOptions) =>
      sent("send", () => enqueue(queue, body, options?.delaySeconds)),
    sendBatch: (messages: Iterable<MessageSendRequest>) => {
      const list = [...messages];
      return sent("sendBatch", () => {
        for (const { body, delaySeconds } of list) enqueue(queue, body, delaySeconds);
      });
    },
  } as unknown as Queue;
}
