/** updateInventory and updatePart: what a command writes. One batch: claim, effect, movement, audit, events. */
import { CACHE_SECOND_DROP_MS } from "../config.ts";
import { CATALOG_KEY, partKey } from "../cache/parts-cache.ts";
import { applyCommandRow } from "../db/queries/commands.ts";
import { inventoryAnswer, inventoryUpdated, inventoryWrites } from "../db/queries/inventory.ts";
import { partAnswer, partUpdated, updatePartRow } from "../db/queries/part-writes.ts";
import type { StockChange } from "../db/queries/stock.ts";
import type { AnyEventDraft, UnitOfWork } from "../db/unit-of-work.ts";
import type { CommandData } from "../domain/commands.ts";
import type { Actor, Trace } from "../domain/trace.ts";

interface CommandContext {
  readonly commandId: string;
  readonly actor: Actor;
  readonly trace: Trace;
  readonly nowMs: number;
}

export function updateInventory(
  context: CommandContext,
  change: StockChange,
  region: string,
  reason?: string,
): UnitOfWork {
  return {
    trace: context.trace,
    writes: [...inventoryWrites(change), applyCommandRow(context.commandId, change.at, inventoryAnswer(change))],
    audit: [
      {
        actor: context.actor,
        action: "inventory.updated",
        subject: `stock/${change.sku}@${change.location}`,
        after: { bin: change.bin, quantity_change: change.quantity, command_id: context.commandId },
        ...(reason === undefined ? {} : { reason }),
      },
    ],
    events: [inventoryUpdated(change, region), secondDrop(context.nowMs, [partKey(change.sku)])],
  };
}

export function updatePart(context: CommandContext, data: CommandData<"UpdatePart">): UnitOfWork {
  const at = new Date(context.nowMs).toISOString();
  const { sku, ...after } = data;
  return {
    trace: context.trace,
    writes: [updatePartRow(data), applyCommandRow(context.commandId, at, partAnswer(sku))],
    audit: [
      {
        actor: context.actor,
        action: "part.updated",
        subject: `part/${sku}`,
        after: { ...after, command_id: context.commandId },
      },
    ],
    events: [partUpdated(sku, at), secondDrop(context.nowMs, [partKey(sku), CATALOG_KEY])],
  };
}

/** A reader may put back what a writer just dropped; dropping again later than any such reader bounds the staleness. */
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
