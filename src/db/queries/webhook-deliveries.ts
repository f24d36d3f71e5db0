/** Deliveries of webhooks: one per event and endpoint, with the log of its tries. Every step is guarded by the try's number. */
import { and, asc, desc, eq, gte, inArray, lt, sql, type SQL } from "drizzle-orm";
import type { Database } from "../database.ts";
import { webhookAttempts, webhookDeliveries, webhooks } from "../schema/webhooks.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import type { WebhookRow } from "./webhooks.ts";

export type DeliveryRow = typeof webhookDeliveries.$inferSelect;
export type AttemptRow = typeof webhookAttempts.$inferSelect;

export interface NewDelivery {
  readonly id: string;
  readonly webhookId: string;
  readonly eventId: string;
  readonly type: string;
  /** The body, as it is sent every time. */
  readonly event: string;
  readonly at: string;
}

export function insertDelivery(row: NewDelivery): GuardedWrite {
  return {
    statement: sql`INSERT INTO webhook_deliveries(id, webhook_id, event_id, type, event, state, round_at, next_at, created_at, updated_at)
      VALUES (${row.id}, ${row.webhookId}, ${row.eventId}, ${row.type}, ${row.event}, 'pending', ${row.at}, ${row.at},
        ${row.at}, ${row.at})`,
  };
}

/** A try that was made: its line in the log. */
export interface Attempt {
  readonly attempt: number;
  readonly at: string;
  readonly status: number | null;
  /** null: delivered. */
  readonly error: string | null;
  readonly latencyMs: number;
}

export function insertAttempt(deliveryId: string, row: Attempt): GuardedWrite {
  return {
    statement: sql`INSERT INTO webhook_attempts(delivery_id, attempt, at, status, error, latency_ms)
      VALUES (${deliveryId}, ${row.attempt}, ${row.at}, ${row.status}, ${row.error}, ${row.latencyMs})`,
  };
}

/** What the try led to. DUPLICATE when another one was counted meanwhile. */
export function noteAttempt(
  deliveryId: string,
  row: Attempt,
  state: DeliveryRow["state"],
  nextAt: string | null,
): GuardedWrite {
  return {
    statement: sql`UPDATE webhook_deliveries SET state = ${state}, attempts = ${row.attempt}, status = ${row.status},
        error = ${row.error}, latency_ms = ${row.latencyMs}, next_at = ${nextAt}, updated_at = ${row.at}
      WHERE id = ${deliveryId} AND state = 'pending' AND attempts = ${row.attempt - 1}`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** No try was made: it waits (`pending`, with the next time) or has ended (`failed`). */
export function noteUntried(
  row: DeliveryRow,
  q: { state: "pending" | "failed"; error: string; nextAt: string | null; at: string },
): GuardedWrite {
  return {
    statement: sql`UPDATE webhook_deliveries SET state = ${q.state}, error = ${q.error}, next_at = ${q.nextAt}, updated_at = ${q.at}
      WHERE id = ${row.id} AND state = 'pending' AND attempts = ${row.attempts}`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** Begins the ladder anew. CONFLICT when the delivery has moved on since it was read. */
export function restartDelivery(row: DeliveryRow, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE webhook_deliveries SET state = 'pending', round_from = attempts, round_at = ${at}, next_at = ${at},
        updated_at = ${at}
      WHERE id = ${row.id} AND attempts = ${row.attempts} AND state = ${row.state}`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

export interface DeliveryWithEndpoint {
  readonly delivery: DeliveryRow;
  readonly endpoint: WebhookRow;
}

/** The delivery and its endpoint, a deleted one too. */
export async function findDelivery(db: Database, id: string): Promise<DeliveryWithEndpoint | null> {
  const [row] = await db
    .select({ delivery: webhookDeliveries, endpoint: webhooks })
    .from(webhookDeliveries)
    .innerJoin(webhooks, eq(webhooks.id, webhookDeliveries.webhookId))
    .where(eq(webhookDeliveries.id, id))
    .limit(1);
  return row ?? null;
}

/** Whether the endpoint has taken anything at or after `sinceIso`. */
export async function hasDelivered(db: Database, webhookId: string, sinceIso: string): Promise<boolean> {
  const rows = await db
    .select({ id: webhookDeliveries.id })
    .from(webhookDeliveries)
    .where(
      and(
        eq(webhookDeliveries.webhookId, webhookId),
        // A literal, as the index of what was taken says it.
        sql`${webhookDeliveries.state} = 'delivered'`,
        gte(webhookDeliveries.updatedAt, sinceIso),
      ),
    )
    .limit(1);
  return rows.length > 0;
}

/** Deliveries of an endpoint, newest event first: event ids rise with time. `after`: the last event id of the page before. */
export function listDeliveries(
  db: Database,
  q: { webhookId: string; state: DeliveryRow["state"] | null; after: string | null; limit: number },
): Promise<DeliveryRow[]> {
  const filters: SQL[] = [eq(webhookDeliveries.webhookId, q.webhookId)];
  if (q.state !== null) filters.push(eq(webhookDeliveries.state, q.state));
  if (q.after !== null) filters.push(lt(webhookDeliveries.eventId, q.after));
  return db
    .select()
    .from(webhookDeliveries)
    .where(and(...filters))
    .orderBy(desc(webhookDeliveries.eventId))
    .limit(q.limit);
}

/** The tries of these deliveries, in the order in which they were made. */
export function listAttempts(db: Database, deliveryIds: readonly string[]): Promise<AttemptRow[]> {
  const ids = db.select({ id: sql`value` }).from(sql`json_each(${JSON.stringify(deliveryIds)})`);
  return db
    .select()
    .from(webhookAttempts)
    .where(inArray(webhookAttempts.deliveryId, ids))
    .orderBy(asc(webhookAttempts.deliveryId), asc(webhookAttempts.attempt));
}

/** Deletes what ended before `beforeIso`, with its log; at most 200 a call, so that a poll stays short. */
export async function deleteOldDeliveries(db: Database, beforeIso: string): Promise<void> {
  await db.run(sql`DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries
    WHERE created_at < ${beforeIso} AND state <> 'pending' ORDER BY created_at LIMIT 200)`);
}
