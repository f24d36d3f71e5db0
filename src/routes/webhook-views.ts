/** How endpoints of webhooks and their deliveries are shown. A secret is in no view of these. */
import type { AttemptRow, DeliveryRow } from "../db/queries/webhook-deliveries.ts";
import type { WebhookRow } from "../db/queries/webhooks.ts";
import { z } from "./openapi.ts";

export const webhookView = z.object({
  id: z.string(),
  owner: z.string(),
  region: z.string().nullable(),
  url: z.string(),
  types: z.array(z.string()),
  state: z.enum(["active", "disabled"]),
  reason: z.string().nullable(),
  /** While a rotation lasts: until when the old secret signs too. */
  previous_secret_until: z.string().nullable(),
  version: z.int(),
  created_at: z.string(),
  updated_at: z.string(),
});

export const attemptView = z.object({
  attempt: z.int(),
  at: z.string(),
  status: z.int().nullable(),
  error: z.string().nullable(),
  latency_ms: z.int(),
});

export const deliveryView = z.object({
  id: z.string(),
  webhook_id: z.string(),
  event_id: z.string(),
  type: z.string(),
  state: z.enum(["pending", "delivered", "failed"]),
  attempts: z.int(),
  last_status: z.int().nullable(),
  last_error: z.string().nullable(),
  last_latency_ms: z.int().nullable(),
  next_at: z.string().nullable(),
  created_at: z.string(),
  log: z.array(attemptView),
});

export const deliveryDetails = deliveryView.extend({ event: z.record(z.string(), z.unknown()) });

export function shownWebhook(row: WebhookRow, nowIso: string): z.output<typeof webhookView> {
  return {
    id: row.id,
    owner: row.owner,
    region: row.region,
    url: row.url,
    types: JSON.parse(row.types) as string[],
    state: row.state === "active" ? "active" : "disabled",
    reason: row.reason,
    previous_secret_until: row.previousUntil !== null && nowIso < row.previousUntil ? row.previousUntil : null,
    version: row.version,
    created_at: row.createdAt,
    updated_at: row.updatedAt,
  };
}

/** `log`: the tries of this delivery, or of several. */
export function shownDelivery(row: DeliveryRow, log: readonly AttemptRow[]): z.output<typeof deliveryView> {
  return {
    id: row.id,
    webhook_id: row.webhookId,
    event_id: row.eventId,
    type: row.type,
    state: row.state,
    attempts: row.attempts,
    last_status: row.status,
    last_error: row.error,
    last_latency_ms: row.latencyMs,
    next_at: row.nextAt,
    created_at: row.createdAt,
    log: log
      .filter((one) => one.deliveryId === row.id)
      .map(({ attempt, at, status, error, latencyMs }) => ({ attempt, at, status, error, latency_ms: latencyMs })),
  };
}
