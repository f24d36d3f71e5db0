/**
 * The SQL of imports into tables: which rows of a file are new, which change something, which name what doesn't exist,
 * and the upserts. Only what changes is written, and each statement asserts its count, so the answer can't be wrong.
 */
import { sql, type SQL } from "drizzle-orm";
import type { ImportKind } from "../../domain/import-rows.ts";
import type { Database } from "../database.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import { chunksOf, type Chunk } from "./import-chunks.ts";
import { findInboxRow } from "./inbox.ts";

/** A table that a record goes to. The record's fields are named like the columns. */
interface ImportTable {
  readonly name: string;
  readonly key: readonly [string, ...string[]];
  /** Compared, and updated when they differ. */
  readonly set: readonly string[];
  /** Written with a new row only: what an import never takes back from whoever set it since. */
  readonly once?: readonly string[];
  /** Like `set`, where the file has the column. */
  readonly optional?: readonly string[];
  readonly versioned?: boolean;
}

/** A field that must name a row. `column` is the cell of the file that it comes from. */
export interface ImportReference {
  readonly field: string;
  readonly column: string;
  readonly table: string;
  readonly noun: string;
  readonly where?: SQL;
}

export interface ImportTarget {
  /** The first is the thing itself. */
  readonly tables: readonly [ImportTable, ...ImportTable[]];
  readonly references: readonly ImportReference[];
}

const PART: ImportReference = { field: "sku", column: "sku", table: "parts", noun: "part" };
const SUPPLIER: ImportReference = { field: "supplier", column: "supplier_id", table: "suppliers", noun: "supplier" };

export const STOCK_REFERENCES: readonly ImportReference[] = [
  PART,
  {
    field: "location",
    column: "warehouse_id",
    table: "locations",
    noun: "warehouse",
    where: sql`t.kind = 'warehouse'`,
  },
];

export const IMPORT_TARGETS: Readonly<Record<Exclude<ImportKind, "stock">, ImportTarget>> = {
  regions: { tables: [{ name: "regions", key: ["id"], set: ["name"] }], references: [] },
  warehouses: {
    tables: [{ name: "locations", key: ["id"], set: ["name", "region"], once: ["kind"] }],
    references: [{ field: "region", column: "region_id", table: "regions", noun: "region" }],
  },
  parts: {
    tables: [
      {
        name: "parts",
        key: ["sku"],
        set: ["name", "category", "list_price", "currency", "discontinued"],
        once: ["unit"],
        versioned: true,
      },
    ],
    references: [],
  },
  suppliers: {
    tables: [
      {
        name: "suppliers",
        key: ["id"],
        set: ["name", "account_number", "credit_rating", "preferred", "active"],
        once: ["url"],
        optional: ["currency", "freight_flat", "freight_free_from", "freight_per_line"],
      },
    ],
    references: [],
  },
  supplier_addresses: {
    tables: [{ name: "suppliers", key: ["id"], set: ["adapter", "url", "secret_name"], once: ["name"] }],
    references: [{ ...SUPPLIER, field: "id" }],
  },
  supplier_parts: {
    tables: [
      {
        name: "supplier_parts",
        key: ["sku", "supplier"],
        set: ["unit", "moq", "max_order_quantity", "lead_time_days", "currency"],
        optional: ["pack"],
      },
      { name: "price_breaks", key: ["sku", "supplier", "min_quantity"], set: ["unit_price"] },
    ],
    references: [SUPPLIER, PART],
  },
  purchase_orders: {
    tables: [
      {
        name: "purchase_orders",
        key: ["id"],
        set: ["supplier", "status", "total", "freight", "currency", "created_at", "updated_at"],
        once: ["idempotency_key"],
      },
    ],
    references: [SUPPLIER],
  },
  purchase_order_lines: {
    tables: [
      {
        name: "purchase_order_lines",
        key: ["purchase_order_id", "line"],
        set: ["sku", "quantity", "unit_price", "due_at", "received", "rejected"],
      },
    ],
    references: [
      { field: "purchase_order_id", column: "purchase_order_id", table: "purchase_orders", noun: "purchase order" },
      PART,
    ],
  },
};

const commas = (parts: readonly SQL[]) => sql.join([...parts], sql`, `);
const columns = (names: readonly string[], of?: string) =>
  commas(
    names.map((name) =>
      of === undefined ? sql`${sql.identifier(name)}` : sql`${sql.identifier(of)}.${sql.identifier(name)}`,
    ),
  );

/** The rows of a chunk as a table `f` with these fields and `at`. */
export function rowsOf(chunk: Chunk, fields: readonly string[]): SQL {
  const cells = fields.map((field) => sql`value ->> ${sql.raw(`'${field}'`)} AS ${sql.identifier(field)}`);
  return sql`(SELECT value ->> 'at' AS at, ${commas(cells)} FROM json_each(${chunk.json})) AS f`;
}

/** Lines whose field names no row of the referenced table. */
export async function unknownLines(
  db: Database,
  chunks: readonly Chunk[],
  reference: ImportReference,
): Promise<number[]> {
  const { field, table } = reference;
  const key = sql.identifier(table === "parts" ? "sku" : "id");
  const also = reference.where === undefined ? sql`` : sql` AND ${reference.where}`;
  const lines: number[] = [];
  for (const chunk of chunks) {
    const rows = await db.all<{ at: number }>(sql`
      SELECT f.at FROM ${rowsOf(chunk, [field])}
      LEFT JOIN ${sql.identifier(table)} t ON t.${key} = f.${sql.identifier(field)}${also} WHERE t.${key} IS NULL`);
    for (const row of rows) lines.push(row.at);
  }
  return lines;
}

/** Lines that name a truck: its stock and region aren't a warehouse file's to say. */
export async function truckLines(db: Database, chunks: readonly Chunk[]): Promise<number[]> {
  const lines: number[] = [];
  for (const chunk of chunks) {
    const rows = await db.all<{ at: number }>(sql`
      SELECT f.at FROM ${rowsOf(chunk, ["id"])} JOIN locations t ON t.id = f.id WHERE t.kind <> 'warehouse'`);
    for (const row of rows) lines.push(row.at);
  }
  return lines;
}

interface UpsertPlan {
  /** Lines of things that don't exist yet, and of things that exist and differ. */
  readonly created: ReadonlySet<number>;
  readonly updated: ReadonlySet<number>;
  readonly writes: readonly GuardedWrite[];
}

/** Compares the rows with what is there. The writes assert that it is still so when they are committed: CONFLICT. */
export async function planUpserts(db: Database, target: ImportTarget, chunks: readonly Chunk[]): Promise<UpsertPlan> {
  const created = new Set<number>();
  const updated = new Set<number>();
  const writes: GuardedWrite[] = [];
  for (const table of target.tables.map((one) => asGiven(one, chunks))) {
    const isNew = new Map<number, boolean>();
    for (const chunk of chunks) {
      const rows = await db.all<{ at: number; known: number }>(
        sql`SELECT f.at, ${known(table)} AS known ${differing(table, chunk)}`,
      );
      for (const row of rows) isNew.set(row.at, row.known === 0);
    }
    for (const [at, missing] of isNew) {
      if (missing && table.name === target.tables[0].name) created.add(at);
      else if (!created.has(at)) updated.add(at);
    }
    const rows = chunks.flatMap((chunk) => chunk.rows.filter((row) => isNew.has(row.at)));
    for (const chunk of chunksOf(rows)) {
      writes.push(
        assertStillDiffers(table, chunk, chunk.rows.filter((row) => isNew.get(row.at) === false).length),
        upsert(table, chunk),
      );
    }
  }
  return { created, updated, writes };
}

/** The table with those optional columns that the file has: every record has the same fields. */
function asGiven(table: ImportTable, chunks: readonly Chunk[]): ImportTable {
  const record = chunks[0]?.rows[0] ?? {};
  return { ...table, set: [...table.set, ...(table.optional ?? []).filter((name) => Object.hasOwn(record, name))] };
}

const known = (table: ImportTable) => sql`t.${sql.identifier(table.key[0])} IS NOT NULL`;

/** The rows of a chunk that aren't in the table, or are and differ. */
function differing(table: ImportTable, chunk: Chunk): SQL {
  const same = table.key.map((name) => sql`t.${sql.identifier(name)} = f.${sql.identifier(name)}`);
  return sql`FROM ${rowsOf(chunk, [...table.key, ...table.set])}
    LEFT JOIN ${sql.identifier(table.name)} t ON ${sql.join(same, sql` AND `)}
    WHERE NOT ${known(table)} OR (${columns(table.set, "t")}) IS NOT (${columns(table.set, "f")})`;
}

/**
 * Every row of the chunk still differs, and as many exist as did. Asserted before the write and without `changes()`:
 * after a write of parts the full-text index flushes as the assertion begins, and `changes()` is then the index's count.
 */
function assertStillDiffers(table: ImportTable, chunk: Chunk, existing: number): GuardedWrite {
  const wanted = `${chunk.rows.length}/${existing}`;
  return {
    statement: sql`INSERT INTO assert_that
      SELECT COUNT(*) || '/' || COUNT(t.${sql.identifier(table.key[0])}), ${wanted}, 'CONFLICT'
      ${differing(table, chunk)}`,
  };
}

function upsert(table: ImportTable, chunk: Chunk): GuardedWrite {
  const all = [...table.key, ...table.set, ...(table.once ?? [])];
  const sets = table.set.map((name) => sql`${sql.identifier(name)} = excluded.${sql.identifier(name)}`);
  if (table.versioned) sets.push(sql`version = version + 1`);
  return {
    statement: sql`INSERT INTO ${sql.identifier(table.name)}(${columns(all)})
      SELECT ${columns(all, "f")} FROM ${rowsOf(chunk, all)} WHERE true
      ON CONFLICT(${columns(table.key)}) DO UPDATE SET ${commas(sets)}`,
  };
}

/** What the first import of this file answered, or null. */
export async function findImportAnswer(db: Database, scope: string, hash: string): Promise<string | null> {
  return (await findInboxRow(db, scope, hash))?.result ?? null;
}

/** A file is imported once, for ever, under whichever key it comes: DUPLICATE. */
export function insertImportAnswer(scope: string, file: { hash: string; answer: string; at: string }): GuardedWrite {
  return {
    statement: sql`INSERT INTO inbox(scope, id, body_hash, result, at)
      VALUES (${scope}, ${file.hash}, ${file.hash}, ${file.answer}, ${file.at}) ON CONFLICT DO NOTHING`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** The parts that lie at these locations: what a cached part says of a place changes with the place's region. */
export async function skusAt(db: Database, locations: readonly string[]): Promise<string[]> {
  const rows = await db.all<{ sku: string }>(sql`SELECT DISTINCT sku FROM stock_levels
    WHERE location IN (SELECT value FROM json_each(${JSON.stringify(locations)}))`);
  return rows.map((row) => row.sku);
}
