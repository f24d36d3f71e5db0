/** The seeded small world: the demo's people and places, and nothing else until a run brings its own parts. Emptied before each run. */
import { abortAllDurableObjects, applyD1Migrations, runInDurableObject, type D1Migration } from "cloudflare:test";
import { env as bindings } from "cloudflare:workers";
import { DEMO_SEED, demoData, seedStatements, type DemoData } from "../../../scripts/demo-data.ts";
import type { Env } from "../../../src/env.ts";

export const env = bindings as unknown as Env & {
  readonly TEST_MIGRATIONS: D1Migration[];
  readonly SWEEP: Readonly<Record<string, string>>;
};

const KEPT = ["regions", "locations", "people", "devices"] as const;

let emptying: string[] | undefined;

/** Migrates and seeds the file's own database, once per file. */
export async function buildWorld(): Promise<void> {
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
  const all = demoData(DEMO_SEED);
  const few = Object.fromEntries(KEPT.map((table) => [table, all[table]])) as unknown as DemoData;
  await env.DB.batch(seedStatements(few).map(({ sql, params }) => env.DB.prepare(sql).bind(...params)));
}

/**
 * Takes away all that a run has left: rows, files, and what the relay keeps of its place in the log, since the log begins anew.
 * What forbids deletion (the trail is append-only) is set aside for it.
 */
export async function emptyWorld(): Promise<void> {
  emptying ??= await emptyingStatements();
  await env.DB.batch(emptying.map((sql) => env.DB.prepare(sql)));
  for (const bucket of [env.FILES, env.ARCHIVE]) {
    const { objects } = await bucket.list();
    if (objects.length > 0) await bucket.delete(objects.map(({ key }) => key));
  }
  const relay = env.RELAY.get(env.RELAY.idFromName("relay:0"));
  await runInDurableObject(relay, (_, state) => state.storage.deleteAll());
  await abortAllDurableObjects();
}

async function emptyingStatements(): Promise<string[]> {
  const { results: tables } = await env.DB.prepare(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'parts_search%' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
       AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'd1\\_%' ESCAPE '\\'`,
  ).all<{ name: string }>();
  const { results: guards } = await env.DB.prepare(
    "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE '%BEFORE DELETE%'",
  ).all<{ name: string; sql: string }>();
  const kept: readonly string[] = KEPT;
  return [
    "PRAGMA defer_foreign_keys = ON",
    ...guards.map(({ name }) => `DROP TRIGGER ${name}`),
    ...tables.filter(({ name }) => !kept.includes(name)).map(({ name }) => `DELETE FROM ${name}`),
    ...guards.map(({ sql }) => sql),
  ];
}
