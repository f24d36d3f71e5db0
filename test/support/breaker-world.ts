/** A breaker as a test drives it: in an isolate of its own, its object's alarm by hand, and what it told the database. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { AppError } from "../../src/domain/errors.ts";
import type { Clock } from "../../src/domain/ports.ts";
import { breakerFor, throughBreaker, type Breaker } from "../../src/integrations/breaker.ts";
import type { Hand } from "../../src/resilience/circuit-record.ts";
import { env, until } from "./harness.ts";
import { testClock } from "./world.ts";

/** A client in an isolate of its own: it shares no hints with another one. */
export function clientOf(dependency: string, clock: Clock = testClock): Breaker {
  return breakerFor(env.BREAKER, dependency, { clock, log: () => undefined, hints: new Map() });
}

export function breakerStub(dependency: string): DurableObjectStub {
  return env.BREAKER.get(env.BREAKER.idFromName(encodeURI(dependency)));
}

export const down = (): Promise<never> =>
  Promise.reject(new AppError("DEPENDENCY_FAILED", "down", { retryable: true }));
export const works = async () => "done";

/** Calls that fail, one after the other. */
export async function fail(breaker: Breaker, times: number): Promise<void> {
  for (let n = 0; n < times; n++) await throughBreaker(breaker, down).catch(() => undefined);
}

/** What a person of operations does, anew each time. */
export function hand(reason = "they move their data centre"): Hand {
  return { cause: { by: { id: "ops", kind: "person" }, reason, trace: null }, intent: crypto.randomUUID() };
}

/** Runs the object's alarm now: a health check while it is open, else news that wait. False: none was armed. */
export function runBreakerAlarm(dependency: string): Promise<boolean> {
  return runDurableObjectAlarm(breakerStub(dependency));
}

export function breakerAlarmAt(dependency: string): Promise<number | null> {
  return runInDurableObject(breakerStub(dependency), (_object, state) => state.storage.getAlarm());
}

/** The breaker's row of the list once it fits. */
export function rowOf(
  dependency: string,
  what: string,
  fits: (row: { revision: number; circuit: { kind: string; failures?: number[] } }) => boolean,
) {
  return until(`the row of ${dependency} ${what}`, async () => {
    const row = await env.DB.prepare("SELECT revision, circuit FROM breakers WHERE dependency = ?")
      .bind(dependency)
      .first<{ revision: number; circuit: string }>();
    if (!row) return null;
    const read = { revision: row.revision, circuit: JSON.parse(row.circuit) };
    return fits(read) ? read : null;
  });
}

/** The transitions that were told, each by its event and its row of the trail, in order. */
export async function toldOf(dependency: string): Promise<{ events: string[]; trail: string[] }> {
  const subject = `dependency/${dependency}`;
  const events = await env.DB.prepare("SELECT type FROM outbox WHERE subject = ? ORDER BY seq")
    .bind(subject)
    .all<{ type: string }>();
  const trail = await env.DB.prepare("SELECT action, actor FROM audit WHERE subject = ? ORDER BY seq")
    .bind(subject)
    .all<{ action: string; actor: string }>();
  return {
    events: events.results.map(({ type }) => type),
    trail: trail.results.map(({ action, actor }) => `${action} by ${actor}`),
  };
}
