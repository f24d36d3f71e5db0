/** Tells the cache of parts whose shown stock changed by something that no event of its own tells: reserved, incoming. */
import { partKey } from "../cache/parts-cache.ts";
import type { AnyEventDraft } from "../db/unit-of-work.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

/** None for no parts. One order has at most 1,000 lines, and a message holds the keys of one order. */
export function staleParts(
  deps: Pick<ServiceDeps, "clock">,
  subject: string,
  parts: readonly { readonly sku: string }[],
): AnyEventDraft[] {
  const keys = [...new Set(parts.map(({ sku }) => partKey(sku)))];
  if (keys.length === 0) return [];
  return [{ type: "CacheDropDue", subject, region: null, sequence: 0, data: { keys, timestamp: isoNow(deps) } }];
}
