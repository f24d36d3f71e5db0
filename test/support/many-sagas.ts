/**
 * Many sagas at once on the test's clock. It moves only when nothing runs any more, and then to the earliest moment at
 * which anything is due: a saga, the health check of an open circuit, or what the test itself has planned. So each wakes
 * when it asked to, in order, and none is woken early.
 */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import type { SagaState } from "../../src/domain/saga-state.ts";
import { until } from "./harness.ts";
import { breakerOf, sagaOf } from "./saga-world.ts";
import { moveClock, testClock } from "./world.ts";

/** What else happens at its time: a supplier that comes back, a call that arrives late. */
export interface Planned {
  /** Ms since the epoch; null: nothing is planned. */
  readonly nextAt: () => number | null;
  /** Does all that is due by now. */
  readonly happen: () => Promise<unknown>;
}

export interface ManyOptions {
  /** How many orders are under way together. One that has ended isn't, though its purchases may still be watched. */
  readonly atOnce: number;
  readonly planned?: readonly Planned[];
  /** Of each call that hangs at present: when its caller gives it up, in ms since the epoch. */
  readonly hanging?: () => readonly number[];
  /** A saga is woken at `now`, which asked to be at `dueAt`. */
  readonly onWake?: (orderId: string, dueAt: number, now: number) => void;
  /** An order has come to its end. */
  readonly onEnd?: (state: SagaState) => void;
  /** Real time. */
  readonly deadlineMs: number;
}

const MINUTE_MS = 60_000;
const LOOK_MS = 10;
const BEGIN_LOOK_MS = 100;
const BEGIN_DEADLINE_MS = 60_000;

/** One action at its time, once. */
export function plannedAt(at: number, act: () => Promise<unknown>): Planned {
  let open = true;
  return {
    nextAt: () => (open ? at : null),
    happen: () => {
      open = false;
      return act();
    },
  };
}

/** What the platform does every minute, as the clock moves. */
export function everyMinute(act: () => Promise<unknown>): Planned {
  let next = testClock.now() + MINUTE_MS;
  return {
    nextAt: () => next,
    happen: () => {
      next = testClock.now() + MINUTE_MS;
      return act();
    },
  };
}

/** While many wait for the queue to begin them, looking often would be most of the work. */
async function lookSeldom(orderId: string): Promise<boolean> {
  if (await sagaOf(orderId).inspect()) return true;
  await scheduler.wait(BEGIN_LOOK_MS);
  return false;
}

/**
 * Places each order (`place` returns its id) and plays its saga until nothing of it waits any more. The last states, by
 * order id.
 */
export async function driveMany(
  places: readonly (() => Promise<string>)[],
  { atOnce, planned = [], hanging = () => [], onWake, onEnd, deadlineMs }: ManyOptions,
): Promise<ReadonlyMap<string, SagaState>> {
  const end = Date.now() + deadlineMs;
  const ended = new Set<string>();
  const over = new Map<string, SagaState>();
  /** Sagas that sleep and circuits that are open, with the moment of their alarm. */
  const sleeping = new Map<string, number>();
  const checks = new Map<string, number>();
  let begun = 0;
  let running = 0;
  let fault: { readonly error: unknown } | undefined;
  let ring: () => void = () => undefined;

  const start = (job: Promise<unknown>): void => {
    running++;
    void job
      .catch((error: unknown) => {
        fault ??= { error };
      })
      .finally(() => {
        running--;
        ring();
      });
  };
  const lookAtCircuit = async (supplier: string): Promise<void> => {
    const at = await runInDurableObject(breakerOf(supplier), (_, state) => state.storage.getAlarm());
    if (at === null) checks.delete(supplier);
    else checks.set(supplier, at);
  };
  const wake = async (orderId: string): Promise<void> => {
    await runDurableObjectAlarm(sagaOf(orderId)); // during a run it waits for the run
    const seen = await sagaOf(orderId).inspect();
    if (!seen) throw new Error(`the saga of ${orderId} is gone`);
    const hasEnded = seen.state.phase === "ended";
    if (hasEnded && !ended.has(orderId)) {
      ended.add(orderId);
      onEnd?.(seen.state);
    }
    if (seen.next_wake_at !== null) sleeping.set(orderId, Date.parse(seen.next_wake_at));
    else if (hasEnded) over.set(orderId, seen.state);
    else throw new Error(`nothing will wake the saga of ${orderId}`);
    // Only its own calls can have opened these circuits, or closed them.
    for (const supplier of seen.state.suppliers) {
      if (seen.next_wake_at !== null || checks.has(supplier)) await lookAtCircuit(supplier);
    }
  };
  const begin = async (place: () => Promise<string>): Promise<void> => {
    const orderId = await place();
    await until(`the saga of ${orderId} begins`, () => lookSeldom(orderId), BEGIN_DEADLINE_MS);
    await wake(orderId);
  };
  const checkHealth = async (supplier: string): Promise<void> => {
    await runDurableObjectAlarm(breakerOf(supplier));
    await lookAtCircuit(supplier);
  };
  const startDue = (now: number): void => {
    for (const { nextAt, happen } of planned) if ((nextAt() ?? Infinity) <= now) start(happen());
    for (const [supplier, at] of checks) {
      if (at <= now && checks.delete(supplier)) start(checkHealth(supplier));
    }
    for (const [orderId, at] of sleeping) {
      if (at > now || !sleeping.delete(orderId)) continue;
      onWake?.(orderId, at, now);
      start(wake(orderId));
    }
  };

  while (over.size < places.length) {
    if (fault) throw fault.error;
    if (Date.now() > end) throw new Error(`${places.length - over.size} sagas weren't over within ${deadlineMs} ms`);
    for (let place = places[begun]; place && begun - ended.size < atOnce; place = places[++begun]) start(begin(place));
    const now = testClock.now();
    startDue(now);
    const hung = hanging().filter((at) => at > now);
    if (running > hung.length) {
      await Promise.race([new Promise<void>((resolve) => (ring = resolve)), scheduler.wait(LOOK_MS)]);
      continue;
    }
    const next = Math.min(
      ...hung,
      ...sleeping.values(),
      ...checks.values(),
      ...planned.map(({ nextAt }) => nextAt() ?? Infinity),
    );
    if (!Number.isFinite(next)) throw new Error("orders are left and nothing is due, ever");
    moveClock(Math.max(0, Math.ceil(next - testClock.now())) + 1);
  }
  return over;
}
