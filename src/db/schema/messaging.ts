/** Tables of migrations/, typed for drizzle: messaging. A test compares each column with the migrated database. */
import { sql } from "drizzle-orm";
import { integer, primaryKey, text, sqliteTable } from "drizzle-orm/sqlite-core";

export const commands = sqliteTable("commands", {
  id: text("id").primaryKey(),
  bucket: integer("bucket").notNull(),
  type: text("type").notNull(),
  data: text("data").notNull(),
  sender: text("sender").notNull(),
  region: text("region").notNull(),
  state: text("state", { enum: ["accepted", "applied", "rejected", "awaiting_approval", "dead"] }).notNull(),
  reason: text("reason"),
  result: text("result"),
  traceparent: text("traceparent").notNull(),
  leaseUntil: text("lease_until").notNull().default(""),
  attempts: integer("attempts").notNull().default(0),
  createdAt: text("created_at").notNull(),
  finishedAt: text("finished_at"),
  deviceSequence: integer("device_sequence"),
  deviceTime: text("device_time"),
  seenVersion: integer("seen_version"),
  approval: text("approval"),
  failure: text("failure"),
});

export const inbox = sqliteTable(
  "inbox",
  {
    scope: text("scope").notNull(),
    id: text("id").notNull(),
    bodyHash: text("body_hash").notNull(),
    result: text("result"),
    at: text("at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.scope, t.id] })],
);

export const outbox = sqliteTable("outbox", {
  seq: integer("seq").primaryKey(),
  eventId: text("event_id").notNull(),
  bucket: integer("bucket").notNull(),
  type: text("type").notNull(),
  subject: text("subject").notNull(),
  region: text("region"),
  sequence: integer("sequence").generatedAlwaysAs(sql`(event ->> '$.sequence')`, { mode: "virtual" }),
  event: text("event").notNull(),
  createdAt: text("created_at").notNull(),
  notBefore: text("not_before").notNull().default(""),
  leaseUntil: text("lease_until").notNull().default(""),
  attempts: integer("attempts").notNull().default(0),
  want: integer("want").notNull(),
  done: integer("done").notNull().default(0),
  dead: integer("dead").notNull().default(0),
  parkedAt: text("parked_at"),
  error: text("error"),
  failures: text("failures"),
  /** Whose hubs still want it, `*`: all; null: none. */
  hubRegion: text("hub_region").generatedAlwaysAs(
    sql`(CASE WHEN want & ~done & 1 <> 0 THEN COALESCE(region, '*') END)`,
    { mode: "virtual" },
  ),
  /** 1: a subscriber of the queue still wants it. */
  queued: integer("queued").generatedAlwaysAs(sql`(want & ~(done | dead) & ~1 <> 0)`, { mode: "virtual" }),
});

export const audit = sqliteTable("audit", {
  seq: integer("seq").primaryKey(),
  at: text("at").notNull(),
  actor: text("actor").notNull(),
  actorKind: text("actor_kind", { enum: ["person", "device", "agent", "rule", "system"] }).notNull(),
  action: text("action").notNull(),
  subject: text("subject").notNull(),
  before: text("before"),
  after: text("after"),
  reason: text("reason"),
  trace: text("trace").notNull(),
});
