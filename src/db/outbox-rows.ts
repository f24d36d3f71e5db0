/** The statements that put events into the outbox: one for a draft, one for a whole group of which a condition keeps some. */
import { sql, type SQL } from "drizzle-orm";
import { OUTBOX_BUCKETS } from "../config.ts";
import { dataSchemaOf, type MessageType } from "../domain/events.ts";
import { fnv1a } from "../domain/hash.ts";
import type { NewId } from "../domain/ids.ts";
import type { Trace } from "../domain/trace.ts";
import type { EventDraft, EventGroup } from "./unit-of-work.ts";

export interface OutboxFacts {
  readonly newId: NewId;
  readonly wantOf: (type: MessageType) => number;
  readonly webhookWantOf: (type: MessageType) => number;
  readonly trace: Trace;
  readonly at: string;
}

export interface DraftedRow {
  readonly eventId: string;
  readonly bucket: number;
  readonly isDue: boolean;
}

export function bucketOf(subject: string): number {
  return fnv1a(subject) % OUTBOX_BUCKETS;
}

export function insertEvent(draft: EventDraft, facts: OutboxFacts): { statement: SQL; row: DraftedRow } {
  const { row, event, want, webhook, notBefore } = drafted(draft, facts);
  const { type, region } = draft;
  const webhooks =
    webhook === 0 ? sql`` : webhookWant({ type: sql`${type}`, region: sql`${region}`, bit: sql`${webhook}` });
  const filled = filledWith(sql`${event}`, draft.fill);
  const statement = sql`INSERT INTO outbox(event_id, bucket, type, subject, region, event, created_at, not_before, want)
    VALUES (${row.eventId}, ${row.bucket}, ${type}, ${draft.subject}, ${region}, ${filled}, ${facts.at}, ${notBefore},
            ${want}${webhooks})`;
  return { statement, row };
}

/** Its answer names the events that are there: a count of changes would include what triggers write. */
export function insertEvents(group: EventGroup, facts: OutboxFacts): { statement: SQL; rows: DraftedRow[] } {
  const all = group.drafts.map((draft) => ({ draft, ...drafted(draft, facts) }));
  const values = all.map(({ draft: { type, subject, region, data }, row, event, want, webhook, notBefore }) => {
    const placed = { event_id: row.eventId, bucket: row.bucket, not_before: notBefore };
    return Object.assign(placed, { type, subject, region, data, event, want, webhook });
  });
  const named = GROUP_COLUMNS.map((column) => sql`value ->> ${column} AS ${sql.identifier(column)}`);
  const webhooks = webhookWant({ type: sql`d.type`, region: sql`d.region`, bit: sql`d.webhook` });
  const statement = sql`INSERT INTO outbox(event_id, bucket, type, subject, region, event, created_at, not_before, want)
    SELECT d.event_id, d.bucket, d.type, d.subject, d.region, ${filledWith(sql`d.event`, group.fill)}, ${facts.at},
      d.not_before, d.want${webhooks}
    FROM (SELECT ${sql.join(named, sql`, `)} FROM json_each(${JSON.stringify(values)})) AS d ${group.keep}
    RETURNING event_id`;
  return { statement, rows: all.map(({ row }) => row) };
}

const GROUP_COLUMNS = [
  "event_id",
  "bucket",
  "type",
  "subject",
  "region",
  "event",
  "data",
  "not_before",
  "want",
  "webhook",
] as const;

/**
 * Adds the bit of webhooks when an endpoint that is active at this commit may want the event: without one, an index that
 * is empty is looked at and nothing more. Who really hears of it is decided at delivery.
 */
function webhookWant({ type, region, bit }: { readonly type: SQL; readonly region: SQL; readonly bit: SQL }): SQL {
  return sql` | CASE WHEN EXISTS (SELECT 1 FROM webhooks w WHERE w.state = 'active'
    AND (w.region IS NULL OR ${region} IS NULL OR w.region = ${region})
    AND EXISTS (SELECT 1 FROM json_each(w.types) t WHERE t.value = ${type})) THEN ${bit} ELSE 0 END`;
}

function drafted(draft: EventDraft, { newId, wantOf, webhookWantOf, trace, at }: OutboxFacts) {
  const eventId = newId("event");
  const event = JSON.stringify({
    specversion: "1.0",
    id: eventId,
    source: "/waybill",
    type: draft.type,
    subject: draft.subject,
    time: at,
    datacontenttype: "application/json",
    dataschema: dataSchemaOf(draft.type),
    sequence: draft.sequence,
    traceparent: trace.traceparent,
    correlationid: trace.correlationId,
    data: draft.data,
  });
  return {
    row: { eventId, bucket: bucketOf(draft.subject), isDue: draft.notBefore === undefined },
    event,
    want: wantOf(draft.type),
    webhook: webhookWantOf(draft.type),
    notBefore: draft.notBefore === undefined ? "" : new Date(draft.notBefore).toISOString(),
  };
}

function filledWith(event: SQL, fill: Readonly<Record<string, SQL>> = {}): SQL {
  const fills = Object.entries(fill).map(([path, value]) => sql`, ${path}, (${value})`);
  return fills.length === 0 ? event : sql`json_set(${event}${sql.join(fills)})`;
}
