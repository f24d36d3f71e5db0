/** Tables of migrations/, typed for drizzle: the seals of the trail, and the reports of the nightly check. */
import { integer, text, sqliteTable } from "drizzle-orm/sqlite-core";

export const auditSeals = sqliteTable("audit_seals", {
  toSeq: integer("to_seq").primaryKey(),
  fromSeq: integer("from_seq").notNull(),
  rowCount: integer("row_count").notNull(),
  prev: text("prev").notNull(),
  hash: text("hash").notNull(),
  sealedAt: text("sealed_at").notNull(),
  keyId: text("key_id").notNull(),
  signature: text("signature").notNull(),
});

export const invariantReports = sqliteTable("invariant_reports", {
  id: text("id").primaryKey(),
  startedAt: text("started_at").notNull(),
  durationMs: integer("duration_ms").notNull(),
  broken: integer("broken").notNull(),
  findings: text("findings").notNull(),
  place: text("place"),
});
