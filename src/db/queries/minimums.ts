/** The minimum and maximum of a place: the guarded write of SetMinimum and its answer. */
import { sql, type SQL } from "drizzle-orm";
import type { GuardedWrite } from "../unit-of-work.ts";

/** `maximum`: null takes it away, undefined leaves it; one that is left must not be below the minimum (VALIDATION). */
export function setMinimumRow(q: {
  readonly sku: string;
  readonly location: string;
  readonly minimum: number;
  readonly maximum: number | null | undefined;
}): GuardedWrite {
  const maximum = q.maximum === undefined ? sql`maximum` : sql`${q.maximum}`;
  return {
    statement: sql`INSERT INTO stock_levels(sku, location, minimum, maximum)
      VALUES (${q.sku}, ${q.location}, ${q.minimum}, ${q.maximum ?? null})
      ON CONFLICT(sku, location) DO UPDATE SET minimum = excluded.minimum, maximum = ${maximum}, version = version + 1
        WHERE ${maximum} IS NULL OR ${maximum} >= excluded.minimum`,
    expect: { rows: 1, otherwise: "VALIDATION" },
  };
}

export function minimumAnswer(sku: string, location: string): SQL {
  return sql`SELECT json_object('sku', sku, 'location', location, 'minimum', minimum, 'maximum', maximum, 'on_hand', on_hand,
      'reserved', reserved, 'incoming', incoming, 'low', json(iif(low_mark IS NULL, 'false', 'true')))
    FROM stock_levels WHERE sku = ${sku} AND location = ${location}`;
}
