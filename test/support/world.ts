/**
 * What a test may change of the world around the product: the clock, and the bindings, which it may wrap. The product has
 * no hooks: the test's entry Worker hands it an environment seen through this.
 */
import type { Clock } from "../../src/domain/ports.ts";
import { SAGA_DEFINITIONS, type SagaDefinitions } from "../../src/domain/saga-definitions.ts";
import type { Env } from "../../src/env.ts";

export type Wraps = { [K in keyof Env]?: (real: Env[K]) => Env[K] };

type WrapState = (real: DurableObjectState) => DurableObjectState;

interface World {
  offsetMs: number;
  /** Where the clock stands, in ms since the epoch. */
  standsAt?: number | undefined;
  wraps: Wraps;
  wrapSagaState?: WrapState | undefined;
  sagaDefinitions?: SagaDefinitions | undefined;
}

const KEY = Symbol.for("waybill.test.world");
const shared = globalThis as unknown as Record<symbol, World | undefined>;
const world: World = (shared[KEY] ??= { offsetMs: 0, wraps: {} });

const LOOK_MS = 20;

/**
 * Real time plus what the test has moved it by. A wait ends when real time gets there, or soon after the test moved past
 * it: it looks by itself, since one that is woken from another request's or object's context can't do I/O any more.
 */
export const testClock: Clock = {
  now: () => world.standsAt ?? Date.now() + world.offsetMs,
  after: async (ms) => {
    const end = testClock.now() + ms;
    for (let left = ms; left > 0; left = end - testClock.now()) await scheduler.wait(Math.min(left, LOOK_MS));
  },
};

/** Moves the clock on. Back only in a test of just that: real clocks are put right. */
export function moveClock(ms: number): void {
  if (world.standsAt === undefined) world.offsetMs += ms;
  else world.standsAt += ms;
}

/** From here on no time passes but what the test moves: for what is decided by the millisecond. */
export function stopClock(): void {
  world.standsAt = testClock.now();
}

export function letClockRun(): void {
  if (world.standsAt !== undefined) world.offsetMs = world.standsAt - Date.now();
  world.standsAt = undefined;
}

/** Wraps bindings until the next call; `{}` takes all wraps away. */
export function wrapBindings(wraps: Wraps): void {
  world.wraps = wraps;
}

/** How each saga that comes to life from now on sees its own storage and alarm; `undefined`: as they are. */
export function wrapSagaState(wrap: WrapState | undefined): void {
  world.wrapSagaState = wrap;
}

export function sagaStateThroughWorld(real: DurableObjectState): DurableObjectState {
  return world.wrapSagaState?.(real) ?? real;
}

/** The definitions that each saga knows that comes to life from now on; `undefined`: the product's own. */
export function deploySagaDefinitions(definitions: SagaDefinitions | undefined): void {
  world.sagaDefinitions = definitions;
}

export function sagaDefinitionsOfWorld(): SagaDefinitions {
  return world.sagaDefinitions ?? SAGA_DEFINITIONS;
}

const seen = new WeakMap<object, Env>();

/** The environment as the product sees it. */
export function throughWorld(env: Env): Env {
  const known = seen.get(env);
  if (known) return known;
  const view = new Proxy(env, {
    get(target, key: keyof Env) {
      if (key === "CLOCK") return testClock;
      const wrap = world.wraps[key] as ((real: unknown) => unknown) | undefined;
      return wrap ? wrap(target[key]) : target[key];
    },
    // A variable that only a wrap gives is there too.
    has: (target, key: keyof Env) => key in target || world.wraps[key] !== undefined,
  });
  seen.set(env, view);
  return view;
}
