/** What comes in, of a transfer or of a purchase order: on hand in a bin, with its movement and its receipt. */
import { sql } from "drizzle-orm";
import type { GuardedWrite } from "../unit-of-work.ts";
import { addTo, takeFrom, totals } from "./place-counters.ts";

export interface ReceiptLine {
  /** Of the command. */
  readonly line: number;
  /** Of the purchase order. */
  readonly sourceLine: number | null;
  readonly sku: string;
  readonly received: number;
  readonly rejected: number;
  /** How many of the counter this settles: all that came, but for what is beyond the ordered quantity. */
  readonly settled: number;
  readonly reason: string | null;
}

export interface Receipt {
  readonly commandId: string;
  /** `transfer/{id}` or `purchase-order/{id}`. */
  readonly source: string;
  readonly location: string;
  readonly bin: string;
  readonly lines: readonly ReceiptLine[];
  /** Where the pieces were counted until now, if anywhere. */
  readonly counter: { readonly name: "in_transit" | "incoming"; readonly location: string } | null;
  readonly at: string;
}

export interface Arrival {
  readonly sku: string;
  readonly quantity: number;
  readonly movementId: string;
}

/** `arrivals`: what is received, once per SKU. */
export function receive(receipt: Receipt, arrivals: readonly Arrival[]): GuardedWrite[] {
  const { commandId, source, location, bin, lines, counter, at } = receipt;
  const came = sql`json_each(${JSON.stringify(arrivals)})`;
  const settled = totals(lines.map(({ sku, settled: quantity }) => ({ sku, quantity })));
  const onShelf: GuardedWrite[] =
    arrivals.length === 0
      ? []
      : [
          ...addTo("on_hand", location, arrivals),
          {
            statement: sql`INSERT INTO stock_bins(sku, location, bin, quantity)
              SELECT value ->> 'sku', ${location}, ${bin}, value ->> 'quantity' FROM ${came} WHERE true
              ON CONFLICT(sku, location, bin) DO UPDATE SET quantity = quantity + excluded.quantity`,
            expect: { rows: arrivals.length, otherwise: "CONFLICT" },
          },
          {
            statement: sql`INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at)
              SELECT value ->> 'movementId', value ->> 'sku', ${location}, ${bin}, value ->> 'quantity', 'receipt',
                ${source}, ${at} FROM ${came}`,
          },
        ];
  return [
    ...(counter === null ? [] : takeFrom(counter.name, counter.location, settled)),
    ...onShelf,
    {
      statement: sql`INSERT INTO receipts(command_id, line, source, source_line, sku, location, bin, received, rejected, reason, at)
        SELECT ${commandId}, value ->> 'line', ${source}, value ->> 'sourceLine', value ->> 'sku', ${location}, ${bin},
          value ->> 'received', value ->> 'rejected', value ->> 'reason', ${at} FROM json_each(${JSON.stringify(lines)})`,
    },
  ];
}
