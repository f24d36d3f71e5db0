/**
 * Cache-aside over KV. The cache only makes answers faster: a broken, foreign or missing value is a miss, and KV that is
 * down or hangs is only slower. Values carry the schema version, and loads read the primary.
 */
import { CACHE_FOLLOWER_WAIT_MS, CACHE_READ_TIMEOUT_MS } from "../config.ts";
import { messageOf } from "../domain/errors.ts";
import type { Clock } from "../domain/ports.ts";
import { createSingleFlight } from "../resilience/single-flight.ts";

export interface CacheDeps {
  readonly kv: KVNamespace;
  readonly clock: Clock;
  /** Work that may outlive the answer: the fill of the cache. */
  readonly background: (work: Promise<unknown>) => void;
  readonly log: (level: "warn", event: string, facts: Readonly<Record<string, unknown>>) => void;
}

export interface CachedKey<T> {
  readonly key: string;
  readonly ttlSeconds: number;
  /** Changes when the stored shape does: a value of another version is a miss. */
  readonly schemaVersion: number;
  /** The value, or null when what was stored isn't one. */
  readonly parse: (stored: unknown) => T | null;
  /** Loads from the primary; null: there is no such thing (never cached, so that it shows as soon as it exists). */
  readonly load: () => Promise<T | null>;
}

export type CacheStatus = "HIT" | "MISS";

const flights = createSingleFlight<unknown>();
const LATE = Symbol("the cache didn't answer in time");

/** The value from KV, or loaded and put there. One load per key and isolate at a time. */
export async function readThrough<T>(
  deps: CacheDeps,
  entry: CachedKey<T>,
): Promise<{ value: T | null; status: CacheStatus }> {
  const cached = await readCached(deps, entry);
  if (cached !== null) return { value: cached, status: "HIT" };
  // In waitUntil, so that a leader whose caller hangs up still lands for its followers.
  const lead = () => {
    const flight = loadAndFill(deps, entry);
    deps.background(Promise.allSettled([flight]));
    return flight;
  };
  const value = (await flights.run(entry.key, lead, {
    clock: deps.clock,
    followerWaitMs: CACHE_FOLLOWER_WAIT_MS,
  })) as T | null;
  return { value, status: "MISS" };
}

async function readCached<T>(deps: CacheDeps, entry: CachedKey<T>): Promise<T | null> {
  try {
    const late: Promise<typeof LATE> = deps.clock.after(CACHE_READ_TIMEOUT_MS).then(() => LATE);
    const stored = await Promise.race([deps.kv.get(entry.key, "text"), late]);
    if (stored === LATE) deps.log("warn", "cache.read_late", { key: entry.key });
    if (stored === null || stored === LATE) return null;
    const parsed = JSON.parse(stored) as { v?: unknown; value?: unknown };
    return parsed.v === entry.schemaVersion ? entry.parse(parsed.value) : null;
  } catch (error) {
    deps.log("warn", "cache.read_failed", { key: entry.key, error: messageOf(error) });
    return null;
  }
}

async function loadAndFill<T>(deps: CacheDeps, entry: CachedKey<T>): Promise<T | null> {
  const value = await entry.load();
  if (value === null) return null;
  const body = JSON.stringify({ v: entry.schemaVersion, value });
  deps.background(
    deps.kv.put(entry.key, body, { expirationTtl: entry.ttlSeconds }).catch((error: unknown) => {
      deps.log("warn", "cache.fill_failed", { key: entry.key, error: messageOf(error) });
    }),
  );
  return value;
}

/** Drops the keys. A failure is thrown: the subscriber that asked for it retries. */
export async function dropKeys(kv: KVNamespace, keys: Iterable<string>): Promise<void> {
  await Promise.all([...new Set(keys)].map((key) => kv.delete(key)));
}
