/** Drops cached parts when they change (second-drop.ts does it once more). KV first, then the bit: dropping twice is harmless. */
import { CATALOG_KEY, partKey } from "../cache/parts-cache.ts";
import { dropKeys } from "../cache/read-through.ts";
import type { MessageType } from "../domain/events.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { markDone, type Delivery } from "./delivery.ts";

export interface CacheInvalidationDeps extends ServiceDeps {
  readonly kv: KVNamespace;
}

/** The messages that make keys stale. */
export const STALE_TYPES = [
  "PartUpdated",
  "InventoryUpdated",
  "TransferReceived",
  "PurchaseOrderReceived",
  "PurchaseOrderClosed",
  "CacheDropDue",
] as const satisfies readonly MessageType[];

/** The keys that a message makes stale. */
export function staleKeys(message: Delivery["message"]): string[] {
  if (message.type === "PartUpdated") return [partKey(message.data.sku), CATALOG_KEY];
  if (message.type === "InventoryUpdated") return [partKey(message.data.sku)];
  if (
    message.type === "TransferReceived" ||
    message.type === "PurchaseOrderReceived" ||
    message.type === "PurchaseOrderClosed"
  ) {
    return message.data.lines.map((line) => partKey(line.sku));
  }
  if (message.type === "CacheDropDue") return message.data.keys;
  return [];
}

/** `dropped`: keys that this queue batch has dropped already (KV takes one write a second per key). */
export async function invalidateCache(
  deps: CacheInvalidationDeps,
  delivery: Delivery,
  dropped: Set<string>,
): Promise<void> {
  const keys = staleKeys(delivery.message).filter((key) => !dropped.has(key));
  await dropKeys(deps.kv, keys);
  for (const key of keys) dropped.add(key);
  await markDone(deps, delivery);
}
