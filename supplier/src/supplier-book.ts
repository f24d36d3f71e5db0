/**
 * One supplier's order book and switches. One key makes one purchase order, unless the double-accept switch is on;
 * a late acceptance is a row with an alarm, so it happens although the caller has gone and the object was evicted. Every
 * call to the API is on record with its answer.
 */
import { DurableObject } from "cloudflare:workers";
import { createBook } from "./book-schema.ts";
import { confirmedTerms } from "./confirmation.ts";
import { decidePlacement, type KnownKey } from "./placement.ts";
import type { Draft, PurchaseOrder, Terms } from "./purchase-order.ts";
import { ALL_OFF, type Switches } from "./switches.ts";

const SHOWN_ORDERS = 50;
const SHOWN_CALLS = 50;
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
  /** The last ones, newest first; `answered`: the status, null while there is none. */
  readonly calls: readonly { readonly at: string; readonly what: string; readonly answered: number | null }[];
}

type OrderRow = Record<"seq", number> &
  Record<"supplier" | "status" | "idempotency_key" | "order_id" | "draft" | "confirmed", string>;

export class SupplierBook extends DurableObject<object> {
  constructor(ctx: DurableObjectState, env: object) {
    super(ctx, env);
    createBook(this.ctx.storage.sql);
  }

  switches(): Switches {
    return { ...ALL_OFF, ...this.ctx.storage.kv.get<Switches>("switches") };
  }

  /** Puts a call to the API on record, whatever becomes of it, and says how to answer it. */
  called(what: string): { readonly call: number; readonly on: Switches } {
    const { seq } = this.ctx.storage.sql
      .exec<{ seq: number }>("INSERT INTO calls (at, what) VALUES (?, ?) RETURNING seq", new Date().toISOString(), what)
      .one();
    return { call: seq, on: this.switches() };
  }

  answered(call: number, status: number): void {
    this.ctx.storage.sql.exec("UPDATE calls SET answered = ? WHERE seq = ?", status, call);
  }

  /** How often the API was called since then (ISO 8601): `GET health`, `POST purchase-orders`, … */
  calls(since: string): Readonly<Record<string, number>> {
    const rows = this.ctx.storage.sql
      .exec<{ what: string; n: number }>("SELECT what, COUNT(*) AS n FROM calls WHERE at >= ? GROUP BY what", since)
      .toArray();
    return Object.fromEntries(rows.map(({ what, n }) => [what, n]));
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
    const made = decision === "accept" ? this.#accept(supplier, key, draft) : null;
    if (made !== null && switches.cancel_at_once) this.#cancel(made);
    const order = made === null ? this.find(key)[0] : this.#orders("WHERE seq = ?", made)[0];
    if (!order) throw new Error("an order that was just written, or is to be replayed, isn't there");
    const replyLost = switches.lost_reply_next > 0;
    if (replyLost) this.setSwitches({ ...switches, lost_reply_next: switches.lost_reply_next - 1 });
    return { kind: "order", order, created: decision === "accept", replyLost };
  }

  /** Every order made under the key, oldest first. */
  find(key: string): PurchaseOrder[] {
    return this.#orders("WHERE idempotency_key = ? ORDER BY seq", key);
  }

  /** Cancelling what is cancelled succeeds, also when the supplier refuses to cancel anything more. */
  cancel(reference: string, key: string): Cancelled {
    const seq = Number(/-(\d{6,12})$/.exec(reference)?.[1] ?? 0) - FIRST_NUMBER;
    const order = this.#orders("WHERE seq = ?", seq)[0];
    if (order?.reference !== reference || order.idempotency_key !== key) return { kind: "unknown" };
    if (order.status === "accepted") {
      if (this.switches().refuse_to_cancel) return { kind: "refuse" };
      this.#cancel(seq);
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
      calls: this.ctx.storage.sql
        .exec<{ at: string; what: string; answered: number | null }>(
          "SELECT at, what, answered FROM calls ORDER BY seq DESC LIMIT ?",
          SHOWN_CALLS,
        )
        .toArray(),
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
    const sql = `SELECT 'ordered' AS state, draft FROM purchase_orders WHERE idempotency_key = ?1
      UNION ALL SELECT 'late', draft FROM late_acceptances WHERE idempotency_key = ?1 LIMIT 1`;
    const row = this.ctx.storage.sql.exec<{ state: "ordered" | "late"; draft: string }>(sql, key).toArray()[0];
    return row ?? null;
  }

  /** Its number in the book. What it confirms is what the switches make of the draft now. */
  #accept(supplier: string, key: string, draft: Draft): number {
    const { seq } = this.ctx.storage.sql
      .exec<{ seq: number }>(
        `INSERT INTO purchase_orders (supplier, status, idempotency_key, order_id, draft, confirmed)
         VALUES (?, 'accepted', ?, ?, ?, ?) RETURNING seq`,
        supplier,
        key,
        draft.order_id,
        JSON.stringify(draft),
        JSON.stringify(confirmedTerms(this.switches(), draft)),
      )
      .one();
    return seq;
  }

  #cancel(seq: number): void {
    this.ctx.storage.sql.exec("UPDATE purchase_orders SET status = 'cancelled' WHERE seq = ?", seq);
  }

  #orders(clause: string, parameter: string | number): PurchaseOrder[] {
    const rows = this.ctx.storage.sql.exec<OrderRow>(`SELECT * FROM purchase_orders ${clause}`, parameter).toArray();
    return rows.map((row) => ({
      reference: `${row.supplier.toUpperCase()}-${FIRST_NUMBER + row.seq}`,
      status: row.status as PurchaseOrder["status"],
      idempotency_key: row.idempotency_key,
      order_id: row.order_id,
      ...(JSON.parse(row.confirmed) as Terms),
    }));
  }
}
