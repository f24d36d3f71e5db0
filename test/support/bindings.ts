/** Bends one binding at a time: every call of the real one passes through a function of the test's, or never gets there. */
import type { Env } from "../../src/env.ts";

/** Sees what is about to be asked of the database: it may count, wait, fail, or let the call through. */
export type AroundDatabase = <T>(
  call: () => Promise<T>,
  sql: readonly string[],
  /** Of all its statements. */
  parameters: readonly unknown[],
) => Promise<T>;

interface Known {
  readonly statement: D1PreparedStatement;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The database, each of whose calls (a statement, or a whole batch) goes through `around`. */
export function aroundDatabase(real: D1Database, around: AroundDatabase): D1Database {
  const known = new WeakMap<object, Known>();
  const wrap = (statement: D1PreparedStatement, text: string, bound: readonly unknown[]): D1PreparedStatement => {
    const held = {
      bind: (...values: unknown[]) => wrap(statement.bind(...values), text, values),
      first: (column?: string) =>
        around(() => (column === undefined ? statement.first() : statement.first(column)), [text], bound),
      run: () => around(() => statement.run(), [text], bound),
      all: () => around(() => statement.all(), [text], bound),
      raw: (options?: { columnNames?: false }) => around(() => statement.raw(options), [text], bound),
    } as unknown as D1PreparedStatement;
    known.set(held, { statement, text, values: bound });
    return held;
  };
  const session = <T extends D1Database | D1DatabaseSession>(on: T): T =>
    ({
      prepare: (text: string) => wrap(on.prepare(text), text, []),
      batch: (statements: D1PreparedStatement[]) => {
        const all = statements.map((one) => known.get(one) ?? { statement: one, text: "", values: [] });
        return around(
          () => on.batch(all.map(({ statement }) => statement)),
          all.map(({ text }) => text),
          all.flatMap(({ values }) => values),
        );
      },
      ...("withSession" in on ? { withSession: (constraint?: string) => session(on.withSession(constraint)) } : {}),
    }) as unknown as T;
  return session(real);
}

/** Calls that wait until the test lets them go. The wait is an I/O of the caller's, so the platform doesn't see a hang. */
export function gate() {
  const gate: { state: "shut" | "open" | "broken" } = { state: "shut" };
  let waiting = 0;
  return {
    /** How many calls have come to the gate. */
    waiting: () => waiting,
    open: () => void (gate.state = "open"),
    /** Those that wait, and all that come, fail. */
    breakDown: () => void (gate.state = "broken"),
    async pass(): Promise<void> {
      waiting++;
      while (gate.state === "shut") await scheduler.wait(5);
      if (gate.state === "broken") throw new Error("the dependency is gone");
    },
  };
}

export interface CacheCall {
  readonly method: "get" | "put" | "delete";
  readonly key: string;
  /** Of a put. */
  readonly ttlSeconds: number | undefined;
}

/** The cache, each of whose calls goes through `around`. */
export function aroundCache(
  real: KVNamespace,
  around: <T>(call: () => Promise<T>, facts: CacheCall) => Promise<T>,
): KVNamespace {
  return {
    get: (key: string, type: "text") =>
      around(() => real.get(key, type), { method: "get", key, ttlSeconds: undefined }),
    put: (key: string, value: string, options?: KVNamespacePutOptions) =>
      around(() => real.put(key, value, options), { method: "put", key, ttlSeconds: options?.expirationTtl }),
    delete: (key: string) => around(() => real.delete(key), { method: "delete", key, ttlSeconds: undefined }),
  } as unknown as KVNamespace;
}

/** A queue to which sends go through `around`. `bodies`: what is about to be sent. */
export function aroundQueue(
  real: Queue,
  around: (send: () => Promise<unknown>, bodies: readonly unknown[]) => Promise<unknown>,
): Queue {
  return {
    send: (body: unknown, options?: QueueSendOptions) => around(() => real.send(body, options), [body]),
    sendBatch: (messages: Iterable<MessageSendRequest>, options?: QueueSendBatchOptions) => {
      const all = [...messages];
      return around(
        () => real.sendBatch(all, options),
        all.map(({ body }) => body),
      );
    },
  } as unknown as Queue;
}

/** Relays that hear no kick: what was committed waits for the poll. */
export function deafRelays(real: Env["RELAY"]): Env["RELAY"] {
  return {
    idFromName: (name: string) => real.idFromName(name),
    get: () => ({ kick: () => Promise.resolve() }),
  } as unknown as Env["RELAY"];
}

/** Hubs whose `deliver` goes through `around`; everything else reaches the real ones. */
export function aroundHubs(real: Env["HUB"], around: <T>(call: () => Promise<T>) => Promise<T>): Env["HUB"] {
  type Hub = ReturnType<Env["HUB"]["get"]>;
  return {
    idFromName: (name: string) => real.idFromName(name),
    get: (id: DurableObjectId) => {
      const hub = real.get(id);
      const deliver = (...args: Parameters<Hub["deliver"]>) => around(async () => hub.deliver(...args));
      return {
        deliver,
        connected: () => hub.connected(),
        position: () => hub.position(),
        fetch: (...args: Parameters<Hub["fetch"]>) => hub.fetch(...args),
      };
    },
  } as unknown as Env["HUB"];
}
