/** From the rows of import files to the columns of our tables: what is kept of a file, and under which name. */
import type { ImportRecord } from "../db/queries/import-chunks.ts";
import type { ImportKind, ImportRow } from "../domain/import-rows.ts";

/** Every part is counted in pieces until someone says otherwise: the files have no stock unit. */
const STOCK_UNIT = "EA";
const CURRENCY = "USD";

interface MappingContext {
  readonly environment: "production" | "development";
}

type Fields = Readonly<Record<string, string | number | boolean | null>>;

const MAPPINGS: {
  readonly [K in Exclude<ImportKind, "stock">]: (row: ImportRow<K>, context: MappingContext) => Fields;
} = {
  regions: (row) => ({ id: row.region_id, name: row.name }),
  warehouses: (row) => ({ id: row.warehouse_id, name: row.name, region: row.region_id, kind: "warehouse" }),
  parts: (row) => ({
    sku: row.sku,
    name: row.name,
    category: row.category,
    list_price: row.list_price,
    currency: CURRENCY,
    discontinued: row.discontinued,
    unit: STOCK_UNIT,
  }),
  suppliers: (row, { environment }) => ({
    id: row.supplier_id,
    name: row.name,
    account_number: row.account_number,
    credit_rating: row.credit_rating,
    preferred: row.preferred,
    active: row.active,
    ...given({
      currency: row.currency,
      freight_flat: row.freight_flat,
      freight_free_from: row.freight_free_from,
      freight_per_line: row.freight_per_line,
    }),
    // Only the stand-in supplier answers there; a real address is entered by a person.
    url: environment === "development" ? `https://suppliers.waybill.example/${row.supplier_id}` : null,
  }),
  supplier_addresses: (row) => ({
    id: row.supplier_id,
    name: row.supplier_id, // never written: the row is there
    adapter: row.adapter,
    url: row.url,
    secret_name: row.secret_name,
  }),
  supplier_parts: (row) => ({
    sku: row.sku,
    supplier: row.supplier_id,
    unit: row.unit,
    ...given({ pack: row.pack }),
    moq: row.min_order_qty,
    max_order_quantity: row.max_order_qty,
    lead_time_days: row.lead_time_days,
    currency: row.currency,
    min_quantity: 1,
    unit_price: row.unit_price,
  }),
  purchase_orders: (row) => ({
    id: purchaseOrderId(row.purchase_order_id),
    idempotency_key: `import:${row.purchase_order_id}`,
    supplier: row.supplier_id,
    status: row.status,
    total: row.total,
    freight: row.freight,
    currency: CURRENCY,
    created_at: row.ordered_at,
    updated_at: row.shipped_at ?? row.ordered_at,
  }),
  purchase_order_lines: (row) => ({
    purchase_order_id: purchaseOrderId(row.purchase_order_id),
    line: row.line,
    sku: row.sku,
    quantity: row.quantity,
    unit_price: row.unit_price,
    due_at: row.due_at,
    received: row.received,
    rejected: row.rejected,
  }),
};

/** The cells of optional columns that the file has. */
function given(cells: Readonly<Record<string, string | number | null | undefined>>): Fields {
  return Object.fromEntries(
    Object.entries(cells).filter((cell): cell is [string, string | number | null] => cell[1] !== undefined),
  );
}

function purchaseOrderId(imported: string): string {
  return `po_import_${imported}`;
}

/** The row as columns; `at` is its line in the file. */
export function recordOf<K extends Exclude<ImportKind, "stock">>(
  kind: K,
  read: { readonly at: number; readonly row: ImportRow<K> },
  context: MappingContext,
): ImportRecord {
  const fields: Fields = MAPPINGS[kind](read.row, context);
  return { ...fields, at: read.at };
}
