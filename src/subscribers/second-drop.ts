/**
 * Drops cached parts once more, `CACHE_SECOND_DROP_MS` after they changed: a reader may put back what the first drop took
 * away, and nobody who read before the change is still at it by then. The log of events is the timer, a cursor its hand.
 */
import { CACHE_SECOND_DROP_MS } from "../config.ts";
import { dropKeys } from "../cache/read-through.ts";
import type { Database } from "../db/database.ts";
import { eventsOfAge, lastOlderThan, type Share } from "../db/queries/outbox.ts";
import { parseEvent } from "../domain/events.ts";
import type { Clock } from "../domain/ports.ts";
import { STALE_TYPES, staleKeys } from "./cache-invalidation.ts";

export interface SecondDropDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly kv: KVNamespace;
  readonly share: Share;
  /** The place in the log up to which everything was dropped twice; undefined: a shard that has dropped nothing yet. */
  readonly readCursor: () => number | undefined;
  readonly writeCursor: (place: number) => void;
}

const PAGE = 500;
/** Of one run: an invocation has 1,000 KV operations, and one event names at most 500 keys. */
const ENOUGH_KEYS = 400;

/** KV first, then the cursor: a failure in between drops again. An idle run reads next to nothing and writes nothing. */
export async function dropAgain(deps: SecondDropDeps): Promise<void> {
  const olderThanIso = new Date(deps.clock.now() - CACHE_SECOND_DROP_MS).toISOString();
  const dropped = new Set<string>();
  if (deps.readCursor() === undefined) deps.writeCursor(await startOf(deps));
  while (dropped.size < ENOUGH_KEYS) {
    const after = deps.readCursor() ?? 0;
    const { events, upTo } = await eventsOfAge(deps.db, {
      after,
      olderThanIso,
      share: deps.share,
      types: STALE_TYPES,
      limit: PAGE,
    });
    if (upTo === after) return; // nothing of that age
    let reached = upTo;
    const keys = new Set<string>();
    for (const { seq, event } of events) {
      const parsed = parseEvent(event);
      for (const key of parsed.ok ? staleKeys(parsed.message) : []) if (!dropped.has(key)) keys.add(key);
      if (dropped.size + keys.size < ENOUGH_KEYS) continue;
      reached = seq;
      break;
    }
    await dropKeys(deps.kv, keys);
    for (const key of keys) dropped.add(key);
    deps.writeCursor(reached);
  }
}

/** A new shard begins where those before it can't have dropped twice yet: what lay in its buckets before is theirs. */
function startOf({ db, clock }: SecondDropDeps): Promise<number> {
  return lastOlderThan(db, new Date(clock.now() - 2 * CACHE_SECOND_DROP_MS).toISOString());
}
