/**
 * What an import tells: devices hear of each part and each place that they may already show, and the cache drops what
 * became stale. New parts and new places are announced to no device.
 */
import { CATALOG_KEY, partKey } from "../cache/parts-cache.ts";
import { OUTBOX_POLL_MS } from "../config.ts";
import { inventoryUpdated } from "../db/queries/inventory.ts";
import { movementQuantity, type StockPlan, type StockRecord } from "../db/queries/import-stock.ts";
import { partUpdated } from "../db/queries/part-writes.ts";
import type { AnyEventDraft } from "../db/unit-of-work.ts";

/** Keys of one message: a consumer's turn has 1,000 KV operations. */
const KEYS_PER_DROP = 500;

export interface Announcements {
  readonly events: readonly AnyEventDraft[];
  /** What became stale in the cache and isn't dropped by the events themselves. */
  readonly unheard: readonly string[];
}

export const NO_ANNOUNCEMENTS: Announcements = { events: [], unheard: [] };

/** PartUpdated for each part that existed and changed. New parts are in no cached view, but make the lists stale. */
export function announceParts(updatedSkus: readonly string[], createdCount: number, at: string): Announcements {
  if (updatedSkus.length + createdCount === 0) return NO_ANNOUNCEMENTS;
  return {
    events: updatedSkus.map((sku) => partUpdated(sku, at)),
    unheard: updatedSkus.length === 0 ? [CATALOG_KEY] : [],
  };
}

/** InventoryUpdated for each changed bin of a place that had a level before. Cached parts show stock: all are stale. */
export function announceStock(
  plan: StockPlan,
  records: readonly StockRecord[],
  source: string,
  at: string,
): Announcements {
  const events: AnyEventDraft[] = [];
  const changed = new Set<string>();
  const heard = new Set<string>();
  for (const record of records) {
    const difference = plan.differences.get(record.at);
    if (!difference) continue;
    changed.add(record.sku);
    if (difference.is_known === 0 || (difference.is_new === 1 && record.quantity === 0)) continue;
    heard.add(record.sku);
    const { sku, location, bin, movement_id: movementId } = record;
    const change = { sku, location, bin, quantity: 0, kind: "import", source, movementId, at } as const;
    const draft = inventoryUpdated(change, difference.region);
    events.push({ ...draft, fill: { ...draft.fill, "$.data.quantity_change": movementQuantity(change) } });
  }
  const unheard = [...changed].filter((sku) => !heard.has(sku));
  return { events, unheard: unheard.map(partKey) };
}

/** What only cached views show, such as offers: no device keeps it. */
export function announceViews(skus: Iterable<string>, more: readonly string[] = []): Announcements {
  return { events: [], unheard: [...more, ...[...new Set(skus)].map(partKey)] };
}

/**
 * Drops of the keys that no event drops. Of very many keys each message is due one poll after the one before, so that a
 * consumer's turn holds few of them.
 */
export function cacheDrops({ unheard: keys }: Announcements, nowMs: number): AnyEventDraft[] {
  const messages: AnyEventDraft[] = [];
  for (let from = 0; from < keys.length; from += KEYS_PER_DROP) {
    const some = keys.slice(from, from + KEYS_PER_DROP);
    const dueInMs = messages.length * OUTBOX_POLL_MS;
    messages.push({
      type: "CacheDropDue",
      subject: `cache/${some[0] ?? ""}`,
      region: null,
      sequence: 0,
      data: { keys: some, timestamp: new Date(nowMs).toISOString() },
      ...(dueInMs === 0 ? {} : { notBefore: nowMs + dueInMs }),
    });
  }
  return messages;
}
