/** The dead letters of migrations/, typed for drizzle. A test compares each column with the migrated database. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { DEAD_LETTER_STATES } from "../../domain/dead-letter.ts";

export const deadLetters = sqliteTable("dead_letters", {
  id: text("id").primaryKey(),
  kind: text("kind", { enum: ["event", "command", "message"] }).notNull(),
  queue: text("queue").notNull(),
  key: text("key").notNull(),
  eventSeq: integer("event_seq"),
  eventId: text("event_id"),
  subscriber: text("subscriber"),
  bit: integer("bit"),
  commandId: text("command_id"),
  type: text("type"),
  subject: text("subject"),
  region: text("region"),
  body: text("body").notNull(),
  edited: text("edited"),
  error: text("error").notNull(),
  fingerprint: text("fingerprint").notNull(),
  attempts: integer("attempts").notNull(),
  deaths: integer("deaths").notNull().default(1),
  messageId: text("message_id").notNull(),
  state: text("state", { enum: DEAD_LETTER_STATES }).notNull(),
  firstAt: text("first_at").notNull(),
  lastAt: text("last_at").notNull(),
  closedAt: text("closed_at"),
  closedBy: text("closed_by"),
  reason: text("reason"),
});
