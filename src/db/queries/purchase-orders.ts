/** Purchase orders as a warehouse sees them: what a receipt writes of them, and the reads of the API. */
import { and, asc, desc, eq, sql, type SQL } from "drizzle-orm";
import { LEAD_TIME_RECEIPTS } from "../../domain/lead-time.ts";
import type { ClosedShort } from "../../domain/receipt.ts";
import type { Database } from "../database.ts";
import { orders, purchaseOrderLines, purchaseOrders } from "../schema/orders.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import type { PageKey } from "./requests.ts";

export type PurchaseOrderRow = typeof purchaseOrders.$inferSelect;
export type PurchaseOrderLineRow = typeof purchaseOrderLines.$inferSelect;

/** First write of a receipt: nobody has changed the purchase order since it was read, and its order can't be undone any more. */
export function settlePurchaseOrder(po: PurchaseOrderRow, to: "placed" | "completed", at: string): GuardedWrite {
  return {
    statement: sql`UPDATE purchase_orders SET status = ${to}, updated_at = ${at}, version = version + 1
      WHERE id = ${po.id} AND version = ${po.version} AND status = 'placed'
        AND EXISTS (SELECT 1 FROM orders o WHERE o.id = purchase_orders.order_id AND o.status IN ('Completed', 'NeedsAttention'))`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

/** Gives up what is open of `open` lines. Nobody has changed the purchase order since it was read, and its order is over. */
export function closePurchaseOrder(po: PurchaseOrderRow, open: number, closed: ClosedShort): GuardedWrite[] {
  return [
    {
      statement: sql`UPDATE purchase_orders SET status = 'completed', closed_short = ${JSON.stringify(closed)},
          updated_at = ${closed.at}, version = version + 1
        WHERE id = ${po.id} AND version = ${po.version} AND status = 'placed'
          AND EXISTS (SELECT 1 FROM orders o WHERE o.id = purchase_orders.order_id AND o.status = 'Completed')`,
      expect: { rows: 1, otherwise: "CONFLICT" },
    },
    {
      statement: sql`UPDATE purchase_order_lines SET closed = quantity - received - rejected
        WHERE purchase_order_id = ${po.id} AND quantity > received + rejected`,
      expect: { rows: open, otherwise: "CONFLICT" },
    },
  ];
}

/** `dueAt`: when the supplier now promises what is still open; what was due first is kept. */
export function settlePurchaseOrderLines(
  purchaseOrderId: string,
  parts: readonly { line: number; received: number; rejected: number; dueAt: string | null }[],
): GuardedWrite {
  return {
    statement: sql`UPDATE purchase_order_lines SET received = purchase_order_lines.received + p.received,
        rejected = purchase_order_lines.rejected + p.rejected, due_at = COALESCE(p.due_at, purchase_order_lines.due_at),
        first_due_at = COALESCE(first_due_at, CASE WHEN p.due_at <> purchase_order_lines.due_at THEN purchase_order_lines.due_at END)
      FROM (SELECT value ->> 'line' AS line, value ->> 'received' AS received, value ->> 'rejected' AS rejected,
              value ->> 'dueAt' AS due_at
            FROM json_each(${JSON.stringify(parts)})) AS p
      WHERE purchase_order_lines.purchase_order_id = ${purchaseOrderId} AND purchase_order_lines.line = p.line`,
    expect: { rows: parts.length, otherwise: "CONFLICT" },
  };
}

/**
 * Keeps with the supplier's offer how many days these parts took from placed to their last piece, the latest ones only.
 * Where the offer is gone there is nothing to measure for.
 */
export function noteArrivals(po: PurchaseOrderRow, skus: readonly string[], at: string): GuardedWrite {
  const days = sql`CAST(julianday(date(${at})) - julianday(date(${po.createdAt})) AS INTEGER)`;
  return {
    statement: sql`UPDATE supplier_parts SET arrivals = json_insert(CASE
        WHEN json_array_length(arrivals) >= ${LEAD_TIME_RECEIPTS} THEN json_remove(arrivals, '$[0]') ELSE arrivals END,
        '$[#]', ${days})
      WHERE supplier = ${po.supplier} AND sku IN (SELECT value FROM json_each(${JSON.stringify(skus)}))`,
  };
}

/** What a command answers: the purchase order as its batch leaves it. */
export function purchaseOrderAnswer(id: string): SQL {
  return sql`SELECT json_object('purchase_order_id', p.id, 'status', p.status, 'quantity', SUM(l.quantity),
      'received', SUM(l.received), 'rejected', SUM(l.rejected))
    FROM purchase_orders p JOIN purchase_order_lines l ON l.purchase_order_id = p.id WHERE p.id = ${id} GROUP BY p.id`;
}

/** With the order that it was made for; imported history has none. */
export interface PurchaseOrderOf {
  readonly po: PurchaseOrderRow;
  readonly order: { readonly destination: string; readonly region: string; readonly status: string } | null;
}

export interface FoundPurchaseOrder extends PurchaseOrderOf {
  readonly lines: PurchaseOrderLineRow[];
}

/** The order's status under a name of its own: a batch's rows are keyed by column, and both tables have one. */
const withOrder = {
  po: purchaseOrders,
  destination: orders.destination,
  region: orders.region,
  orderStatus: sql<string | null>`${orders.status}`.as("order_status"),
};

interface JoinedRow {
  readonly po: PurchaseOrderRow;
  readonly destination: string | null;
  readonly region: string | null;
  readonly orderStatus: string | null;
}

function ofOrder({ po, destination, region, orderStatus: status }: JoinedRow): PurchaseOrderOf {
  const known = destination !== null && region !== null && status !== null;
  return { po, order: known ? { destination, region, status } : null };
}

export async function findPurchaseOrder(db: Database, id: string): Promise<FoundPurchaseOrder | null> {
  const [rows, lines] = await db.batch([
    db
      .select(withOrder)
      .from(purchaseOrders)
      .leftJoin(orders, eq(orders.id, purchaseOrders.orderId))
      .where(eq(purchaseOrders.id, id))
      .limit(1),
    db
      .select()
      .from(purchaseOrderLines)
      .where(eq(purchaseOrderLines.purchaseOrderId, id))
      .orderBy(asc(purchaseOrderLines.line)),
  ]);
  const row = rows[0];
  return row ? { ...ofOrder(row), lines } : null;
}

/** The open ones have an index of their own, which is used for a status that stands in the statement itself. */
function hasStatus(status: PurchaseOrderRow["status"]): SQL {
  return status === "placed" ? sql`${purchaseOrders.status} = 'placed'` : eq(purchaseOrders.status, status);
}

/** The last of so many back from `after`, in the order of the list; null: there are fewer. */
export async function findPurchaseOrderWalkEnd(
  db: Database,
  after: PageKey | null,
  rows: number,
): Promise<PageKey | null> {
  const from = after === null ? sql`` : sql`WHERE (created_at, id) < (${after[0]}, ${after[1]})`;
  const [row] = await db.all<{ at: string; id: string }>(sql`SELECT created_at AS at, id FROM purchase_orders ${from}
    ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET ${rows - 1}`);
  return row ? [row.at, row.id] : null;
}

/** Newest first. Imported history belongs to no region: only who sees every region sees it. `until`: the last that is looked at. */
export async function listAllPurchaseOrders(
  db: Database,
  q: {
    region: string | null;
    location?: string | undefined;
    status?: PurchaseOrderRow["status"] | undefined;
    after: PageKey | null;
    until?: PageKey | null;
    limit: number;
  },
): Promise<PurchaseOrderOf[]> {
  const key = sql`(${purchaseOrders.createdAt}, ${purchaseOrders.id})`;
  const rows = await db
    .select(withOrder)
    .from(purchaseOrders)
    .leftJoin(orders, eq(orders.id, purchaseOrders.orderId))
    .where(
      and(
        q.region === null ? undefined : eq(orders.region, q.region),
        q.location === undefined ? undefined : eq(orders.destination, q.location),
        q.status === undefined ? undefined : hasStatus(q.status),
        q.after === null ? undefined : sql`${key} < (${q.after[0]}, ${q.after[1]})`,
        q.until ? sql`${key} >= (${q.until[0]}, ${q.until[1]})` : undefined,
      ),
    )
    .orderBy(desc(purchaseOrders.createdAt), desc(purchaseOrders.id))
    .limit(q.limit);
  return rows.map(ofOrder);
}
