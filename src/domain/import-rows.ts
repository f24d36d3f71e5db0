/**
 * What each kind of import file holds: its columns (the keys of the schema, in the order of the documentation), how a
 * row is read, and which cells name the thing, so that no file says two things about one.
 */
import { z } from "zod";
import {
  code,
  currency,
  day,
  days,
  flag,
  id,
  money,
  name,
  oneOf,
  optionalCode,
  optionalDay,
  optionalMoney,
  optionalName,
  optionalOrderQuantity,
  orderQuantity,
  quantity,
  webAddress,
  whole,
} from "./import-cells.ts";

export const IMPORT_KINDS = [
  "regions",
  "warehouses",
  "parts",
  "suppliers",
  "supplier_addresses",
  "supplier_parts",
  "stock",
  "purchase_orders",
  "purchase_order_lines",
] as const;
export type ImportKind = (typeof IMPORT_KINDS)[number];

const rowSchemas = {
  regions: z.object({ region_id: id, name }),
  warehouses: z.object({ warehouse_id: id, name, region_id: id }),
  parts: z.object({
    sku: code,
    name,
    category: name,
    subcategory: optionalName,
    color: optionalName,
    standard_cost: money,
    list_price: money,
    safety_stock: quantity,
    reorder_point: quantity,
    discontinued: flag,
  }),
  suppliers: z.object({
    supplier_id: id,
    name,
    account_number: optionalCode,
    credit_rating: whole(1, 5),
    preferred: flag,
    active: flag,
    currency: currency.optional(),
    freight_flat: money.optional(),
    freight_free_from: optionalMoney.optional(),
    freight_per_line: money.optional(),
  }),
  supplier_addresses: z
    .object({
      supplier_id: id,
      adapter: oneOf(["http-supplier", "simulated-supplier"]),
      url: webAddress,
      secret_name: optionalCode,
    })
    .refine((row) => row.adapter === "simulated-supplier" || row.secret_name !== null, {
      path: ["secret_name"],
      error: "must name an entry of SUPPLIER_SECRETS: what isn't signed isn't sent",
    }),
  supplier_parts: z
    .object({
      supplier_id: id,
      sku: code,
      unit: code,
      unit_price: money,
      currency,
      min_order_qty: orderQuantity,
      max_order_qty: optionalOrderQuantity,
      lead_time_days: days,
      pack: orderQuantity.optional(),
    })
    .refine((row) => row.max_order_qty === null || row.max_order_qty >= row.min_order_qty, {
      path: ["max_order_qty"],
      error: "must not be below min_order_qty",
    }),
  stock: z.object({ sku: code, warehouse_id: id, bin: code, quantity }),
  purchase_orders: z.object({
    purchase_order_id: id,
    supplier_id: id,
    buyer_id: optionalCode,
    status: oneOf(["pending", "approved", "rejected", "completed"]),
    ordered_at: day,
    shipped_at: optionalDay,
    subtotal: money,
    tax: money,
    freight: money,
    total: money,
  }),
  purchase_order_lines: z.object({
    purchase_order_id: id,
    line: whole(1, 1_000_000_000),
    sku: code,
    quantity: orderQuantity,
    unit_price: money,
    due_at: optionalDay,
    received: quantity,
    rejected: quantity,
  }),
} as const satisfies Record<ImportKind, z.ZodType>;

/** A row as it is kept. Money in cents, instants in ISO 8601. */
export type ImportRow<K extends ImportKind> = z.output<(typeof rowSchemas)[K]>;

export interface RowFormat<K extends ImportKind> {
  readonly columns: readonly string[];
  /** A file may leave these out: what is there of them stays as it is. */
  readonly optional: readonly string[];
  readonly schema: z.ZodType<ImportRow<K>>;
  readonly key: readonly (keyof ImportRow<K> & string)[];
}

function format<K extends ImportKind>(kind: K, ...key: (keyof ImportRow<K> & string)[]): RowFormat<K> {
  const schema = rowSchemas[kind];
  const cells = Object.entries<z.ZodType>(schema.shape);
  const named = (optional: boolean) =>
    cells.filter(([, cell]) => cell instanceof z.ZodOptional === optional).map(([column]) => column);
  const columns = named(false);
  return { columns, optional: named(true), schema: schema as unknown as z.ZodType<ImportRow<K>>, key };
}

export const IMPORT_FORMATS: { readonly [K in ImportKind]: RowFormat<K> } = {
  regions: format("regions", "region_id"),
  warehouses: format("warehouses", "warehouse_id"),
  parts: format("parts", "sku"),
  suppliers: format("suppliers", "supplier_id"),
  supplier_addresses: format("supplier_addresses", "supplier_id"),
  supplier_parts: format("supplier_parts", "supplier_id", "sku"),
  stock: format("stock", "sku", "warehouse_id", "bin"),
  purchase_orders: format("purchase_orders", "purchase_order_id"),
  purchase_order_lines: format("purchase_order_lines", "purchase_order_id", "line"),
};
