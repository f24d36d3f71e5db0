/** How many rows each table has: what a refused call must leave as it was. */
import { env } from "./harness.ts";

/** Rows by table. Full-text shadow tables, the assertion view and the migrations' own table aren't data. */
export async function countRows(): Promise<Record<string, number>> {
  const { results: tables } = await env.DB.prepare(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'parts_search%' AND name NOT LIKE 'sqlite_%'
       AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'd1_%' ORDER BY name`,
  ).all<{ name: string }>();
  const counted = await env.DB.batch<{ n: number }>(
    tables.map(({ name }) => env.DB.prepare(`SELECT COUNT(*) AS n FROM ${name}`)),
  );
  return Object.fromEntries(tables.map(({ name }, at) => [name, counted[at]?.results[0]?.n ?? -1]));
}
