/** Tables of migrations/, typed for drizzle: orders. A test compares each column with the migrated database. */
import { integer, primaryKey, text, sqliteTable } from "drizzle-orm/sqlite-core";

export const orders = sqliteTable("orders", {
  id: text("id").primaryKey(),
  requestId: text("request_id"),
  requester: text("requester").notNull(),
  deviceId: text("device_id").notNull(),
  region: text("region").notNull(),
  destination: text("destination").notNull(),
  status: text("status", { enum: ["Pending", "Cancelling", "Completed", "Cancelled", "NeedsAttention"] }).notNull(),
  step: text("step").notNull(),
  fence: integer("fence").notNull().default(0),
  total: integer("total").notNull(),
  currency: text("currency").notNull(),
  error: text("error"),
  nextWakeAt: text("next_wake_at"),
  version: integer("version").notNull().default(1),
  createdAt: text("created_at").notNull(),
  updatedAt: text("updated_at").notNull(),
  stuckSince: text("stuck_since"),
  attempts: integer("attempts").notNull().default(0),
  lastError: text("last_error"),
  alarmedWakeAt: text("alarmed_wake_at"),
});

export const orderLines = sqliteTable(
  "order_lines",
  {
    orderId: text("order_id").notNull(),
    line: integer("line").notNull(),
    requestLine: integer("request_line"),
    sku: text("sku").notNull(),
    quantity: integer("quantity").notNull(),
    source: text("source", { enum: ["stock", "transfer", "purchase"] }).notNull(),
    location: text("location"),
    supplier: text("supplier"),
    orderQuantity: integer("order_quantity").notNull(),
    unitPrice: integer("unit_price").notNull(),
    availableOn: text("available_on").notNull(),
    reason: text("reason").notNull(),
    neededBy: text("needed_by"),
    leadDays: integer("lead_days"),
    freight: integer("freight").notNull().default(0),
    supplierTerms: text("supplier_terms"),
  },
  (t) => [primaryKey({ columns: [t.orderId, t.line] })],
);

export const purchaseOrders = sqliteTable("purchase_orders", {
  id: text("id").primaryKey(),
  orderId: text("order_id"),
  supplier: text("supplier").notNull(),
  idempotencyKey: text("idempotency_key").notNull(),
  supplierReference: text("supplier_reference"),
  status: text("status", { enum: ["placed", "cancelled", "pending", "approved", "rejected", "completed"] }).notNull(),
  total: integer("total").notNull(),
  currency: text("currency").notNull(),
  createdAt: text("created_at").notNull(),
  updatedAt: text("updated_at").notNull(),
  incomingAt: text("incoming_at"),
  version: integer("version").notNull().default(1),
  freight: integer("freight").notNull().default(0),
  closedShort: text("closed_short"),
});

export const purchaseOrderLines = sqliteTable(
  "purchase_order_lines",
  {
    purchaseOrderId: text("purchase_order_id").notNull(),
    line: integer("line").notNull(),
    sku: text("sku").notNull(),
    quantity: integer("quantity").notNull(),
    unitPrice: integer("unit_price").notNull(),
    dueAt: text("due_at"),
    received: integer("received").notNull().default(0),
    rejected: integer("rejected").notNull().default(0),
    closed: integer("closed").notNull().default(0),
    firstDueAt: text("first_due_at"),
  },
  (t) => [primaryKey({ columns: [t.purchaseOrderId, t.line] })],
);
