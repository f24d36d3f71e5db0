/** The answer and the event of a change of stock, read from the level in its own batch. */
import { sql, type SQL } from "drizzle-orm";
import type { EventDraft } from "../unit-of-work.ts";
import { levelColumn, type StockChange } from "./stock.ts";

/** What a command answers: the place and what lies there after the change. */
export function inventoryAnswer(change: StockChange): SQL {
  const { sku, location, bin } = change;
  return sql`SELECT json_object('sku', sku, 'location', location, 'bin', ${bin}, 'on_hand', on_hand, 'reserved', reserved,
      'version', version) FROM stock_levels WHERE sku = ${sku} AND location = ${location}`;
}

/** The event of a change; what is on hand and the level's version are filled in by the batch. */
export function inventoryUpdated(change: StockChange, region: string): EventDraft<"InventoryUpdated"> {
  const { sku, location, bin, quantity, at } = change;
  return {
    type: "InventoryUpdated",
    subject: `stock/${sku}@${location}`,
    region,
    sequence: 0,
    data: { sku, location, bin, quantity_change: quantity, on_hand: 0, timestamp: at },
    fill: {
      "$.data.on_hand": levelColumn("on_hand", sku, location),
      "$.sequence": levelColumn("version", sku, location),
    },
  };
}
