/**
 * One supplier's order book and switches. One key makes one purchase order, unless the double-accept switch is on;
 * a late acceptance is a row with an alarm, so it happens although the caller has gone and the object was evicted.
 */
import { DurableObject } from "cloudflare:workers";
import { decidePlacement, type KnownKey } from "./placement.ts";
import { totalOf, type Draft, type PurchaseOrder } from "./purchase-order.ts";
import { ALL_OFF, type Switches } from "./switches.ts";

const SHOWN_ORDERS = 50;
const FIRST_NUMBER = 100_000;

export type Placed =
  | { readonly kind: "order"; readonly order: PurchaseOrder; readonly created: boolean; readonly replyLost: boolean }
  | { readonly kind: "fail" | "mismatch" | "refuse" | "accept_late" };

export type Cancelled =
  | { readonly kind: "cancelled"; readonly reference: string }
  | { readonly kind: "unknown" | "refuse" };

export interface BookView {
  readonly switches: Switches;
  readonly orders: readonly PurchaseOrder[];
  readonly late: readonly { readonly key: string; readonly dueAt: string }[];
}

type OrderRow = Record<"seq" | "total", number> &
  Record<"supplier" | "status" | "idempotency_key" | "order_id" | "currency" | "draft", string>;

export class SupplierBook extends DurableObject<object> {
  constructor(ctx: DurableObjectState, env: object) {
    super(ctx, env);
    this.ctx.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS orders (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        supplier TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('accepted', 'cancelled')),
        idempotency_key TEXT NOT NULL,
        order_id TEXT NOT NULL,
        total INTEGER NOT NULL,
        currency TEXT NOT NULL,
        draft TEXT NOT NULL
      );
      CREATE INDEX IF NOT EXISTS orders_by_key ON orders(idempotency_key);
      CREATE TABLE IF NOT EXISTS late_acceptances (
        idempotency_key TEXT PRIMARY KEY,
        supplier TEXT NOT NULL,
        draft TEXT NOT NULL,
        due_at INTEGER NOT NULL
      );`);
  }

  switches(): Switches {
    return { ...ALL_OFF, ...this.ctx.storage.kv.get<Switches>("switches") };
  }

  /** Counts a call to the API, whatever becomes of it, and says how to answer it. */
  called(what: string): Switches {
    const calls = this.calls();
    this.ctx.storage.kv.put("calls", { ...calls, [what]: (calls[what] ?? 0) + 1 });
    return this.switches();
  }

  /** How often the API was called so far: `GET health`, `POST purchase-orders`, … */
  calls(): Readonly<Record<string, number>> {
    return this.ctx.storage.kv.get<Record<string, number>>("calls") ?? {};
  }

  setSwitches(switches: Switches): void {
    this.ctx.storage.kv.put("switches", switches);
  }

  /** `supplier` prefixes the references. Same key and body again: the order as it now stands. */
  async place(supplier: string, key: string, draft: Draft): Promise<Placed> {
    const switches = this.switches();
    const body = JSON.stringify(draft);
    const decision = decidePlacement(switches, this.#known(key), body);
    if (decision === "fail") this.setSwitches({ ...switches, fail_next: switches.fail_next - 1 });
    if (decision === "accept_late") {
      this.ctx.storage.sql.exec(
        "INSERT OR IGNORE INTO late_acceptances (idempotency_key, supplier, draft, due_at) VALUES (?, ?, ?, ?)",
        key,
        supplier,
        body,
        Date.now() + switches.accept_late_ms,
      );
      await this.#setNextAlarm();
    }
    if (decision !== "accept" && decision !== "replay") return { kind: decision };
    const order = decision === "accept" ? this.#accept(supplier, key, draft) : this.find(key)[0];
    if (!order) throw new Error("nothing to replay under this key");
    const replyLost = switches.lost_reply_next > 0;
    if (replyLost) this.setSwitches({ ...switches, lost_reply_next: switches.lost_reply_next - 1 });
    return { kind: "order", order, created: decision === "accept", replyLost };
  }

  /** Every order made under the key, oldest first. */
  find(key: string): PurchaseOrder[] {
    return this.#orders("WHERE idempotency_key = ? ORDER BY seq", key);
  }

  /** Cancelling what is cancelled succeeds, also when the supplier refuses to cancel anything more. */
  cancel(reference: string): Cancelled {
    const seq = Number(/-(\d{6,12})$/.exec(reference)?.[1] ?? 0) - FIRST_NUMBER;
    const order = this.#orders("WHERE seq = ?", seq)[0];
    if (order?.reference !== reference) return { kind: "unknown" };
    if (order.status === "accepted") {
      if (this.switches().refuse_to_cancel) return { kind: "refuse" };
      this.ctx.storage.sql.exec("UPDATE orders SET status = 'cancelled' WHERE seq = ?", seq);
    }
    return { kind: "cancelled", reference };
  }

  view(): BookView {
    const late = this.ctx.storage.sql
      .exec<{ idempotency_key: string; due_at: number }>("SELECT * FROM late_acceptances ORDER BY due_at")
      .toArray();
    return {
      switches: this.switches(),
      orders: this.#orders("ORDER BY seq DESC LIMIT ?", SHOWN_ORDERS),
      late: late.map((row) => ({ key: row.idempotency_key, dueAt: new Date(row.due_at).toISOString() })),
    };
  }

  /** Accepts what waits for its late acceptance without waiting longer. Returns how many that were. */
  async acceptLateNow(): Promise<number> {
    return this.#acceptLate(Number.MAX_SAFE_INTEGER);
  }

  override async alarm(): Promise<void> {
    // The alarm was set for the earliest row, so that one is due even if this clock lags behind the scheduler's.
    const earliest = this.#earliestLate();
    if (earliest !== null) await this.#acceptLate(Math.max(Date.now(), earliest));
  }

  async #acceptLate(untilMs: number): Promise<number> {
    const due = this.ctx.storage.sql
      .exec<{ idempotency_key: string; supplier: string; draft: string }>(
        "DELETE FROM late_acceptances WHERE due_at <= ? RETURNING idempotency_key, supplier, draft",
        untilMs,
      )
      .toArray();
    for (const row of due) {
      const again = this.find(row.idempotency_key).length > 0;
      if (again && !this.switches().double_accept) continue;
      this.#accept(row.supplier, row.idempotency_key, JSON.parse(row.draft) as Draft);
    }
    await this.#setNextAlarm();
    return due.length;
  }

  async #setNextAlarm(): Promise<void> {
    const earliest = this.#earliestLate();
    await (earliest === null ? this.ctx.storage.deleteAlarm() : this.ctx.storage.setAlarm(earliest));
  }

  #earliestLate(): number | null {
    return this.ctx.storage.sql.exec<{ at: number | null }>("SELECT MIN(due_at) AS at FROM late_acceptances").one().at;
  }

  #known(key: string): KnownKey | null {
    const sql = `SELECT 'ordered' AS state, draft FROM orders WHERE idempotency_key = ?1
      UNION ALL SELECT 'late', draft FROM late_acceptances WHERE idempotency_key = ?1 LIMIT 1`;
    const row = this.ctx.storage.sql.exec<{ state: "ordered" | "late"; draft: string }>(sql, key).toArray()[0];
    return row ?? null;
  }

  #accept(supplier: string, key: string, draft: Draft): PurchaseOrder {
    const { seq } = this.ctx.storage.sql
      .exec<{ seq: number }>(
        `INSERT INTO orders (supplier, status, idempotency_key, order_id, total, currency, draft)
         VALUES (?, 'accepted', ?, ?, ?, ?, ?) RETURNING seq`,
        supplier,
        key,
        draft.order_id,
        totalOf(draft),
        draft.currency,
        JSON.stringify(draft),
      )
      .one();
    const [order] = this.#orders("WHERE seq = ?", seq);
    if (!order) throw new Error("an order that was just written isn't there");
    return order;
  }

  #orders(clause: string, parameter: string | number): PurchaseOrder[] {
    const rows = this.ctx.storage.sql.exec<OrderRow>(`SELECT * FROM orders ${clause}`, parameter).toArray();
    return rows.map((row) => ({
      reference: `${row.supplier.toUpperCase()}-${FIRST_NUMBER + row.seq}`,
      status: row.status as PurchaseOrder["status"],
      idempotency_key: row.idempotency_key,
      order_id: row.order_id,
      total: row.total,
      currency: row.currency,
    }));
  }
}
