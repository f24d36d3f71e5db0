/** What leaves a place for another: out of its bins, into transfers, on its way. The level is the caller's, who knows what may leave. */
import { sql } from "drizzle-orm";
import type { PlaceDemand } from "../../domain/stock.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import { addTo, totals } from "./place-counters.ts";

export interface Pick extends PlaceDemand {
  readonly bin: string;
  readonly movementId: string;
  readonly transferId: string;
}

export interface Departure {
  /** null: no order stands behind it. */
  readonly orderId: string | null;
  readonly destination: string;
  /** Not empty; each (sku, location, bin) once. */
  readonly picks: readonly Pick[];
  /** `{kind}/{id}` of what caused it. */
  readonly source: string;
  readonly at: string;
}

/** CONFLICT: a bin holds less than when it was picked from. */
export function depart({ orderId, destination, picks, source, at }: Departure): GuardedWrite[] {
  const rows = sql`json_each(${JSON.stringify(picks)})`;
  return [
    {
      statement: sql`UPDATE stock_bins SET quantity = stock_bins.quantity - p.quantity
        FROM (SELECT value ->> 'sku' AS sku, value ->> 'location' AS location, value ->> 'bin' AS bin,
                     value ->> 'quantity' AS quantity FROM ${rows}) AS p
        WHERE stock_bins.sku = p.sku AND stock_bins.location = p.location AND stock_bins.bin = p.bin
          AND stock_bins.quantity >= p.quantity`,
      expect: { rows: picks.length, otherwise: "CONFLICT" },
    },
    {
      statement: sql`INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at)
        SELECT value ->> 'movementId', value ->> 'sku', value ->> 'location', value ->> 'bin', -(value ->> 'quantity'),
          'ship', ${source}, ${at} FROM ${rows}`,
    },
    {
      statement: sql`INSERT INTO transfers(id, order_id, from_location, to_location, state, created_at)
        SELECT DISTINCT value ->> 'transferId', ${orderId}, value ->> 'location', ${destination}, 'in_transit', ${at}
        FROM ${rows}`,
    },
    {
      statement: sql`INSERT INTO transfer_lines(transfer_id, sku, bin, quantity)
        SELECT value ->> 'transferId', value ->> 'sku', value ->> 'bin', value ->> 'quantity' FROM ${rows}`,
    },
    ...addTo("in_transit", destination, totals(picks)),
  ];
}
