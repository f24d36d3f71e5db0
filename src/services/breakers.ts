/**
 * Circuit breakers for operations: the list, one of them, opening and resetting by hand, and the telling of what happened.
 * A breaker's object decides; the list is what each wrote last. A transition is told once, however often it is tried.
 */
import {
  BREAKER_FAILURES,
  BREAKER_HEALTH_CHECK_MS,
  BREAKER_PROBE_LEASE_MS,
  BREAKER_PROBE_WAIT_MS,
  BREAKER_WINDOW_MS,
} from "../config.ts";
import { listBreakers, markAnnounced, showCircuit, type ListedBreaker } from "../db/queries/breakers.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import { AppError, refuse, type Refusal } from "../domain/errors.ts";
import { actorOf, type Principal } from "../domain/identity.ts";
import { DOCUMENT_STORES } from "../domain/ports.ts";
import type { Trace } from "../domain/trace.ts";
import { CLOSED, circuitStatus, type CircuitSettings, type CircuitState } from "../resilience/circuit-breaker.ts";
import type { Cause, CircuitNow, Hand, News } from "../resilience/circuit-record.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export const CIRCUIT_SETTINGS: CircuitSettings = {
  failures: BREAKER_FAILURES,
  windowMs: BREAKER_WINDOW_MS,
  healthCheckMs: BREAKER_HEALTH_CHECK_MS,
  probeLeaseMs: BREAKER_PROBE_LEASE_MS,
  probeWaitMs: BREAKER_PROBE_WAIT_MS,
};

/** Dependencies that there is one of; suppliers and webhooks are rows. */
const NAMED = [...DOCUMENT_STORES, "workers-ai"] as const;

/** A breaker's object as operations use it. Each rejects with a retryable AppError when it can't be reached in time. */
export interface OperatedBreaker {
  /** `shown`: the revision that the list shows; 0: none. A list that shows another one than it has is put right. */
  inspect(shown: number): Promise<CircuitNow>;
  openByHand(hand: Hand): Promise<CircuitNow>;
  closeByHand(hand: Hand): Promise<CircuitNow>;
}

export interface BreakerView {
  readonly dependency: string;
  readonly state: CircuitState["kind"];
  readonly forced: boolean;
  readonly failures: number;
  /** Whole seconds until a call may be let through; 0: now. */
  readonly retry_after_s: number;
  readonly since: string | null;
  readonly by: Cause["by"] | null;
  readonly reason: string | null;
  /** When its object wrote this; null: it has never had to. */
  readonly as_of: string | null;
  /** True: the object has just said so. */
  readonly live: boolean;
}

/** The dependencies after a name, by name, as the list shows them. One more than `limit` means that there are more. */
export async function readBreakers(
  deps: Pick<ServiceDeps, "db" | "clock">,
  q: { readonly after: string; readonly limit: number; readonly state: CircuitState["kind"] | undefined },
): Promise<BreakerView[]> {
  const rows = await listBreakers(deps.db, { named: NAMED, ...q });
  return rows.map((row) => shownView(row, deps.clock.now()));
}

/** One breaker as its object has it, or, when that can't be reached, as the list shows it. */
export async function readBreaker(
  deps: Pick<ServiceDeps, "db" | "clock">,
  dependency: string,
  breaker: OperatedBreaker,
): Promise<BreakerView | Refusal> {
  const row = await findListed(deps, dependency);
  if (!row) return unknownDependency(dependency);
  try {
    const now = await breaker.inspect(row.revision ?? 0);
    return liveView(dependency, now, deps.clock.now());
  } catch (error) {
    if (error instanceof AppError && error.retryable) return shownView(row, deps.clock.now());
    throw error;
  }
}

export interface HandDone {
  readonly ok: true;
  readonly breaker: Omit<BreakerView, "failures" | "retry_after_s" | "as_of" | "live">;
}

/** Opens until a hand closes it, or closes at once. What is so already stays as it is, and the answer says since when. */
export async function turnByHand(
  deps: ServiceDeps,
  breaker: OperatedBreaker,
  ask: {
    readonly dependency: string;
    readonly to: "open" | "closed";
    readonly reason: string;
    readonly principal: Principal;
    readonly trace: Trace;
    readonly intent: { readonly scope: string; readonly id: string };
  },
): Promise<HandDone | Refusal> {
  const { dependency, to, reason, principal, trace, intent } = ask;
  if (!(await findListed(deps, dependency))) return unknownDependency(dependency);
  const hand: Hand = {
    cause: { by: actorOf(principal), reason, trace },
    intent: await deps.sha256(JSON.stringify([intent.scope, intent.id])),
  };
  const now = to === "open" ? await breaker.openByHand(hand) : await breaker.closeByHand(hand);
  const { state, forced, since, by, reason: why } = liveView(dependency, now, deps.clock.now());
  return { ok: true, breaker: { dependency, state, forced, since, by, reason: why } };
}

/** Tells one transition, with what the list shows from then on. Told before: the list alone is written. */
export async function tellNews(
  deps: Pick<ServiceDeps, "commit" | "newTrace" | "clock">,
  dependency: string,
  now: CircuitNow,
  news: News,
): Promise<void> {
  const subject = `dependency/${dependency}`;
  const { by, reason, what, at, revision } = news;
  const timestamp = new Date(at).toISOString();
  const events: AnyEventDraft[] =
    what === "opened" || what === "closed"
      ? [
          {
            type: what === "opened" ? "CircuitOpened" : "CircuitClosed",
            subject,
            region: null,
            sequence: revision,
            data: { dependency, timestamp },
          },
        ]
      : [];
  const committed = await deps.commit({
    trace: news.trace ?? deps.newTrace(),
    writes: [shown(deps, dependency, now), markAnnounced(dependency, revision)],
    audit: [{ actor: by, action: `circuit.${what}`, subject, ...(reason !== null && { reason }) }],
    events,
  });
  if (committed.ok) return;
  if (committed.code !== "DUPLICATE") {
    throw new AppError("INTERNAL", `the news of ${dependency} was refused: ${committed.code}`, { retryable: true });
  }
  // The circuit may have moved on since they were told, and with them nothing was written.
  await showNow(deps, dependency, now);
}

/** Writes how it stands, where nothing is to be told. */
export async function showNow(
  deps: Pick<ServiceDeps, "commit" | "newTrace" | "clock">,
  dependency: string,
  now: CircuitNow,
): Promise<void> {
  await deps.commit({ trace: deps.newTrace(), writes: [shown(deps, dependency, now)] });
}

function shown(deps: Pick<ServiceDeps, "clock">, dependency: string, { circuit, record }: CircuitNow): GuardedWrite {
  return showCircuit({
    dependency,
    revision: record.revision,
    circuit: JSON.stringify(circuit),
    since: isoOf(record.since),
    actor: record.by?.id ?? null,
    actor_kind: record.by?.kind ?? null,
    reason: record.reason,
    updated_at: isoNow(deps),
  });
}

async function findListed(deps: Pick<ServiceDeps, "db">, dependency: string): Promise<ListedBreaker | undefined> {
  const [row] = await listBreakers(deps.db, { named: NAMED, after: "", limit: 1, state: undefined, dependency });
  return row;
}

function unknownDependency(dependency: string): Refusal {
  return refuse("NOT_FOUND", `there is no dependency ${dependency}; GET /api/breakers lists them`);
}

function liveView(dependency: string, { circuit, record }: CircuitNow, now: number): BreakerView {
  const { by, reason } = record;
  const as_of = new Date(now).toISOString();
  return { ...statusView(dependency, circuit, now), since: isoOf(record.since), by, reason, as_of, live: true };
}

function shownView(row: ListedBreaker, now: number): BreakerView {
  const circuit = row.circuit === null ? CLOSED : (JSON.parse(row.circuit) as CircuitState);
  return {
    ...statusView(row.dependency, circuit, now),
    since: row.since,
    by: row.actor === null ? null : { id: row.actor, kind: row.actor_kind as Cause["by"]["kind"] },
    reason: row.reason,
    as_of: row.updated_at,
    live: false,
  };
}

function statusView(dependency: string, circuit: CircuitState, now: number) {
  const { state, forced, failures, retryAfterMs } = circuitStatus(circuit, now, CIRCUIT_SETTINGS);
  return { dependency, state, forced, failures, retry_after_s: Math.ceil(retryAfterMs / 1000) };
}

function isoOf(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
