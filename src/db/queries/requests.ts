/** Requests: guarded writes (every move asserts the version it saw) and reads. */
import { and, asc, desc, eq, sql, type SQL } from "drizzle-orm";
import type { RequestStatus } from "../../domain/request.ts";
import type { Database } from "../database.ts";
import { requestLines, requests, responses, uploads } from "../schema/requests.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export type RequestRow = typeof requests.$inferSelect;
export type RequestLineRow = typeof requestLines.$inferSelect;

export interface NewRequest {
  readonly id: string;
  readonly requestNumber: string;
  readonly deviceId: string;
  readonly requester: string;
  readonly region: string;
  readonly destination: string;
  readonly neededBy: string | null;
  readonly note: string | null;
  readonly at: string;
}

export function insertRequest(r: NewRequest): GuardedWrite {
  return {
    statement: sql`INSERT INTO requests(id, request_number, device_id, requester, region, destination, status, needed_by,
        note, created_at, updated_at)
      VALUES (${r.id}, ${r.requestNumber}, ${r.deviceId}, ${r.requester}, ${r.region}, ${r.destination}, 'uploaded',
        ${r.neededBy}, ${r.note}, ${r.at}, ${r.at}) ON CONFLICT DO NOTHING`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

export interface NewRequestLine {
  readonly line: number;
  readonly sku?: string | undefined;
  readonly text?: string | undefined;
  readonly quantity: number;
  readonly unit?: string | undefined;
}

export function insertRequestLines(requestId: string, lines: readonly NewRequestLine[]): GuardedWrite {
  return {
    statement: sql`INSERT INTO request_lines(request_id, line, sku, text, quantity, unit, needed_by)
      SELECT ${requestId}, value ->> 'line', value ->> 'sku', value ->> 'text', value ->> 'quantity', value ->> 'unit',
        value ->> 'neededBy'
      FROM json_each(${JSON.stringify(lines)})`,
    expect: { rows: lines.length, otherwise: "CONFLICT" },
  };
}

export function insertUpload(u: {
  id: string;
  objectKey: string;
  requestId: string;
  deviceId: string;
  contentType: string;
  bytes: number;
  at: string;
}): GuardedWrite {
  return {
    statement: sql`INSERT INTO uploads(id, object_key, request_id, device_id, content_type, bytes, created_at)
      VALUES (${u.id}, ${u.objectKey}, ${u.requestId}, ${u.deviceId}, ${u.contentType}, ${u.bytes}, ${u.at})
      ON CONFLICT DO NOTHING`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** What a move may change besides the status. */
export interface RequestChange {
  readonly status: RequestStatus;
  readonly context?: string;
  readonly total?: number;
  readonly currency?: string;
  readonly payloadHash?: string;
  readonly orderId?: string;
  readonly reason?: string | null;
  readonly problems?: string | null;
  readonly neededBy?: string;
  readonly note?: string;
}

/** Moves a request from the version that was read; anyone who moved it in between wins. */
export function moveRequest(id: string, version: number, at: string, change: RequestChange): GuardedWrite {
  const sets: SQL[] = [sql`status = ${change.status}`, sql`updated_at = ${at}`, sql`version = version + 1`];
  if (change.context !== undefined) sets.push(sql`context = ${change.context}`);
  if (change.total !== undefined) sets.push(sql`total = ${change.total}`);
  if (change.currency !== undefined) sets.push(sql`currency = ${change.currency}`);
  if (change.payloadHash !== undefined) sets.push(sql`payload_hash = ${change.payloadHash}`);
  if (change.orderId !== undefined) sets.push(sql`order_id = ${change.orderId}`);
  if (change.reason !== undefined) sets.push(sql`reason = ${change.reason}`);
  if (change.problems !== undefined) sets.push(sql`problems = ${change.problems}`);
  if (change.neededBy !== undefined) sets.push(sql`needed_by = ${change.neededBy}`);
  if (change.note !== undefined) sets.push(sql`note = ${change.note}`);
  return {
    statement: sql`UPDATE requests SET ${sql.join(sets, sql`, `)} WHERE id = ${id} AND version = ${version}`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

export async function findRequest(
  db: Database,
  id: string,
): Promise<{ request: RequestRow; lines: RequestLineRow[] } | null> {
  const [rows, lines] = await db.batch([
    db.select().from(requests).where(eq(requests.id, id)).limit(1),
    db.select().from(requestLines).where(eq(requestLines.requestId, id)).orderBy(asc(requestLines.line)),
  ]);
  const request = rows[0];
  return request ? { request, lines } : null;
}

export async function findRequestByNumber(db: Database, deviceId: string, number: string): Promise<RequestRow | null> {
  const [row] = await db
    .select()
    .from(requests)
    .where(and(eq(requests.deviceId, deviceId), eq(requests.requestNumber, number)))
    .limit(1);
  return row ?? null;
}

export async function findUploadOf(db: Database, requestId: string) {
  const [row] = await db.select().from(uploads).where(eq(uploads.requestId, requestId)).limit(1);
  return row ?? null;
}

export async function findUploadByKey(db: Database, objectKey: string) {
  const [row] = await db.select().from(uploads).where(eq(uploads.objectKey, objectKey)).limit(1);
  return row ?? null;
}

/** The last row of the page before: `[created_at, id]`. Ids alone don't say when: some are made from a key. */
export type PageKey = readonly [createdAt: string, id: string];

export async function listRequests(
  db: Database,
  q: { region: string | null; requester: string | null; deviceId: string | null; after: PageKey | null; limit: number },
): Promise<RequestRow[]> {
  return db
    .select()
    .from(requests)
    .where(
      and(
        q.region === null ? undefined : eq(requests.region, q.region),
        q.requester === null ? undefined : eq(requests.requester, q.requester),
        q.deviceId === null ? undefined : eq(requests.deviceId, q.deviceId),
        q.after === null ? undefined : sql`(${requests.createdAt}, ${requests.id}) < (${q.after[0]}, ${q.after[1]})`,
      ),
    )
    .orderBy(desc(requests.createdAt), desc(requests.id))
    .limit(q.limit);
}

export function insertResponse(r: {
  id: string;
  requestId: string;
  outcome: string;
  body: string;
  at: string;
}): GuardedWrite {
  return {
    statement: sql`INSERT INTO responses(id, request_id, outcome, body, created_at)
      VALUES (${r.id}, ${r.requestId}, ${r.outcome}, ${r.body}, ${r.at}) ON CONFLICT DO NOTHING`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

export async function findResponse(db: Database, requestId: string) {
  const [row] = await db.select().from(responses).where(eq(responses.requestId, requestId)).limit(1);
  return row ?? null;
}

export async function findResponseById(db: Database, id: string) {
  const [row] = await db.select().from(responses).where(eq(responses.id, id)).limit(1);
  return row ?? null;
}
