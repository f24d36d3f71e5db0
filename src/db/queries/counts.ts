/** The writes and the answer of `CountStock`: the bin becomes what was counted if it still holds what the plan saw. */
import { sql, type SQL } from "drizzle-orm";
import type { GuardedWrite } from "../unit-of-work.ts";
import { movementInsert, type StockChange } from "./stock.ts";

/**
 * `change.quantity`: the difference, not 0. `held`: what the bin held, null when there was none. CONFLICT: it holds
 * something else by now; INSUFFICIENT_STOCK: what is left would be less than what is reserved.
 */
export function countWrites(change: StockChange, held: number | null): GuardedWrite[] {
  const { sku, location, bin, quantity } = change;
  const level: GuardedWrite = {
    statement: sql`INSERT INTO stock_levels(sku, location, on_hand) SELECT ${sku}, ${location}, ${Math.max(0, quantity)} WHERE true
      ON CONFLICT(sku, location) DO UPDATE SET on_hand = on_hand + ${quantity}, version = version + 1
        WHERE on_hand + ${quantity} >= reserved`,
    expect: { rows: 1, otherwise: "INSUFFICIENT_STOCK" },
  };
  const movement: GuardedWrite = { statement: movementInsert(change) };
  if (held === null) {
    const opened = sql`INSERT INTO stock_bins(sku, location, bin, quantity) VALUES (${sku}, ${location}, ${bin}, ${quantity})
      ON CONFLICT DO NOTHING`;
    return [level, { statement: opened, expect: { rows: 1, otherwise: "CONFLICT" } }, movement];
  }
  const counted = sql`UPDATE stock_bins SET quantity = ${held + quantity}
    WHERE sku = ${sku} AND location = ${location} AND bin = ${bin} AND quantity = ${held}`;
  return [{ statement: counted, expect: { rows: 1, otherwise: "CONFLICT" } }, level, movement];
}

export function countAnswer(q: {
  sku: string;
  location: string;
  bin: string;
  counted: number;
  difference: number;
}): SQL {
  const level = (column: string) =>
    sql`COALESCE((SELECT ${sql.identifier(column)} FROM stock_levels WHERE sku = ${q.sku} AND location = ${q.location}), 0)`;
  return sql`SELECT json_object('sku', ${q.sku}, 'location', ${q.location}, 'bin', ${q.bin}, 'counted', ${q.counted},
    'difference', ${q.difference}, 'on_hand', ${level("on_hand")}, 'reserved', ${level("reserved")},
    'version', ${level("version")})`;
}
