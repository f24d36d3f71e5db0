/** Guarded writes of the catalogue. */
import { sql, type SQL } from "drizzle-orm";
import type { EventDraft, GuardedWrite } from "../unit-of-work.ts";

export interface PartChange {
  readonly sku: string;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly category?: string | undefined;
  readonly list_price?: number | undefined;
  readonly discontinued?: boolean | undefined;
}

export function updatePartRow(change: PartChange): GuardedWrite {
  const sets: SQL[] = [sql`version = version + 1`];
  if (change.name !== undefined) sets.push(sql`name = ${change.name}`);
  if (change.description !== undefined) sets.push(sql`description = ${change.description}`);
  if (change.category !== undefined) sets.push(sql`category = ${change.category}`);
  if (change.list_price !== undefined) sets.push(sql`list_price = ${change.list_price}`);
  if (change.discontinued !== undefined) sets.push(sql`discontinued = ${change.discontinued ? 1 : 0}`);
  return {
    statement: sql`UPDATE parts SET ${sql.join(sets, sql`, `)} WHERE sku = ${change.sku}`,
    expect: { rows: 1, otherwise: "UNKNOWN_REFERENCE" },
  };
}

export function partAnswer(sku: string): SQL {
  return sql`SELECT json_object('sku', sku, 'version', version) FROM parts WHERE sku = ${sku}`;
}

export function partUpdated(sku: string, at: string): EventDraft<"PartUpdated"> {
  const version = sql`SELECT version FROM parts WHERE sku = ${sku}`;
  return {
    type: "PartUpdated",
    subject: `part/${sku}`,
    region: null,
    sequence: 0,
    data: { sku, version: 1, timestamp: at },
    fill: { "$.data.version": version, "$.sequence": version },
  };
}
