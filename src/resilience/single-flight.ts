/**
 * One load per key at a time. A follower never waits longer than its bound and never inherits the leader's failure.
 */
import type { DeadlineClock } from "./deadline.ts";

export interface SingleFlight<V> {
  /**
   * The value of `load`, or of a load of the same key that is under way. A follower waits at most `followerWaitMs` and
   * then loads by itself; when the leader fails, one of its followers becomes the next leader. Rejects only with what
   * the caller's own `load` threw.
   */
  run(
    key: string,
    load: () => Promise<V>,
    options: { readonly clock: DeadlineClock; readonly followerWaitMs: number },
  ): Promise<V>;
}

const FAILED = Symbol("the leader failed");
const WAITED = Symbol("waited long enough");

export function createSingleFlight<V>(): SingleFlight<V> {
  const flights = new Map<string, Promise<V>>();

  /** Starts a load and makes it the key's flight, in place of one that hangs. */
  function lead(key: string, load: () => Promise<V>): Promise<V> {
    const flight = load();
    const land = () => {
      if (flights.get(key) === flight) flights.delete(key);
    };
    flights.set(key, flight);
    flight.then(land, land);
    return flight;
  }

  return {
    async run(key, load, { clock, followerWaitMs }) {
      let patience: Promise<typeof WAITED> | undefined;
      for (;;) {
        const flight = flights.get(key);
        if (!flight) return lead(key, load);
        // One wait for all leaders that this follower sees: its bound holds however many of them fail.
        patience ??= clock.after(followerWaitMs).then(() => WAITED);
        const outcome = await Promise.race([flight.catch(() => FAILED), patience]);
        if (outcome === FAILED) continue;
        if (outcome !== WAITED) return outcome as V;
        // A flight never lands when the request that led it was cancelled: the first who tires of it takes its place.
        return flights.get(key) === flight ? lead(key, load) : load();
      }
    },
  };
}
