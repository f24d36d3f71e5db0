/**
 * What an order does to stock: reserve, release, ship, and the reverse. All places of an order are one statement with
 * one assertion on the count; the guard is the level per (sku, location), bins are chosen when picking.
 */
import { sql } from "drizzle-orm";
import type { PlaceDemand } from "../../domain/stock.ts";
import type { Database } from "../database.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import { depart, type Pick } from "./departures.ts";
import { addTo, takeFrom, totals } from "./place-counters.ts";

const places = (rows: readonly PlaceDemand[]) =>
  sql`(SELECT value ->> 'sku' AS sku, value ->> 'location' AS location, value ->> 'quantity' AS quantity
       FROM json_each(${JSON.stringify(rows)})) AS d`;

export function reserve(orderId: string, demand: readonly PlaceDemand[], expiresAt: string): GuardedWrite[] {
  if (demand.length === 0) return [];
  return [
    {
      statement: sql`UPDATE stock_levels SET reserved = reserved + d.quantity, version = version + 1 FROM ${places(demand)}
        WHERE stock_levels.sku = d.sku AND stock_levels.location = d.location AND on_hand - reserved >= d.quantity`,
      expect: { rows: demand.length, otherwise: "INSUFFICIENT_STOCK" },
    },
    {
      statement: sql`INSERT INTO reservations(order_id, sku, location, quantity, state, expires_at)
        SELECT ${orderId}, d.sku, d.location, d.quantity, 'open', ${expiresAt} FROM ${places(demand)} WHERE true
        ON CONFLICT(order_id, sku, location) DO UPDATE SET quantity = excluded.quantity, state = 'open',
          expires_at = excluded.expires_at WHERE state IN ('expired', 'released')`,
      expect: { rows: demand.length, otherwise: "CONFLICT" },
    },
  ];
}

/** Gives back whatever of the order is still reserved: nothing is fine. */
export function release(orderId: string, to: "released" | "expired", dueBefore?: string): GuardedWrite[] {
  const due = dueBefore === undefined ? sql`` : sql` AND expires_at <= ${dueBefore}`;
  return [
    {
      statement: sql`UPDATE stock_levels SET reserved = reserved - r.quantity, version = version + 1
        FROM (SELECT sku, location, quantity FROM reservations WHERE order_id = ${orderId} AND state = 'open'${due}) AS r
        WHERE stock_levels.sku = r.sku AND stock_levels.location = r.location`,
    },
    { statement: sql`UPDATE reservations SET state = ${to} WHERE order_id = ${orderId} AND state = 'open'${due}` },
  ];
}

/** What of the order is reserved past its time. */
export function dueReservations(db: Database, orderId: string, nowIso: string): Promise<PlaceDemand[]> {
  return db.all<PlaceDemand>(sql`SELECT sku, location, quantity FROM reservations
    WHERE order_id = ${orderId} AND state = 'open' AND expires_at <= ${nowIso}`);
}

/** Takes from the levels what isn't reserved; where it goes is the caller's. */
export function takeAvailable(demand: readonly PlaceDemand[]): GuardedWrite {
  return {
    statement: sql`UPDATE stock_levels SET on_hand = on_hand - d.quantity, version = version + 1 FROM ${places(demand)}
      WHERE stock_levels.sku = d.sku AND stock_levels.location = d.location AND on_hand - reserved >= d.quantity`,
    expect: { rows: demand.length, otherwise: "INSUFFICIENT_STOCK" },
  };
}

/** False once its reservation has expired, been released or been used. */
export async function holdsReservation(db: Database, orderId: string): Promise<boolean> {
  const row = await db.get<{ n: number }>(
    sql`SELECT COUNT(*) AS n FROM reservations WHERE order_id = ${orderId} AND state = 'open'`,
  );
  return row.n > 0;
}

/** The places of a demand where less is available than asked: for the answer that names the SKU. */
export async function shortages(db: Database, demand: readonly PlaceDemand[]) {
  return db.all<{ sku: string; location: string; wanted: number; available: number }>(sql`
    SELECT d.sku, d.location, d.quantity AS wanted, COALESCE(l.on_hand - l.reserved, 0) AS available
    FROM ${places(demand)} LEFT JOIN stock_levels l ON l.sku = d.sku AND l.location = d.location
    WHERE COALESCE(l.on_hand - l.reserved, 0) < d.quantity`);
}

export interface Shipment {
  readonly orderId: string;
  readonly destination: string;
  readonly demand: readonly PlaceDemand[];
  readonly picks: readonly Pick[];
  /** What of its purchases is still to come, per SKU: it becomes incoming at the destination. */
  readonly bought: readonly { readonly sku: string; readonly quantity: number }[];
  readonly at: string;
}

/** Ships what was reserved and notes what was bought. Asserts that the reservations are still open. */
export function ship(s: Shipment): GuardedWrite[] {
  const writes: GuardedWrite[] = [];
  if (s.demand.length > 0) {
    writes.push(
      {
        statement: sql`UPDATE reservations SET state = 'used' WHERE order_id = ${s.orderId} AND state = 'open'`,
        expect: { rows: s.demand.length, otherwise: "RESERVATION_GONE" },
      },
      {
        statement: sql`UPDATE stock_levels SET on_hand = on_hand - d.quantity, reserved = reserved - d.quantity,
            version = version + 1 FROM ${places(s.demand)}
          WHERE stock_levels.sku = d.sku AND stock_levels.location = d.location AND reserved >= d.quantity`,
        expect: { rows: s.demand.length, otherwise: "CONFLICT" },
      },
      ...depart({ ...s, source: `order/${s.orderId}` }),
    );
  }
  if (s.bought.length > 0) writes.push(countIncoming(s.orderId, s.destination));
  return [...writes, ...addTo("incoming", s.destination, totals(s.bought))];
}

/** Notes where an order's live purchase orders are counted as incoming. */
function countIncoming(orderId: string, location: string | null): GuardedWrite {
  return {
    statement: sql`UPDATE purchase_orders SET incoming_at = ${location}, version = version + 1
      WHERE order_id = ${orderId} AND status = 'placed'`,
  };
}

/** Undoes a shipment that is still on its way: pieces go back to the bins that they were picked from. */
export function reverseShipment(
  orderId: string,
  destination: string,
  lines: readonly {
    transferId: string;
    sku: string;
    location: string;
    bin: string;
    quantity: number;
    movementId: string;
  }[],
  bought: readonly { sku: string; quantity: number }[],
  at: string,
): GuardedWrite[] {
  const writes: GuardedWrite[] = [];
  const rows = sql`(SELECT value ->> 'sku' AS sku, value ->> 'location' AS location, value ->> 'bin' AS bin,
    value ->> 'quantity' AS quantity, value ->> 'movementId' AS movement_id FROM json_each(${JSON.stringify(lines)})) AS p`;
  if (lines.length > 0) {
    const perPlace = new Map<string, PlaceDemand>();
    for (const line of lines) {
      const key = JSON.stringify([line.sku, line.location]);
      perPlace.set(key, { ...line, quantity: line.quantity + (perPlace.get(key)?.quantity ?? 0) });
    }
    const demand = [...perPlace.values()].map(({ sku, location, quantity }) => ({ sku, location, quantity }));
    writes.push(
      {
        statement: sql`UPDATE transfers SET state = 'reversed', version = version + 1 WHERE order_id = ${orderId} AND state = 'in_transit'`,
        expect: { rows: new Set(lines.map((line) => line.transferId)).size, otherwise: "CONFLICT" },
      },
      {
        statement: sql`UPDATE stock_levels SET on_hand = on_hand + d.quantity, version = version + 1 FROM ${places(demand)}
          WHERE stock_levels.sku = d.sku AND stock_levels.location = d.location`,
        expect: { rows: demand.length, otherwise: "CONFLICT" },
      },
      {
        statement: sql`UPDATE stock_bins SET quantity = stock_bins.quantity + p.quantity FROM ${rows}
          WHERE stock_bins.sku = p.sku AND stock_bins.location = p.location AND stock_bins.bin = p.bin`,
        expect: { rows: lines.length, otherwise: "CONFLICT" },
      },
      {
        statement: sql`INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at)
          SELECT p.movement_id, p.sku, p.location, p.bin, p.quantity, 'ship_reversal', ${`order/${orderId}`}, ${at} FROM ${rows}`,
      },
      ...takeFrom("in_transit", destination, totals(lines)),
    );
  }
  if (bought.length > 0) writes.push(countIncoming(orderId, null));
  return [...writes, ...takeFrom("incoming", destination, totals(bought))];
}

/** Transfers of the order that have arrived, in full or in part: they can't be taken back from afar. */
export async function transfersReceived(db: Database, orderId: string): Promise<string[]> {
  const rows = await db.all<{ id: string }>(sql`SELECT id FROM transfers
    WHERE order_id = ${orderId} AND state IN ('received', 'partially_received') ORDER BY id`);
  return rows.map(({ id }) => id);
}

/** What of an order is on its way, by bin. */
export async function linesInTransit(db: Database, orderId: string) {
  return db.all<{ transferId: string; sku: string; location: string; bin: string; quantity: number }>(sql`
    SELECT t.id AS transferId, l.sku, t.from_location AS location, l.bin, l.quantity
    FROM transfers t JOIN transfer_lines l ON l.transfer_id = t.id
    WHERE t.order_id = ${orderId} AND t.state = 'in_transit'`);
}

/** True when the batch under this inbox key is committed. */
export async function isCommitted(db: Database, scope: string, id: string): Promise<boolean> {
  const row = await db.get<{ n: number }>(sql`SELECT COUNT(*) AS n FROM inbox WHERE scope = ${scope} AND id = ${id}`);
  return row.n === 1;
}

/** Bins of several places at once. */
export async function binsOf(db: Database, demand: readonly PlaceDemand[]) {
  return db.all<{ sku: string; location: string; bin: string; quantity: number }>(sql`
    SELECT b.sku, b.location, b.bin, b.quantity FROM stock_bins b
    JOIN ${places(demand)} ON d.sku = b.sku AND d.location = b.location WHERE b.quantity > 0`);
}
