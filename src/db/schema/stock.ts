/** Tables of migrations/, typed for drizzle: stock. A test compares each column with the migrated database. */
import { integer, primaryKey, text, sqliteTable } from "drizzle-orm/sqlite-core";

export const stockLevels = sqliteTable(
  "stock_levels",
  {
    sku: text("sku").notNull(),
    location: text("location").notNull(),
    onHand: integer("on_hand").notNull().default(0),
    reserved: integer("reserved").notNull().default(0),
    incoming: integer("incoming").notNull().default(0),
    inTransit: integer("in_transit").notNull().default(0),
    minimum: integer("minimum").notNull().default(0),
    maximum: integer("maximum"),
    version: integer("version").notNull().default(1),
    lowMark: text("low_mark"),
  },
  (t) => [primaryKey({ columns: [t.sku, t.location] })],
);

export const stockBins = sqliteTable(
  "stock_bins",
  {
    sku: text("sku").notNull(),
    location: text("location").notNull(),
    bin: text("bin").notNull(),
    quantity: integer("quantity").notNull(),
  },
  (t) => [primaryKey({ columns: [t.sku, t.location, t.bin] })],
);

export const stockMovements = sqliteTable(
  "stock_movements",
  {
    id: text("id").notNull(),
    sku: text("sku").notNull(),
    location: text("location").notNull(),
    bin: text("bin").notNull(),
    quantity: integer("quantity").notNull(),
    kind: text("kind", {
      enum: ["opening", "adjustment", "ship", "ship_reversal", "receipt", "import", "count"],
    }).notNull(),
    source: text("source").notNull(),
    at: text("at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.sku, t.location, t.id] })],
);

export const reservations = sqliteTable(
  "reservations",
  {
    orderId: text("order_id").notNull(),
    sku: text("sku").notNull(),
    location: text("location").notNull(),
    quantity: integer("quantity").notNull(),
    state: text("state", { enum: ["open", "used", "released", "expired"] }).notNull(),
    expiresAt: text("expires_at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orderId, t.sku, t.location] })],
);

export const transfers = sqliteTable("transfers", {
  id: text("id").primaryKey(),
  orderId: text("order_id"),
  fromLocation: text("from_location").notNull(),
  toLocation: text("to_location").notNull(),
  state: text("state", { enum: ["in_transit", "partially_received", "received", "reversed"] }).notNull(),
  version: integer("version").notNull().default(1),
  createdAt: text("created_at").notNull(),
});

export const transferLines = sqliteTable(
  "transfer_lines",
  {
    transferId: text("transfer_id").notNull(),
    sku: text("sku").notNull(),
    bin: text("bin").notNull(),
    quantity: integer("quantity").notNull(),
    received: integer("received").notNull().default(0),
    rejected: integer("rejected").notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.transferId, t.sku, t.bin] })],
);

export const discrepancies = sqliteTable("discrepancies", {
  id: text("id").primaryKey(),
  commandId: text("command_id").notNull(),
  kind: text("kind", { enum: ["shortage", "count", "stale", "not_approved"] }).notNull(),
  deviceId: text("device_id").notNull(),
  region: text("region").notNull(),
  location: text("location").notNull(),
  sku: text("sku").notNull(),
  bin: text("bin").notNull(),
  says: text("says", { enum: ["taken", "counted"] }).notNull(),
  expected: integer("expected").notNull(),
  found: integer("found").notNull(),
  seenVersion: integer("seen_version"),
  version: integer("version").notNull(),
  scan: text("scan").notNull(),
  reason: text("reason").notNull(),
  state: text("state", { enum: ["open", "resolved"] }).notNull(),
  resolution: text("resolution", { enum: ["accept_scan", "keep_books", "recount"] }),
  counted: integer("counted"),
  note: text("note"),
  resolvedBy: text("resolved_by"),
  createdAt: text("created_at").notNull(),
  resolvedAt: text("resolved_at"),
});

export const receipts = sqliteTable(
  "receipts",
  {
    commandId: text("command_id").notNull(),
    line: integer("line").notNull(),
    source: text("source").notNull(),
    sourceLine: integer("source_line"),
    sku: text("sku").notNull(),
    location: text("location").notNull(),
    bin: text("bin").notNull(),
    received: integer("received").notNull(),
    rejected: integer("rejected").notNull(),
    reason: text("reason"),
    at: text("at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.commandId, t.line] })],
);
