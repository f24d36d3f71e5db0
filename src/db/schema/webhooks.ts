/** Tables of migrations/, typed for drizzle: webhooks. A test compares each column with the migrated database. */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const webhooks = sqliteTable("webhooks", {
  id: text("id").primaryKey(),
  owner: text("owner").notNull(),
  region: text("region"),
  url: text("url").notNull(),
  types: text("types").notNull(),
  secret: text("secret").notNull(),
  previousSecret: text("previous_secret"),
  previousUntil: text("previous_until"),
  state: text("state", { enum: ["active", "disabled", "deleted"] }).notNull(),
  reason: text("reason"),
  version: integer("version").notNull().default(1),
  createdAt: text("created_at").notNull(),
  updatedAt: text("updated_at").notNull(),
});

export const webhookDeliveries = sqliteTable("webhook_deliveries", {
  id: text("id").primaryKey(),
  webhookId: text("webhook_id").notNull(),
  eventId: text("event_id").notNull(),
  type: text("type").notNull(),
  event: text("event").notNull(),
  state: text("state", { enum: ["pending", "delivered", "failed"] }).notNull(),
  attempts: integer("attempts").notNull().default(0),
  roundFrom: integer("round_from").notNull().default(0),
  roundAt: text("round_at").notNull(),
  status: integer("status"),
  error: text("error"),
  latencyMs: integer("latency_ms"),
  nextAt: text("next_at"),
  createdAt: text("created_at").notNull(),
  updatedAt: text("updated_at").notNull(),
});

export const webhookAttempts = sqliteTable(
  "webhook_attempts",
  {
    deliveryId: text("delivery_id").notNull(),
    attempt: integer("attempt").notNull(),
    at: text("at").notNull(),
    status: integer("status"),
    error: text("error"),
    latencyMs: integer("latency_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.deliveryId, t.attempt] })],
);
