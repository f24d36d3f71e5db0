/** Exchange rates: one for each pair of currencies and day. */
import { sql } from "drizzle-orm";
import type { ExchangeRate } from "../../domain/exchange.ts";
import type { Database } from "../database.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export function putExchangeRate({ from, to, asOf, billionths }: ExchangeRate): GuardedWrite {
  return {
    statement: sql`INSERT INTO exchange_rates(from_currency, to_currency, as_of, rate)
      VALUES (${from}, ${to}, ${asOf}, ${billionths})
      ON CONFLICT(from_currency, to_currency, as_of) DO UPDATE SET rate = excluded.rate`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

export async function sellsIn(db: Database, currency: string): Promise<boolean> {
  const rows = await db.all(sql`SELECT 1 FROM suppliers WHERE currency = ${currency} LIMIT 1`);
  return rows.length > 0;
}

/** The newest first. */
export async function listExchangeRates(db: Database, limit: number): Promise<ExchangeRate[]> {
  return db.all<ExchangeRate>(sql`SELECT from_currency AS "from", to_currency AS "to", as_of AS asOf, rate AS billionths
    FROM exchange_rates ORDER BY as_of DESC, from_currency, to_currency LIMIT ${limit}`);
}
