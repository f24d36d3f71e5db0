/** The purchase orders of one order: what of them is still to come, and calling one off together with what it brings. */
import { sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import { takeFrom, totals } from "./place-counters.ts";

export interface PurchaseLine {
  readonly id: string;
  readonly key: string;
  readonly status: string;
  readonly version: number;
  /** Where what is open is counted as incoming; null: nowhere. */
  readonly incomingAt: string | null;
  readonly sku: string;
  readonly open: number;
  /** Received or rejected. */
  readonly came: number;
}

/** Every line of the order's purchase orders. */
export async function purchaseLinesOf(db: Database, orderId: string): Promise<PurchaseLine[]> {
  return db.all<PurchaseLine>(sql`
    SELECT p.id, p.idempotency_key AS "key", p.status, p.version, p.incoming_at AS incomingAt, l.sku,
      MAX(0, l.quantity - l.received - l.rejected - l.closed) AS open, l.received + l.rejected AS came
    FROM purchase_orders p JOIN purchase_order_lines l ON l.purchase_order_id = p.id
    WHERE p.order_id = ${orderId} ORDER BY p.id, l.line`);
}

/** Who gave up what is still open of a purchase order of which something has come, and why. */
export interface GivenUp {
  readonly by: string;
  readonly reason: string;
}

/**
 * Nothing more is awaited of these placed purchase orders: cancelled, or completed and closed short where something has
 * come. `lines`: all lines of each. CONFLICT when one has changed since it was read.
 */
export function callOff(lines: readonly PurchaseLine[], at: string, givenUp: GivenUp | null): GuardedWrite[] {
  const placed = lines.filter(({ status }) => status === "placed");
  return [...Map.groupBy(placed, ({ id }) => id)].flatMap(([id, own]) => {
    const isShort = own.some(({ came }) => came > 0);
    const short = isShort && givenUp ? JSON.stringify({ at, ...givenUp }) : null;
    const [{ version, incomingAt } = { version: 0, incomingAt: null }] = own;
    return [
      {
        statement: sql`UPDATE purchase_orders SET status = ${isShort ? "completed" : "cancelled"}, incoming_at = NULL,
            closed_short = ${short}, updated_at = ${at}, version = version + 1
          WHERE id = ${id} AND status = 'placed' AND version = ${version}`,
        expect: { rows: 1, otherwise: "CONFLICT" as const },
      },
      ...(isShort
        ? [
            {
              statement: sql`UPDATE purchase_order_lines SET closed = closed + MAX(0, quantity - received - rejected - closed)
                WHERE purchase_order_id = ${id}`,
            },
          ]
        : []),
      ...(incomingAt === null
        ? []
        : takeFrom("incoming", incomingAt, totals(own.map(({ sku, open: quantity }) => ({ sku, quantity }))))),
    ];
  });
}
