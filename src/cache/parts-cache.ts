/**
 * The catalogue in KV: `parts:{sku}`, and `parts:catalog`, which names the catalogue's current version. A page of a list
 * is `parts:catalog:{version}:{query}`, so dropping the one key `parts:catalog` drops every page.
 */
import { PARTS_CACHE_TTL_S } from "../config.ts";
import { partPageSchema, partViewSchema, type PartPage, type PartView } from "../domain/parts.ts";
import { readThrough, type CacheDeps, type CacheStatus } from "./read-through.ts";

const SCHEMA_VERSION = 1;

export const CATALOG_KEY = "parts:catalog";

export function partKey(sku: string): string {
  return `parts:${sku}`;
}

export async function cachedPart(
  deps: CacheDeps,
  sku: string,
  load: () => Promise<PartView | null>,
): Promise<{ value: PartView | null; status: CacheStatus }> {
  return readThrough(deps, {
    key: partKey(sku),
    ttlSeconds: PARTS_CACHE_TTL_S,
    schemaVersion: SCHEMA_VERSION,
    parse: (stored) => {
      const part = partViewSchema.safeParse(stored).data;
      return part?.sku === sku ? part : null;
    },
    load,
  });
}

/** `queryHash`: hex digest of the normalised query. `newVersion` names the catalogue when nobody has since the last drop. */
export async function cachedPartPage(
  deps: CacheDeps,
  q: { queryHash: string; newVersion: () => string; load: () => Promise<PartPage> },
): Promise<{ value: PartPage; status: CacheStatus }> {
  const version = await readThrough(deps, {
    key: CATALOG_KEY,
    ttlSeconds: PARTS_CACHE_TTL_S,
    schemaVersion: SCHEMA_VERSION,
    parse: (stored) => (typeof stored === "string" ? stored : null),
    load: async () => q.newVersion(),
  });
  const page = await readThrough(deps, {
    key: `${CATALOG_KEY}:${version.value}:${q.queryHash}`,
    ttlSeconds: PARTS_CACHE_TTL_S,
    schemaVersion: SCHEMA_VERSION,
    parse: (stored) => partPageSchema.safeParse(stored).data ?? null,
    load: q.load,
  });
  return { value: page.value ?? (await q.load()), status: page.status };
}
