/** Orders: rows, the fence that every batch of the saga passes, and the reads of the saga and of the API. */
import { and, asc, desc, eq, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { orderLines, orders, purchaseOrders } from "../schema/orders.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import type { PageKey } from "./requests.ts";

export type OrderRow = typeof orders.$inferSelect;
export type OrderLineRow = typeof orderLines.$inferSelect;

export interface NewOrder {
  readonly id: string;
  readonly requestId: string | null;
  readonly requester: string;
  readonly deviceId: string;
  readonly region: string;
  readonly destination: string;
  readonly total: number;
  readonly currency: string;
  readonly at: string;
  readonly lines: readonly Omit<OrderLineRow, "orderId">[];
}

export function insertOrder(order: NewOrder): GuardedWrite[] {
  return [
    {
      statement: sql`INSERT INTO orders(id, request_id, requester, device_id, region, destination, status, step, total,
          currency, next_wake_at, created_at, updated_at)
        VALUES (${order.id}, ${order.requestId}, ${order.requester}, ${order.deviceId}, ${order.region},
          ${order.destination}, 'Pending', 'create', ${order.total}, ${order.currency}, ${order.at}, ${order.at}, ${order.at})
        ON CONFLICT DO NOTHING`,
      expect: { rows: 1, otherwise: "DUPLICATE" },
    },
    {
      statement: sql`INSERT INTO order_lines(order_id, line, request_line, sku, quantity, source, location, supplier,
          order_quantity, unit_price, available_on, reason, needed_by, lead_days, freight, supplier_terms)
        SELECT ${order.id}, value ->> 'line', value ->> 'requestLine', value ->> 'sku', value ->> 'quantity',
          value ->> 'source', value ->> 'location', value ->> 'supplier', value ->> 'orderQuantity',
          value ->> 'unitPrice', value ->> 'availableOn', value ->> 'reason', value ->> 'neededBy', value ->> 'leadDays',
          value ->> 'freight', value ->> 'supplierTerms'
        FROM json_each(${JSON.stringify(order.lines)})`,
      expect: { rows: order.lines.length, otherwise: "CONFLICT" },
    },
  ];
}

/** Whatever lands is progress: the order isn't stuck where it was. Columns of no index: the row is written anyway. */
const MOVES_ON = sql`stuck_since = NULL, attempts = 0, last_error = NULL`;

/** First write of every forward step: a step of a cancelled or taken-over order can't land any more. */
export function passFence(orderId: string, fence: number, step: string, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE orders SET step = ${step}, updated_at = ${at}, version = version + 1, ${MOVES_ON}
      WHERE id = ${orderId} AND status = 'Pending' AND fence = ${fence}`,
    expect: { rows: 1, otherwise: "FENCED" },
  };
}

/** First act of any compensation: after it no earlier step can land. */
export function raiseFence(orderId: string, fence: number, error: string, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE orders SET status = 'Cancelling', fence = fence + 1, error = ${error}, updated_at = ${at},
        version = version + 1, ${MOVES_ON} WHERE id = ${orderId} AND status = 'Pending' AND fence = ${fence}`,
    expect: { rows: 1, otherwise: "FENCED" },
  };
}

/** Every batch of a compensation asserts that it still owns the order. */
export function passCompensation(orderId: string, fence: number, step: string, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE orders SET step = ${step}, updated_at = ${at}, version = version + 1, ${MOVES_ON}
      WHERE id = ${orderId} AND status = 'Cancelling' AND fence = ${fence}`,
    expect: { rows: 1, otherwise: "FENCED" },
  };
}

/**
 * An act of a person: the order is taken over by the next fence, so that nothing of before can land any more. `whole`: only
 * while nothing of the order is on its way from one place to another.
 */
export function takeOver(
  orderId: string,
  q: {
    from: "Pending" | "Cancelling" | "NeedsAttention";
    to: "Pending" | "Cancelling";
    fence: number;
    error: string | null;
    at: string;
    whole: boolean;
  },
): GuardedWrite {
  const whole = q.whole ? sql` AND NOT EXISTS (${UNDER_WAY})` : sql``;
  return {
    statement: sql`UPDATE orders SET status = ${q.to}, fence = fence + 1, error = ${q.error}, next_wake_at = ${q.at},
        updated_at = ${q.at}, version = version + 1, ${MOVES_ON}
      WHERE id = ${orderId} AND status = ${q.from} AND fence = ${q.fence}${whole}`,
    expect: { rows: 1, otherwise: "FENCED" },
  };
}

/** Transfers of an order that haven't arrived. */
const UNDER_WAY = sql`SELECT 1 FROM transfers t WHERE t.order_id = orders.id AND t.state IN ('in_transit', 'partially_received')`;

/** What a cancelled order may not leave behind. */
const LEFT_OPEN = sql`SELECT 1 FROM reservations r WHERE r.order_id = orders.id AND r.state = 'open'
  UNION ALL SELECT 1 FROM purchase_orders p WHERE p.order_id = orders.id AND p.status = 'placed'
  UNION ALL ${UNDER_WAY}`;

/**
 * `error`: JSON of what went wrong, kept if the fence hasn't noted it already. An order with anything left open isn't
 * Cancelled, whoever says so.
 */
export function endOrder(
  orderId: string,
  q: {
    from: "Pending" | "Cancelling";
    fence: number;
    to: "Completed" | "Cancelled" | "NeedsAttention";
    at: string;
    error?: string | null;
    /** Where a person is to look. */
    step?: string | undefined;
    /** When its saga acts next although the order has ended; null: never. */
    wakeAt?: string | null;
  },
): GuardedWrite {
  const stuck = q.to === "NeedsAttention" ? sql`stuck_since = COALESCE(stuck_since, ${q.at})` : MOVES_ON;
  const closed = q.to === "Cancelled" ? sql` AND NOT EXISTS (${LEFT_OPEN})` : sql``;
  return {
    statement: sql`UPDATE orders SET status = ${q.to}, step = ${q.step ?? "ended"}, error = COALESCE(error, ${q.error ?? null}),
        next_wake_at = ${q.wakeAt ?? null}, updated_at = ${q.at}, version = version + 1, ${stuck}
      WHERE id = ${orderId} AND status = ${q.from} AND fence = ${q.fence}${closed}`,
    expect: { rows: 1, otherwise: "FENCED" },
  };
}

export async function findOrder(db: Database, id: string): Promise<{ order: OrderRow; lines: OrderLineRow[] } | null> {
  const [rows, lines] = await db.batch([
    db.select().from(orders).where(eq(orders.id, id)).limit(1),
    db.select().from(orderLines).where(eq(orderLines.orderId, id)).orderBy(asc(orderLines.line)),
  ]);
  const order = rows[0];
  return order ? { order, lines } : null;
}

/** Newest first. Of no `status` in particular: all but the cancelled ones. */
export async function listOrders(
  db: Database,
  q: { region: string | null; status?: OrderRow["status"] | undefined; after: PageKey | null; limit: number },
) {
  return db
    .select()
    .from(orders)
    .where(
      and(
        q.region === null ? undefined : eq(orders.region, q.region),
        q.after === null ? undefined : sql`(${orders.createdAt}, ${orders.id}) < (${q.after[0]}, ${q.after[1]})`,
        q.status === undefined ? sql`${orders.status} <> 'Cancelled'` : eq(orders.status, q.status),
      ),
    )
    .orderBy(desc(orders.createdAt), desc(orders.id))
    .limit(q.limit);
}

export function insertPurchaseOrder(po: {
  id: string;
  orderId: string;
  supplier: string;
  key: string;
  reference: string;
  /** Goods and freight, in the supplier's currency. */
  total: number;
  freight: number;
  currency: string;
  at: string;
  lines: readonly { line: number; sku: string; quantity: number; unitPrice: number; dueAt: string }[];
}): GuardedWrite[] {
  return [
    {
      statement: sql`INSERT INTO purchase_orders(id, order_id, supplier, idempotency_key, supplier_reference, status, total,
          freight, currency, created_at, updated_at)
        VALUES (${po.id}, ${po.orderId}, ${po.supplier}, ${po.key}, ${po.reference}, 'placed', ${po.total}, ${po.freight},
          ${po.currency}, ${po.at}, ${po.at})`,
      expect: { rows: 1, otherwise: "DUPLICATE" },
    },
    {
      statement: sql`INSERT INTO purchase_order_lines(purchase_order_id, line, sku, quantity, unit_price, due_at)
        SELECT ${po.id}, value ->> 'line', value ->> 'sku', value ->> 'quantity', value ->> 'unitPrice', value ->> 'dueAt'
        FROM json_each(${JSON.stringify(po.lines)})`,
      expect: { rows: po.lines.length, otherwise: "CONFLICT" },
    },
  ];
}

export async function listPurchaseOrders(db: Database, orderId: string) {
  return db.select().from(purchaseOrders).where(eq(purchaseOrders.orderId, orderId)).orderBy(purchaseOrders.supplier);
}
