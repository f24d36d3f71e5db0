/** The AdventureWorks sample inside the app: its files as rows, imported by the API, with the people and the truck that it hasn't. */
import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { parse } from "csv-parse/sync";
import { IMPORT_KINDS, type ImportKind } from "../../src/domain/import-rows.ts";
import { as } from "./harness.ts";

/** The sample knows its suppliers, but not where to reach them. */
export type SampleKind = Exclude<ImportKind, "supplier_addresses">;
export const SAMPLE_KINDS = IMPORT_KINDS.filter((kind): kind is SampleKind => kind !== "supplier_addresses");

/** File name without `.csv` → text; null where the folder is missing. */
export const sampleFiles = env.TEST_DATA as Readonly<Record<SampleKind, string>> | null;
export const REGION = "northwest";
export const TRUCK = "truck-901";

/** The rows as the file says them: every cell is text. None where the folder is missing. */
export function sampleRows<T>(kind: SampleKind): T[] {
  return parse(sampleFiles?.[kind] ?? "", { columns: true }) as T[];
}

/** Those who ask and decide aren't in the sample: a truck, two managers whose limits reach, an admin, operations. */
async function addPeople(): Promise<void> {
  const people = [
    ["ops", "operations", null, 0],
    ["admin", "admin", null, 0],
    ["manager-northwest", "manager", REGION, 5_000_000],
    ["director", "manager", null, 500_000_000],
  ] as const;
  await env.DB.batch([
    env.DB.prepare("INSERT INTO regions(id, name) VALUES (?, 'Northwest') ON CONFLICT DO NOTHING").bind(REGION),
    env.DB.prepare("INSERT INTO locations(id, kind, name, region) VALUES (?, 'truck', 'Truck 901', ?)").bind(
      TRUCK,
      REGION,
    ),
    env.DB.prepare(
      "INSERT INTO devices(id, type, region, location, secret_hash) VALUES (?1, 'truck', ?2, ?1, '')",
    ).bind(TRUCK, REGION),
    ...people.map(([id, role, region, limit]) =>
      env.DB.prepare(
        "INSERT INTO people(id, name, email, role, region, approval_limit) VALUES (?1, ?1, ?1 || '@example.com', ?2, ?3, ?4)",
      ).bind(id, role, region, limit),
    ),
  ]);
}

/** Migrates the file's own database and imports these files of the sample, in their order. */
export async function importSample(kinds: readonly SampleKind[] = SAMPLE_KINDS): Promise<void> {
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
  await addPeople();
  for (const kind of kinds) {
    const body = sampleFiles?.[kind];
    const imported = await as("admin", "POST", `/api/imports/${kind}`, body, { "content-type": "text/csv" });
    if (imported.status !== 200) throw new Error(`${kind}: ${JSON.stringify(imported.body)}`);
  }
}
