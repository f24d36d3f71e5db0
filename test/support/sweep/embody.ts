/** An object as it sees itself: its storage, its alarm and its bindings through the stage, its background work waited for. */
import { runInDurableObject } from "cloudflare:test";
import type { Env } from "../../../src/env.ts";
import { environmentOf } from "./bindings.ts";
import { lives, stage, through, throughSync, track, type Incarnation, type ObjectNamespace } from "./stage.ts";
import { keyOf, stubOf } from "./stubs.ts";

/** What a new object in memory is, and what it is to see. */
export function embody(
  namespace: ObjectNamespace,
  ctx: DurableObjectState,
  env: Env,
): { who: Incarnation; ctx: DurableObjectState; env: Env } {
  const id = ctx.id.toString();
  const who: Incarnation = {
    name: namespace.toLowerCase(),
    object: { namespace, id },
    watched: true,
    dead: false,
    inTransaction: false,
  };
  stage.objects.set(keyOf(namespace, id), who);
  return { who, ctx: watchedState(ctx, who), env: environmentOf(env, who) };
}

/** Runs an object's methods as its own, and not at all once it is dead. */
export function asItself<T extends object>(prototype: T, base: object, whoOf: (self: T) => Incarnation): void {
  for (let at: object | null = base; at && at !== Object.prototype; at = Object.getPrototypeOf(at) as object | null) {
    for (const name of Object.getOwnPropertyNames(at)) {
      const method = Object.getOwnPropertyDescriptor(at, name)?.value as unknown;
      if (name === "constructor" || typeof method !== "function" || Object.hasOwn(prototype, name)) continue;
      Object.defineProperty(prototype, name, {
        configurable: true,
        writable: true,
        value: function (this: T, ...args: unknown[]): unknown {
          const who = whoOf(this);
          const run = () => Reflect.apply(method as (...args: unknown[]) => unknown, this, args);
          return who === undefined || lives.getStore() === who ? run() : lives.run(who, run);
        },
      });
    }
  }
}

function watchedState(ctx: DurableObjectState, who: Incarnation): DurableObjectState {
  const storage = watchedStorage(ctx.storage, who);
  return new Proxy(ctx, {
    get(target, key) {
      if (key === "storage") return storage;
      if (key === "waitUntil") {
        return (work: Promise<unknown>) => {
          track(work);
          target.waitUntil(work);
        };
      }
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function watchedStorage(real: DurableObjectStorage, who: Incarnation): DurableObjectStorage {
  const { namespace, id } = who.object as NonNullable<Incarnation["object"]>;
  const key = keyOf(namespace, id);
  const asleep = (at: number) => {
    // A hub's alarm is in the platform's own time, and for its sockets and a log of a week: no flow here has any.
    if (namespace === "HUB") return;
    stage.alarms.set(key, { namespace, id, name: who.name, at });
  };
  const inObject = (env: Env, act: (state: DurableObjectState) => Promise<unknown>) =>
    runInDurableObject(stubOf(env, namespace, id), (_, state) => act(state));

  const sql = new Proxy(real.sql, {
    get(target, name) {
      if (name !== "exec") return Reflect.get(target, name) as unknown;
      return (text: string, ...params: unknown[]) =>
        throughSync(
          who,
          `storage.sql ${text.trim().split(/\s+/).slice(0, 3).join(" ")}`,
          () => target.exec(text, ...params),
          /^\s*SELECT/i.test(text),
        );
    },
  });
  const kv = new Proxy(real.kv, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) =>
        throughSync(
          who,
          `storage.kv.${String(name)}`,
          () => Reflect.apply(value, target, args) as unknown,
          name === "get",
        );
    },
  });

  const calls = {
    sql,
    kv,
    transactionSync: <T>(work: () => T): T => {
      const before = stage.alarms.get(key);
      return throughSync(who, "storage.transaction", () => {
        who.inTransaction = true;
        try {
          return real.transactionSync(work);
        } catch (error) {
          if (before) stage.alarms.set(key, before);
          else stage.alarms.delete(key);
          throw error;
        } finally {
          who.inTransaction = false;
        }
      });
    },
    setAlarm: (at: number | Date) => {
      const time = Number(at);
      const set = async () => {
        asleep(time);
        await real.setAlarm(time);
      };
      return through(who, {
        what: "storage.setAlarm",
        perform: set,
        later: (env) =>
          inObject(env, (state) => {
            asleep(time);
            return state.storage.setAlarm(time);
          }),
      });
    },
    deleteAlarm: () =>
      through(who, {
        what: "storage.deleteAlarm",
        perform: async () => {
          stage.alarms.delete(key);
          await real.deleteAlarm();
        },
        later: (env) =>
          inObject(env, (state) => {
            stage.alarms.delete(key);
            return state.storage.deleteAlarm();
          }),
      }),
    getAlarm: () => through(who, { what: "storage.getAlarm", perform: () => real.getAlarm(), local: true }),
    get: (name: string) => through(who, { what: `storage.get ${name}`, perform: () => real.get(name), local: true }),
    put: (name: string, value: unknown) =>
      through(who, {
        what: `storage.put ${name}`,
        perform: () => real.put(name, value),
        later: (env) => inObject(env, (state) => state.storage.put(name, value)),
      }),
  };
  return new Proxy(real, {
    get(target, name) {
      if (name in calls) return calls[name as keyof typeof calls];
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
