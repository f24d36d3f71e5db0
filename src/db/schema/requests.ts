/** Tables of migrations/, typed for drizzle: requests. A test compares each column with the migrated database. */
import { blob, integer, primaryKey, text, sqliteTable } from "drizzle-orm/sqlite-core";
import { DOCUMENT_STORES } from "../../domain/ports.ts";

export const uploads = sqliteTable("uploads", {
  id: text("id").primaryKey(),
  objectKey: text("object_key").notNull(),
  requestId: text("request_id").notNull(),
  deviceId: text("device_id").notNull(),
  contentType: text("content_type").notNull(),
  bytes: integer("bytes").notNull(),
  createdAt: text("created_at").notNull(),
});

export const requests = sqliteTable("requests", {
  id: text("id").primaryKey(),
  requestNumber: text("request_number").notNull(),
  deviceId: text("device_id").notNull(),
  requester: text("requester").notNull(),
  region: text("region").notNull(),
  destination: text("destination").notNull(),
  status: text("status").notNull(),
  neededBy: text("needed_by"),
  note: text("note"),
  total: integer("total"),
  currency: text("currency").notNull().default("USD"),
  payloadHash: text("payload_hash"),
  orderId: text("order_id"),
  reason: text("reason"),
  problems: text("problems"),
  context: text("context").notNull().default("{}"),
  version: integer("version").notNull().default(1),
  createdAt: text("created_at").notNull(),
  updatedAt: text("updated_at").notNull(),
});

export const requestLines = sqliteTable(
  "request_lines",
  {
    requestId: text("request_id").notNull(),
    line: integer("line").notNull(),
    sku: text("sku"),
    text: text("text"),
    quantity: integer("quantity"),
    unit: text("unit"),
    neededBy: text("needed_by"),
  },
  (t) => [primaryKey({ columns: [t.requestId, t.line] })],
);

/** A step and its ballot concern a request or a command, exactly one. */
export const approvalSteps = sqliteTable("approval_steps", {
  id: text("id").primaryKey(),
  requestId: text("request_id"),
  commandId: text("command_id"),
  position: integer("position").notNull(),
  approver: text("approver").notNull(),
  rule: text("rule").notNull(),
  state: text("state", { enum: ["waiting", "pending", "approved", "rejected", "escalated", "void"] }).notNull(),
  payloadHash: text("payload_hash").notNull(),
  askedAt: text("asked_at"),
  dueAt: text("due_at"),
  decidedAt: text("decided_at"),
});

export const ballots = sqliteTable("ballots", {
  id: text("id").primaryKey(),
  stepId: text("step_id").notNull(),
  requestId: text("request_id"),
  commandId: text("command_id"),
  requestVersion: integer("request_version"),
  payloadHash: text("payload_hash").notNull(),
  approver: text("approver").notNull(),
  decision: text("decision", { enum: ["approve", "reject"] }).notNull(),
  reason: text("reason"),
  at: text("at").notNull(),
});

export const responses = sqliteTable("responses", {
  id: text("id").primaryKey(),
  requestId: text("request_id").notNull(),
  outcome: text("outcome").notNull(),
  body: text("body").notNull(),
  createdAt: text("created_at").notNull(),
});

export const cloudUploads = sqliteTable("cloud_uploads", {
  responseId: text("response_id").primaryKey(),
  store: text("store", { enum: DOCUMENT_STORES }).notNull(),
  path: text("path").notNull(),
  state: text("state", { enum: ["queued", "stored", "failed"] }).notNull(),
  attempts: integer("attempts").notNull().default(0),
  ladderFrom: integer("ladder_from").notNull().default(0),
  dueAt: text("due_at").notNull(),
  link: text("link"),
  error: text("error"),
  updatedAt: text("updated_at").notNull(),
});

export const notifications = sqliteTable("notifications", {
  id: text("id").primaryKey(),
  recipient: text("recipient").notNull(),
  eventId: text("event_id").notNull(),
  title: text("title").notNull(),
  link: text("link"),
  createdAt: text("created_at").notNull(),
});

export const agentRuns = sqliteTable("agent_runs", {
  id: text("id").primaryKey(),
  requestId: text("request_id").notNull(),
  startedAt: text("started_at").notNull(),
});

export const agentSteps = sqliteTable(
  "agent_steps",
  {
    runId: text("run_id").notNull(),
    step: integer("step").notNull(),
    agent: text("agent").notNull(),
    engine: text("engine").notNull(),
    inputHash: text("input_hash").notNull(),
    advice: text("advice").notNull(),
    ruleHits: text("rule_hits").notNull(),
    final: text("final").notNull(),
    overrideReason: text("override_reason"),
    at: text("at").notNull(),
    decision: text("decision"),
    input: blob("input"),
    decisionHash: text("decision_hash"),
    model: text("model"),
    promptVersion: text("prompt_version"),
    floor: text("floor"),
    advised: text("advised"),
    level: text("level"),
    calls: integer("calls").notNull().default(0),
    tokens: integer("tokens").notNull().default(0),
    cost: integer("cost").notNull().default(0),
    ms: integer("ms").notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.runId, t.step] })],
);

export const agentInputs = sqliteTable(
  "agent_inputs",
  {
    runId: text("run_id").notNull(),
    step: integer("step").notNull(),
    part: integer("part").notNull(),
    piece: blob("piece").notNull(),
  },
  (t) => [primaryKey({ columns: [t.runId, t.step, t.part] })],
);
