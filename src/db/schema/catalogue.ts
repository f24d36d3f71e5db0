/** Tables of migrations/, typed for drizzle: catalogue. A test compares each column with the migrated database. */
import { integer, primaryKey, text, sqliteTable } from "drizzle-orm/sqlite-core";

export const regions = sqliteTable("regions", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
});

export const locations = sqliteTable("locations", {
  id: text("id").primaryKey(),
  kind: text("kind", { enum: ["warehouse", "truck"] }).notNull(),
  name: text("name").notNull(),
  region: text("region").notNull(),
});

export const people = sqliteTable("people", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  email: text("email").notNull(),
  role: text("role", { enum: ["technician", "keeper", "manager", "operations", "admin", "integrator"] }).notNull(),
  region: text("region"),
  location: text("location"),
  approvalLimit: integer("approval_limit").notNull().default(0),
  selfApprovalLimit: integer("self_approval_limit").notNull().default(0),
});

export const devices = sqliteTable("devices", {
  id: text("id").primaryKey(),
  type: text("type", { enum: ["truck", "warehouse"] }).notNull(),
  region: text("region").notNull(),
  location: text("location").notNull(),
  secretHash: text("secret_hash").notNull(),
  credentialVersion: integer("credential_version").notNull().default(1),
  revokedAt: text("revoked_at"),
});

export const parts = sqliteTable("parts", {
  sku: text("sku").primaryKey(),
  name: text("name").notNull(),
  description: text("description").notNull().default(""),
  category: text("category").notNull(),
  unit: text("unit").notNull(),
  listPrice: integer("list_price").notNull(),
  currency: text("currency").notNull().default("USD"),
  barcode: text("barcode"),
  supersededBy: text("superseded_by"),
  discontinued: integer("discontinued", { mode: "boolean" }).notNull().default(false),
  version: integer("version").notNull().default(1),
});

export const suppliers = sqliteTable("suppliers", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  url: text("url"),
  accountNumber: text("account_number"),
  creditRating: integer("credit_rating").notNull().default(1),
  preferred: integer("preferred", { mode: "boolean" }).notNull().default(false),
  active: integer("active", { mode: "boolean" }).notNull().default(true),
  adapter: text("adapter", { enum: ["http-supplier", "simulated-supplier"] })
    .notNull()
    .default("simulated-supplier"),
  /** Of an entry of SUPPLIER_SECRETS. */
  secretName: text("secret_name"),
  currency: text("currency").notNull().default("USD"),
  freightFlat: integer("freight_flat").notNull().default(0),
  freightFreeFrom: integer("freight_free_from"),
  freightPerLine: integer("freight_per_line").notNull().default(0),
});

export const exchangeRates = sqliteTable(
  "exchange_rates",
  {
    fromCurrency: text("from_currency").notNull(),
    toCurrency: text("to_currency").notNull(),
    asOf: text("as_of").notNull(),
    rate: integer("rate").notNull(),
  },
  (t) => [primaryKey({ columns: [t.fromCurrency, t.toCurrency, t.asOf] })],
);

export const supplierParts = sqliteTable(
  "supplier_parts",
  {
    supplier: text("supplier").notNull(),
    sku: text("sku").notNull(),
    unit: text("unit").notNull(),
    pack: integer("pack").notNull().default(1),
    moq: integer("moq").notNull().default(1),
    maxOrderQuantity: integer("max_order_quantity"),
    leadTimeDays: integer("lead_time_days").notNull(),
    currency: text("currency").notNull().default("USD"),
    arrivals: text("arrivals").notNull().default("[]"),
  },
  (t) => [primaryKey({ columns: [t.sku, t.supplier] })],
);

export const priceBreaks = sqliteTable(
  "price_breaks",
  {
    supplier: text("supplier").notNull(),
    sku: text("sku").notNull(),
    minQuantity: integer("min_quantity").notNull(),
    unitPrice: integer("unit_price").notNull(),
  },
  (t) => [primaryKey({ columns: [t.sku, t.supplier, t.minQuantity] })],
);
