/**
 * The composition root: from the environment to everything a handler needs. The only file that knows every adapter.
 * One container serves one request, one queue batch or one object's turn.
 */
import { uuidv7 } from "uuidv7";
import { parseSettings, type Settings } from "./config.ts";
import { systemClock } from "./clock.ts";
import { openDatabase, type Database } from "./db/database.ts";
import { withDeadline } from "./db/deadline-d1.ts";
import { commit, type Committed, type UnitOfWork } from "./db/unit-of-work.ts";
import { ID_PREFIXES, type NewId } from "./domain/ids.ts";
import type { Clock } from "./domain/ports.ts";
import type { AccessRules } from "./domain/supplier-access.ts";
import { traceFrom, type Trace } from "./domain/trace.ts";
import type { Env } from "./env.ts";
import { wantOf, webhookWantOf } from "./events/subscriptions.ts";
import type { Deadline } from "./resilience/deadline.ts";
import { log } from "./log.ts";

export interface Lifetime {
  /** Keeps the handler's isolate alive until the promise settles. */
  waitUntil(work: Promise<unknown>): void;
}

export interface Container {
  readonly env: Env;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly random: () => number;
  readonly db: Database;
  /** Commits and then kicks the relay shards concerned, without waiting for them. */
  readonly commit: (work: UnitOfWork) => Promise<Committed>;
  /** Tells the relay that rows of these buckets are waiting. */
  readonly kick: (buckets: readonly number[]) => void;
  readonly newTrace: (header?: string | null) => Trace;
  readonly sha256: (text: string) => Promise<string>;
  /** Which suppliers this deployment may call. */
  readonly supplierRules: AccessRules;
  readonly background: (work: Promise<unknown>) => void;
}

const parsed = new WeakMap<object, Settings>();

/** The parsed settings of this environment; parsed once per isolate. */
export function settingsOf(env: Env): Settings {
  const known = parsed.get(env);
  if (known) return known;
  const settings = parseSettings(env);
  parsed.set(env, settings);
  return settings;
}

export function clockOf(env: Env): Clock {
  return env.CLOCK ?? systemClock;
}

export const newId: NewId = (kind) => `${ID_PREFIXES[kind]}_${uuidv7().replaceAll("-", "")}`;

export function sha256Hex(text: string): Promise<string> {
  return sha256Bytes(new TextEncoder().encode(text));
}

export async function sha256Bytes(bytes: Uint8Array): Promise<string> {
  return hexOf(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function createContainer(env: Env, lifetime: Lifetime, options: { deadline?: Deadline } = {}): Container {
  const settings = settingsOf(env);
  const clock = clockOf(env);
  const db = openDatabase(options.deadline ? withDeadline(env.DB, options.deadline, clock) : env.DB);
  const kick = (buckets: readonly number[]): void => {
    const shards = new Set(buckets.map((bucket) => bucket % settings.RELAY_SHARDS));
    for (const shard of shards) lifetime.waitUntil(kickShard(env, shard));
  };
  return {
    env,
    settings,
    clock,
    newId,
    random: Math.random,
    db,
    kick,
    commit: async (work) => {
      const committed = await commit({ db, now: clock.now, newId, wantOf, webhookWantOf }, work);
      if (committed.ok && !committed.replayed && committed.buckets.length > 0) kick(committed.buckets);
      return committed;
    },
    newTrace: (header) => traceFrom(header, randomHex(24)),
    sha256: sha256Hex,
    supplierRules: { environment: settings.ENVIRONMENT, secrets: settings.SUPPLIER_SECRETS },
    background: (work) => lifetime.waitUntil(work),
  };
}

/** Wakes one relay shard. A lost kick costs at most the relay's poll, so a failure is only worth a line in the log. */
export async function kickShard(env: Env, shard: number): Promise<void> {
  try {
    await env.RELAY.get(env.RELAY.idFromName(`relay:${shard}`)).kick(shard);
  } catch (error) {
    log("warn", "relay.kick_lost", { shard, error: error instanceof Error ? error.message : String(error) });
  }
}

function randomHex(bytes: number): string {
  return hexOf(crypto.getRandomValues(new Uint8Array(bytes)));
}
