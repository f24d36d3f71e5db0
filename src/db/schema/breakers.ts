/** Tables of migrations/, typed for drizzle: circuit breakers. A test compares each column with the migrated database. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const breakers = sqliteTable("breakers", {
  dependency: text("dependency").primaryKey(),
  revision: integer("revision").notNull(),
  circuit: text("circuit").notNull(),
  since: text("since"),
  actor: text("actor"),
  actorKind: text("actor_kind"),
  reason: text("reason"),
  announced: integer("announced").notNull().default(0),
  updatedAt: text("updated_at").notNull(),
});
