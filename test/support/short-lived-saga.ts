/**
 * Sagas that die between every two of their actions: a life carries out one (its intent, its call, its outcome) and ends
 * where the next one's intent would be written. Whoever tests evicts the object then; the next life goes on.
 */
import { wrapSagaState } from "./world.ts";

const OVER = "this life of the saga is over: one action";

export interface SagaLives {
  /** Is an action begun and not settled? */
  readonly isActing: (id: DurableObjectId) => boolean;
  /** How many actions each life of the object carried out, without those that only looked. */
  readonly actionsOf: (id: DurableObjectId) => readonly number[];
  readonly end: () => void;
}

/** From now on every saga that comes to life is of this kind, until `end`. */
export function shortenSagaLives(): SagaLives {
  // Rows that each life wrote to its journal: an intent, and its outcome.
  const lives = new Map<string, number[]>();
  const rowsOf = (id: DurableObjectId) => lives.get(id.toString()) ?? [];
  wrapSagaState((real) => {
    const own = rowsOf(real.id);
    const life = own.push(0) - 1;
    lives.set(real.id.toString(), own);
    return through(real, () => {
      if ((own[life] ?? 0) >= 2) throw new Error(OVER);
      own[life] = (own[life] ?? 0) + 1;
    });
  });
  return {
    isActing: (id) => rowsOf(id).some((rows) => rows % 2 === 1),
    actionsOf: (id) => rowsOf(id).flatMap((rows) => (rows > 0 ? [rows / 2] : [])),
    end: () => wrapSagaState(undefined),
  };
}

/** What ends a life, as its caller hears of it. */
export function isEndOfLife(error: unknown): boolean {
  return error instanceof Error && error.message.includes(OVER);
}

function through(real: DurableObjectState, journals: () => void): DurableObjectState {
  const sql = proxied(real.storage.sql, {
    exec: (text: string, ...params: unknown[]) => {
      if (/^\s*INSERT INTO journal\b/.test(text)) journals();
      return real.storage.sql.exec(text, ...params);
    },
  });
  const waitUntil = (work: Promise<unknown>) =>
    real.waitUntil(
      work.catch((error: unknown) => {
        if (!isEndOfLife(error)) throw error;
      }),
    );
  return proxied(real, { storage: proxied(real.storage, { sql }), waitUntil });
}

function proxied<T extends object>(real: T, own: Readonly<Record<string, unknown>>): T {
  return new Proxy(real, {
    get(target, key) {
      if (typeof key === "string" && key in own) return own[key];
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
