/** Imports as a test does them: the service over the test's own D1, without the HTTP app. */
import { env } from "cloudflare:workers";
import { uuidv7 } from "uuidv7";
import { openDatabase } from "../../src/db/database.ts";
import { commit } from "../../src/db/unit-of-work.ts";
import { ID_PREFIXES, type NewId } from "../../src/domain/ids.ts";
import type { ImportKind } from "../../src/domain/import-rows.ts";
import { wantOf } from "../../src/events/subscriptions.ts";
import { importFile, type ImportDeps } from "../../src/services/imports.ts";
import { stoppedClock } from "./stopped-clock.ts";

export const clock = stoppedClock();
const newId: NewId = (kind) => `${ID_PREFIXES[kind]}_${uuidv7().replaceAll("-", "")}`;

export function importDeps(over: Partial<ImportDeps> = {}): ImportDeps {
  const db = openDatabase(env.DB);
  return {
    db,
    commit: (work) => commit({ db, now: clock.now, newId, wantOf }, work),
    clock,
    newId,
    sha256: async (text) => new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toHex(),
    environment: "development",
    ...over,
  };
}

const trace = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, correlationId: "a".repeat(32) };

export function importCsv(
  kind: ImportKind,
  file: string | Uint8Array,
  options: { dryRun?: boolean; deps?: ImportDeps } = {},
) {
  return importFile(options.deps ?? importDeps(), {
    kind,
    body: typeof file === "string" ? new TextEncoder().encode(file) : file,
    dryRun: options.dryRun ?? false,
    actor: { id: "admin", kind: "person" },
    trace,
  });
}

export async function rowsOf<T = Record<string, unknown>>(query: string, ...values: unknown[]): Promise<T[]> {
  return (await env.DB.prepare(query).bind(...values).all<T>()).results;
}

/** Every (sku, location) where ledger, level, bins and reservations differ: none, ever. */
export function stockDifferences() {
  return rowsOf(`
    SELECT l.sku, l.location, l.on_hand, l.reserved,
      (SELECT COALESCE(SUM(quantity), 0) FROM stock_movements m WHERE m.sku = l.sku AND m.location = l.location) AS moved,
      (SELECT COALESCE(SUM(quantity), 0) FROM stock_bins b WHERE b.sku = l.sku AND b.location = l.location) AS binned,
      (SELECT COALESCE(SUM(quantity), 0) FROM reservations r WHERE r.sku = l.sku AND r.location = l.location AND r.state = 'open') AS held
    FROM stock_levels l WHERE l.on_hand <> moved OR l.on_hand <> binned OR l.reserved <> held`);
}
