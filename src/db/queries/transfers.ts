/** Transfers: what a receipt writes of them, and the reads of the API. A transfer is open until all its pieces are settled. */
import { asc, desc, eq, inArray, sql, type SQL } from "drizzle-orm";
import type { Database } from "../database.ts";
import { locations } from "../schema/catalogue.ts";
import { orders } from "../schema/orders.ts";
import { receipts, transferLines, transfers } from "../schema/stock.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import type { PageKey } from "./requests.ts";

export type TransferRow = typeof transfers.$inferSelect;
export type TransferLineRow = typeof transferLines.$inferSelect;
export type TransferState = TransferRow["state"];

/** First write of a receipt: nobody has changed the transfer since it was read, and its order can't be undone any more. */
export function settleTransfer(transfer: TransferRow, to: "partially_received" | "received"): GuardedWrite {
  return {
    statement: sql`UPDATE transfers SET state = ${to}, version = version + 1
      WHERE id = ${transfer.id} AND version = ${transfer.version} AND state IN ('in_transit', 'partially_received')
        AND (order_id IS NULL OR EXISTS (SELECT 1 FROM orders o WHERE o.id = transfers.order_id
             AND o.status IN ('Completed', 'NeedsAttention')))`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

export function settleTransferLines(
  transferId: string,
  parts: readonly { sku: string; bin: string; received: number; rejected: number }[],
): GuardedWrite {
  return {
    statement: sql`UPDATE transfer_lines SET received = transfer_lines.received + p.received,
        rejected = transfer_lines.rejected + p.rejected
      FROM (SELECT value ->> 'sku' AS sku, value ->> 'bin' AS bin, value ->> 'received' AS received,
                   value ->> 'rejected' AS rejected FROM json_each(${JSON.stringify(parts)})) AS p
      WHERE transfer_lines.transfer_id = ${transferId} AND transfer_lines.sku = p.sku AND transfer_lines.bin = p.bin`,
    expect: { rows: parts.length, otherwise: "CONFLICT" },
  };
}

/** What a command answers: the transfer as its batch leaves it. */
export function transferAnswer(id: string): SQL {
  return sql`SELECT json_object('transfer_id', t.id, 'from_location', t.from_location, 'to_location', t.to_location,
      'state', t.state, 'quantity', SUM(l.quantity), 'received', SUM(l.received), 'rejected', SUM(l.rejected))
    FROM transfers t JOIN transfer_lines l ON l.transfer_id = t.id WHERE t.id = ${id} GROUP BY t.id`;
}

export interface FoundTransfer {
  readonly transfer: TransferRow;
  /** Of the destination. */
  readonly region: string;
  /** Where its order stands; null without an order. */
  readonly orderStatus: string | null;
  readonly lines: TransferLineRow[];
}

export async function findTransfer(db: Database, id: string): Promise<FoundTransfer | null> {
  const [rows, lines] = await db.batch([
    db
      .select({ transfer: transfers, region: locations.region, orderStatus: orders.status })
      .from(transfers)
      .innerJoin(locations, eq(locations.id, transfers.toLocation))
      .leftJoin(orders, eq(orders.id, transfers.orderId))
      .where(eq(transfers.id, id))
      .limit(1),
    db
      .select()
      .from(transferLines)
      .where(eq(transferLines.transferId, id))
      .orderBy(asc(transferLines.sku), asc(transferLines.bin)),
  ]);
  const row = rows[0];
  return row ? { ...row, lines } : null;
}

/** Newest first: of each state that is asked for as many as a page has, by its stretch of the index. */
export async function listTransfers(
  db: Database,
  q: {
    region: string | null;
    location?: string | undefined;
    state?: TransferState | undefined;
    after: PageKey | null;
    limit: number;
  },
): Promise<TransferRow[]> {
  const also = [
    ...(q.region === null ? [] : [sql`AND to_location IN (SELECT id FROM locations WHERE region = ${q.region})`]),
    ...(q.location === undefined ? [] : [sql`AND (from_location = ${q.location} OR to_location = ${q.location})`]),
    ...(q.after === null ? [] : [sql`AND (created_at, id) < (${q.after[0]}, ${q.after[1]})`]),
  ];
  const states = q.state === undefined ? transfers.state.enumValues : [q.state];
  const pages = states.map(
    (state) => sql`SELECT * FROM (SELECT created_at, id FROM transfers WHERE state = ${state} ${sql.join(also, sql` `)}
      ORDER BY created_at DESC, id DESC LIMIT ${q.limit})`,
  );
  const page = sql`${sql.join(pages, sql` UNION ALL `)} ORDER BY created_at DESC, id DESC LIMIT ${q.limit}`;
  return db
    .select()
    .from(transfers)
    .where(inArray(transfers.id, sql`(SELECT id FROM (${page}))`))
    .orderBy(desc(transfers.createdAt), desc(transfers.id));
}

/** What came in so far, in the order in which it came. `source`: `transfer/{id}` or `purchase-order/{id}`. */
export async function listReceipts(db: Database, source: string) {
  return db
    .select()
    .from(receipts)
    .where(eq(receipts.source, source))
    .orderBy(receipts.at, receipts.commandId, receipts.line);
}
