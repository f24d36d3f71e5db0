/**
 * Applies migrations/*.sql to a D1 database, each as one batch with its own record, so that a migration is there whole
 * or not at all. The records are wrangler's (`d1_migrations`): `wrangler d1 migrations` and this agree on what is applied.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { D1Database } from "@cloudflare/workers-types";
import { unstable_splitSqlQuery } from "wrangler";
import { messageOf } from "../src/domain/errors.ts";

const MIGRATIONS = join(import.meta.dirname, "../migrations");

/** The names of those that were missing and are applied now, in order. Throws an Error that names the bad one. */
export async function applyMigrations(db: D1Database, folder: string = MIGRATIONS): Promise<string[]> {
  await db
    .prepare(
      `CREATE TABLE IF NOT EXISTS d1_migrations(
         id INTEGER PRIMARY KEY AUTOINCREMENT,
         name TEXT UNIQUE,
         applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
       )`,
    )
    .run();
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all<{ name: string }>();
  const applied = new Set(results.map(({ name }) => name));
  const missing = readdirSync(folder)
    .filter((name) => name.endsWith(".sql") && !applied.has(name))
    .sort();
  for (const name of missing) {
    try {
      const statements = unstable_splitSqlQuery(readFileSync(join(folder, name), "utf8"));
      const record = db.prepare("INSERT INTO d1_migrations(name) VALUES (?)").bind(name);
      await db.batch([...statements.map((sql) => db.prepare(sql)), record]);
    } catch (error) {
      throw new Error(`Migration ${name} failed: ${messageOf(error)}`, { cause: error });
    }
  }
  return missing;
}
