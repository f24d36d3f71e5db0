/** Dead letters: guarded writes for commit(), and the reads behind `/api/dead-letters`. While a letter is open, its key is its own. */
import { and, desc, eq, gt, lt, sql, type SQL } from "drizzle-orm";
import { UNKNOWN_QUEUE, type DeadLetterState } from "../../domain/dead-letter.ts";
import type { Database } from "../database.ts";
import { deadLetters } from "../schema/dead-letters.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export type DeadLetterRow = typeof deadLetters.$inferSelect;
export type NewDeadLetter = Omit<
  DeadLetterRow,
  "edited" | "deaths" | "state" | "firstAt" | "lastAt" | "closedAt" | "closedBy" | "reason"
>;

/** What the subscriber was given last time stays what it is given: an earlier letter's edit goes on. */
export function insertLetters(letters: readonly NewDeadLetter[], at: string): GuardedWrite {
  return {
    statement: sql`INSERT INTO dead_letters(id, kind, queue, key, event_seq, event_id, subscriber, bit, command_id, type,
        subject, region, body, edited, error, fingerprint, attempts, message_id, state, first_at, last_at)
      SELECT n.value ->> 'id', n.value ->> 'kind', n.value ->> 'queue', n.value ->> 'key', n.value ->> 'eventSeq',
        n.value ->> 'eventId', n.value ->> 'subscriber', n.value ->> 'bit', n.value ->> 'commandId', n.value ->> 'type',
        n.value ->> 'subject', n.value ->> 'region', n.value ->> 'body',
        (SELECT e.edited FROM dead_letters AS e WHERE e.event_seq = n.value ->> 'eventSeq' AND e.edited IS NOT NULL
          AND e.event_id = n.value ->> 'eventId' AND e.subscriber = n.value ->> 'subscriber' ORDER BY e.id DESC LIMIT 1),
        n.value ->> 'error', n.value ->> 'fingerprint', n.value ->> 'attempts', n.value ->> 'messageId', 'open', ${at}, ${at}
      FROM json_each(${JSON.stringify(letters)}) AS n WHERE true ON CONFLICT DO NOTHING`,
    expect: { rows: letters.length, otherwise: "DUPLICATE" },
  };
}

/** Another message of what is dead already. The platform may bring one message twice: it counts once. */
export function addDeath(keys: readonly string[], messageId: string, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE dead_letters SET deaths = deaths + 1, last_at = ${at}, message_id = ${messageId}
      WHERE state = 'open' AND message_id <> ${messageId}
        AND key IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`,
  };
}

/** Ends open letters. One that has died again since it was read is another case: the caller looks again. */
export function closeLetters(
  letters: readonly Pick<DeadLetterRow, "id" | "deaths">[],
  end: { state: Exclude<DeadLetterState, "open">; at: string; by: string; reason: string | null },
): GuardedWrite {
  const seen = letters.map(({ id, deaths }) => ({ id, deaths }));
  return {
    statement: sql`UPDATE dead_letters
      SET state = ${end.state}, closed_at = ${end.at}, closed_by = ${end.by}, reason = ${end.reason}
      WHERE state = 'open' AND (id, deaths) IN
        (SELECT value ->> 'id', value ->> 'deaths' FROM json_each(${JSON.stringify(seen)}))`,
    expect: { rows: letters.length, otherwise: "CONFLICT" },
  };
}

export function editLetter(id: string, edited: string): GuardedWrite {
  return {
    statement: sql`UPDATE dead_letters SET edited = ${edited} WHERE id = ${id} AND state = 'open'`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

export async function findLetter(db: Database, id: string): Promise<DeadLetterRow | null> {
  const [row] = await db.select().from(deadLetters).where(eq(deadLetters.id, id)).limit(1);
  return row ?? null;
}

export interface LetterFilter {
  /** null: of every region, and of what concerns none. */
  readonly region: string | null;
  /** null: in any state. */
  readonly state: DeadLetterState | null;
  readonly type?: string | undefined;
  readonly subscriber?: string | undefined;
  readonly fingerprint?: string | undefined;
  /** Last died before or after (ISO 8601). */
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

function matching(filter: LetterFilter): SQL | undefined {
  return and(
    filter.region === null ? undefined : eq(deadLetters.region, filter.region),
    filter.state === null ? undefined : eq(deadLetters.state, filter.state),
    filter.type === undefined ? undefined : eq(deadLetters.type, filter.type),
    filter.subscriber === undefined ? undefined : eq(deadLetters.subscriber, filter.subscriber),
    filter.fingerprint === undefined ? undefined : eq(deadLetters.fingerprint, filter.fingerprint),
    filter.before === undefined ? undefined : lt(deadLetters.lastAt, filter.before),
    filter.after === undefined ? undefined : gt(deadLetters.lastAt, filter.after),
  );
}

/** Newest first. `olderThan`: the last id of the page before. */
export function listLetters(db: Database, filter: LetterFilter, q: { olderThan: string | null; limit: number }) {
  const older = q.olderThan === null ? undefined : lt(deadLetters.id, q.olderThan);
  return db
    .select()
    .from(deadLetters)
    .where(and(matching(filter), older))
    .orderBy(desc(deadLetters.id))
    .limit(q.limit);
}

export interface LetterGroup {
  readonly fingerprint: string;
  readonly queue: string;
  readonly type: string | null;
  readonly subscriber: string | null;
  readonly count: number;
  readonly first_at: string;
  readonly last_at: string;
  /** The newest letter of the group. */
  readonly sample_id: string;
  readonly sample_error: string;
}

/** By cause, the largest group first. */
export function listLetterGroups(db: Database, filter: LetterFilter, limit: number) {
  return db.all<LetterGroup>(sql`
    SELECT g.*, d.queue, d.type, d.subscriber, d.error AS sample_error
    FROM (SELECT fingerprint, COUNT(*) AS count, MIN(first_at) AS first_at, MAX(last_at) AS last_at, MAX(id) AS sample_id
          FROM dead_letters WHERE ${matching(filter) ?? sql`true`}
          GROUP BY fingerprint ORDER BY count DESC, fingerprint LIMIT ${limit}) AS g
    JOIN dead_letters AS d ON d.id = g.sample_id ORDER BY g.count DESC, g.fingerprint`);
}

/** Of one cause or all (null), of one region or all (null). */
export interface RedriveChoice {
  readonly fingerprint: string | null;
  readonly region: string | null;
}

/** Open letters that can be sent again, oldest first. */
export function listRedrivable(db: Database, choice: RedriveChoice, limit: number) {
  return db.select().from(deadLetters).where(redrivable(choice)).orderBy(deadLetters.id).limit(limit);
}

export async function countRedrivable(db: Database, choice: RedriveChoice): Promise<number> {
  const [row] = await db
    .select({ n: sql<number>`COUNT(*)` })
    .from(deadLetters)
    .where(redrivable(choice));
  return row?.n ?? 0;
}

function redrivable({ fingerprint, region }: RedriveChoice): SQL | undefined {
  return and(
    matching({ state: "open", region, fingerprint: fingerprint ?? undefined }),
    sql`${deadLetters.queue} <> ${UNKNOWN_QUEUE}`,
  );
}
