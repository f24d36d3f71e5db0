/**
 * What must hold beyond the tables, once all is at rest: the hubs' logs, the cache, the document store and the suppliers' books
 * say what the tables say.
 */
import { runInDurableObject } from "cloudflare:test";
import { partKey } from "../../../src/cache/parts-cache.ts";
import type { Env } from "../../../src/env.ts";
import { parseMessage } from "../../../src/domain/events.ts";
import { hubName, topicsOf } from "../../../src/domain/hub/routing.ts";
import type { PartView } from "../../../src/domain/parts.ts";
import { HUB_BIT } from "../../../src/events/subscriptions.ts";
import { standInSupplier } from "../stand-in-supplier.ts";

export async function wrongOutside(env: Env): Promise<string[]> {
  return [
    ...(await givenUp(env)),
    ...(await hubLogs(env)),
    ...(await staleCache(env)),
    ...(await files(env)),
    ...(await archive(env)),
    ...(await suppliers(env)),
  ];
}

/** Two faults are no reason to give anything up, and what was given up and sent again is alive. */
async function givenUp(env: Env): Promise<string[]> {
  const { results } = await env.DB.prepare(
    "SELECT type, subject, want, done, dead FROM outbox WHERE parked_at IS NOT NULL OR dead <> 0",
  ).all<{ type: string; subject: string; want: number; done: number; dead: number }>();
  return results.map(
    (row) =>
      `3 nothing is given up: ${row.type} of ${row.subject}: want ${row.want}, done ${row.done}, dead ${row.dead}`,
  );
}

/** Each event for devices is in its region's log once, and those of one subject in the order of their commits. */
async function hubLogs(env: Env): Promise<string[]> {
  const { results: events } = await env.DB.prepare(
    `SELECT event_id, subject, region, event FROM outbox
     WHERE want & done & ${HUB_BIT} <> 0 AND region IS NOT NULL ORDER BY rowid`,
  ).all<{ event_id: string; subject: string; region: string; event: string }>();
  const found: string[] = [];
  for (const [region, all] of Map.groupBy(events, (event) => event.region)) {
    const own = all.filter((row) => topicsOfRow(row).length > 0);
    const place = await placesInLog(env, region, own);
    const last = new Map<string, number>();
    for (const { event_id: id, subject } of own) {
      const seq = place.get(id);
      if (seq === undefined) found.push(`3 the hub has what it marked: ${subject} ${id}`);
      else if (seq < (last.get(subject) ?? 0)) found.push(`3 the hub keeps the order within a subject: ${subject}`);
      last.set(subject, seq ?? 0);
    }
  }
  return found;
}

function topicsOfRow(row: { event: string; region: string }): readonly string[] {
  const parsed = parseMessage(JSON.parse(row.event));
  return parsed.ok ? topicsOf(parsed.message, row.region) : [];
}

async function placesInLog(env: Env, region: string, events: readonly { event_id: string }[]) {
  const hub = env.HUB.get(env.HUB.idFromName(hubName(region, 0)));
  const wanted = JSON.stringify(events.map(({ event_id: id }) => id));
  const log = await runInDurableObject(hub, (_, state) =>
    state.storage.sql
      .exec<{ event_id: string; seq: number }>(
        "SELECT event_id, seq FROM log WHERE event_id IN (SELECT value FROM json_each(?))",
        wanted,
      )
      .toArray(),
  );
  return new Map(log.map((row) => [row.event_id, row.seq]));
}

/** A part in the cache is the part in the tables. */
async function staleCache(env: Env): Promise<string[]> {
  const { results } = await env.DB.prepare(
    `SELECT p.sku, p.version, COALESCE(SUM(l.on_hand), 0) AS on_hand, COALESCE(SUM(l.reserved), 0) AS reserved,
       COALESCE(SUM(l.incoming), 0) AS incoming
     FROM parts p LEFT JOIN stock_levels l ON l.sku = p.sku GROUP BY p.sku`,
  ).all<{ sku: string; version: number; on_hand: number; reserved: number; incoming: number }>();
  const found: string[] = [];
  for (const part of results) {
    const cached = await env.CACHE.get<{ value: PartView }>(partKey(part.sku), "json");
    if (!cached) continue;
    const { version, stock } = cached.value;
    const shown = (["on_hand", "reserved", "incoming"] as const).map((figure) => [
      figure,
      stock.reduce((sum, place) => sum + place[figure], 0),
      part[figure],
    ]);
    const stale = shown.filter(([, cachedSum, sum]) => cachedSum !== sum);
    if (version === part.version && stale.length === 0) continue;
    found.push(`3 the cache is no older than the table: ${part.sku} ${JSON.stringify(stale)}`);
  }
  return found;
}

/** Each file that was kept has become a request. */
async function files(env: Env): Promise<string[]> {
  const { objects } = await env.FILES.list({ prefix: "uploads/" });
  const { results } = await env.DB.prepare("SELECT object_key FROM uploads").all<{ object_key: string }>();
  const registered = new Set(results.map((row) => row.object_key));
  return objects
    .filter(({ key }) => !registered.has(key))
    .map(({ key }) => `4 every file that was kept is registered: ${key}`);
}

/** Each response lies in the document store, as it was made. */
async function archive(env: Env): Promise<string[]> {
  const { results } = await env.DB.prepare(
    `SELECT r.request_id, r.body, u.path, u.state FROM responses r LEFT JOIN cloud_uploads u ON u.response_id = r.id`,
  ).all<{ request_id: string; body: string; path: string | null; state: string | null }>();
  const found: string[] = [];
  for (const { request_id: id, body, path, state } of results) {
    const stored = path === null ? null : await (await env.ARCHIVE.get(path))?.text();
    if (state !== "stored" || stored !== body)
      found.push(`3 each response is archived: ${id}, ${state ?? "not queued"}`);
  }
  return found;
}

/** A supplier has one live purchase order for an order that wants one, and none for others. */
async function suppliers(env: Env): Promise<string[]> {
  const { results } = await env.DB.prepare(
    `SELECT DISTINCT o.id, o.status, l.supplier, s.url FROM orders o
     JOIN order_lines l ON l.order_id = o.id AND l.source = 'purchase' JOIN suppliers s ON s.id = l.supplier`,
  ).all<{ id: string; status: string; supplier: string; url: string }>();
  const found: string[] = [];
  for (const { id, status, supplier } of results) {
    const placed = await standInSupplier(supplier).ordersUnder(`${id}:${supplier}`);
    const live = placed.filter((order) => order.status === "accepted").length;
    const wrong = live > 1 || (status === "Completed" && live !== 1) || (status === "Cancelled" && live !== 0);
    if (wrong)
      found.push(
        `2 the supplier has one live order at most, and it is ours: ${id} is ${status}, ${live} at ${supplier}`,
      );
  }
  return found;
}
