/** A reader may put back what a writer just dropped; dropping again later than any such reader bounds the staleness. */
import { CACHE_SECOND_DROP_MS } from "../config.ts";
import type { AnyEventDraft } from "../db/unit-of-work.ts";

export function secondDrop(nowMs: number, keys: readonly string[]): AnyEventDraft {
  return {
    type: "CacheDropDue",
    subject: `cache/${keys[0] ?? ""}`,
    region: null,
    sequence: 0,
    data: { keys: [...keys], timestamp: new Date(nowMs).toISOString() },
    notBefore: nowMs + CACHE_SECOND_DROP_MS,
  };
}
