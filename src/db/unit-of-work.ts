/**
 * The one way to change anything: a batch of guarded writes, each followed at once by its assertion, then audit rows
 * and outbox rows. D1 runs it as one transaction, so data, trail and events are committed together or not at all.
 */
import { sql, type SQL, type SQLWrapper } from "drizzle-orm";
import { SQLiteAsyncDialect } from "drizzle-orm/sqlite-core";
import { AppError, ERROR_CODES, type ErrorCode } from "../domain/errors.ts";
import type { DataOf, EventType, MessageType } from "../domain/events.ts";
import type { NewId } from "../domain/ids.ts";
import type { Actor, Trace } from "../domain/trace.ts";
import { auditInserts } from "./audit-rows.ts";
import type { Database } from "./database.ts";
import { insertEvent, insertEvents, type DraftedRow } from "./outbox-rows.ts";
import { findInboxRow } from "./queries/inbox.ts";

/** A statement and how many rows it must change; otherwise the whole batch rolls back with that code. */
export interface GuardedWrite {
  readonly statement: SQLWrapper;
  readonly expect?: { readonly rows: number; readonly otherwise: ErrorCode };
}

export interface AuditEntry {
  readonly actor: Actor;
  /** Past-tense fact, such as `request.priced`. */
  readonly action: string;
  /** `{kind}/{id}` of what changed. */
  readonly subject: string;
  readonly before?: unknown;
  readonly after?: unknown;
  readonly reason?: string;
}

export interface EventDraft<T extends MessageType = MessageType> {
  readonly type: T;
  /** `{kind}/{id}` of the aggregate; the hub lane keeps order within it. */
  readonly subject: string;
  /** Whose hubs hear of it; null: all. */
  readonly region: string | null;
  /** Version of the aggregate after this change. */
  readonly sequence: number;
  readonly data: DataOf<T>;
  /** Values known only inside the batch: JSON path → expression over its rows. */
  readonly fill?: Readonly<Record<string, SQL>>;
  /** Makes it a timer: not delivered before (ms since the epoch). Nothing that a hub delivers is one. */
  readonly notBefore?: T extends EventType ? never : number;
}

/** Events of which only those are there that a condition keeps, by one statement however many there are. */
export interface EventGroup<T extends MessageType = MessageType> {
  /** Without a `fill` of their own. */
  readonly drafts: readonly EventDraft<T>[];
  /** What follows `FROM (…) AS d`, where `d.data` is a draft's data as JSON: a join with the batch's rows, and the condition. */
  readonly keep: SQL;
  /** JSON path → expression over the rows so joined. */
  readonly fill?: Readonly<Record<string, SQL>>;
}

/** Any draft, as a union that keeps type and data together, or a group of them. */
export type AnyEventDraft = { [T in MessageType]: EventDraft<T> }[MessageType] | EventGroup;

/** A subscriber's bit on a row of the outbox: the row is named by its place in the log and, since places can be reused, its event. */
export interface DoneMark {
  readonly seq: number;
  readonly eventId: string;
  readonly bit: number;
}

export interface UnitOfWork {
  readonly trace: Trace;
  /** Where the change answers something that can come twice. `result` is what a second asker gets. */
  readonly inbox?: {
    readonly scope: string;
    readonly id: string;
    readonly bodyHash: string;
    readonly result?: SQL | string;
  };
  /** What the caller is told once this is committed: kept with it when the caller's intent has a key (answer-once.ts). */
  readonly answers?: object;
  readonly writes: readonly GuardedWrite[];
  readonly audit?: readonly AuditEntry[];
  readonly events?: readonly AnyEventDraft[];
  /** The subscriber (its bit) whose effect this batch is: a second delivery finds the bit set, done or dead, and changes nothing. */
  readonly done?: DoneMark;
}

export type Committed =
  | {
      readonly ok: true;
      readonly replayed: false;
      readonly eventIds: readonly string[];
      readonly buckets: readonly number[];
    }
  | { readonly ok: true; readonly replayed: true; readonly result: string | null }
  | { readonly ok: false; readonly code: ErrorCode };

export interface CommitDeps {
  readonly db: Database;
  readonly now: () => number;
  readonly newId: NewId;
  /** The subscribers of a type, as bits (events/subscriptions.ts). */
  readonly wantOf: (type: MessageType) => number;
  /** The bit of a type's events that is wanted only while an endpoint of webhooks may hear of them; 0: never. */
  readonly webhookWantOf: (type: MessageType) => number;
}

/** drizzle's own batch can't bind parameters of raw statements, so they are compiled here and sent as they are. */
const dialect = new SQLiteAsyncDialect();

/** An assertion on the statement just before it: its count of changed rows. Writes no row. */
function assertChanged(rows: number, code: ErrorCode): SQL {
  return sql`INSERT INTO assert_that SELECT changes(), ${rows}, ${code}`;
}

/**
 * Commits the work. A failed assertion is the value `{ok: false, code}` with nothing written; an inbox key that exists
 * is `{replayed: true}` with the stored result, or KEY_REUSED when the body differs. Throws AppError when the
 * database failed: whether the batch landed is then unknown, and a retry under the same inbox key or done bit tells.
 */
export async function commit(deps: CommitDeps, work: UnitOfWork): Promise<Committed> {
  const { db } = deps;
  const at = new Date(deps.now()).toISOString();
  const client = db.$client;
  const statements: D1PreparedStatement[] = [];
  const add = (statement: SQLWrapper) => {
    const { sql: text, params } = dialect.sqlToQuery(statement.getSQL());
    statements.push(client.prepare(text).bind(...params));
  };

  const { inbox, done } = work;
  const lateResult = inbox?.result !== undefined && typeof inbox.result !== "string" ? inbox.result : undefined;
  if (inbox) {
    const result = typeof inbox.result === "string" ? inbox.result : null;
    add(sql`INSERT INTO inbox(scope, id, body_hash, result, at)
            VALUES (${inbox.scope}, ${inbox.id}, ${inbox.bodyHash}, ${result}, ${at})`);
  }
  if (done) {
    add(sql`UPDATE outbox SET done = done | ${done.bit}
            WHERE seq = ${done.seq} AND event_id = ${done.eventId} AND (done | dead) & ${done.bit} = 0`);
    add(assertChanged(1, "DUPLICATE"));
  }
  for (const write of work.writes) {
    add(write.statement);
    if (write.expect) add(assertChanged(write.expect.rows, write.expect.otherwise));
  }
  for (const insert of auditInserts(work.audit ?? [], work.trace, at)) add(insert);
  const { newId, wantOf, webhookWantOf } = deps;
  const facts = { newId, wantOf, webhookWantOf, trace: work.trace, at };
  const always: DraftedRow[] = [];
  const groups: { readonly statement: number; readonly rows: readonly DraftedRow[] }[] = [];
  for (const draft of work.events ?? []) {
    if ("drafts" in draft) {
      const { statement, rows } = insertEvents(draft, facts);
      groups.push({ statement: statements.length, rows });
      add(statement);
    } else {
      const { statement, row } = insertEvent(draft, facts);
      always.push(row);
      add(statement);
    }
  }
  if (inbox && lateResult) {
    add(sql`UPDATE inbox SET result = (${lateResult}) WHERE scope = ${inbox.scope} AND id = ${inbox.id}`);
  }

  if (statements.length === 0) return { ok: true, replayed: false, eventIds: [], buckets: [] };
  try {
    const results = await client.batch<{ event_id: string }>(statements);
    const kept = groups.flatMap(({ statement, rows }) => {
      const ids = new Set(results[statement]?.results.map((row) => row.event_id));
      return rows.filter(({ eventId }) => ids.has(eventId));
    });
    const there = [...always, ...kept];
    const buckets = new Set(there.filter(({ isDue }) => isDue).map(({ bucket }) => bucket));
    return { ok: true, replayed: false, eventIds: there.map(({ eventId }) => eventId), buckets: [...buckets] };
  } catch (error) {
    const text = chainOf(error);
    if (inbox && /UNIQUE constraint failed: inbox\./.test(text)) return storedAnswer(db, inbox);
    const code = assertionCode(text);
    if (code) return { ok: false, code };
    if (error instanceof AppError) throw error;
    throw new AppError("INTERNAL", `commit failed: ${text.slice(0, 300)}`, { retryable: true, cause: error });
  }
}

async function storedAnswer(db: Database, inbox: { scope: string; id: string; bodyHash: string }): Promise<Committed> {
  const row = await findInboxRow(db, inbox.scope, inbox.id);
  if (!row) throw new AppError("INTERNAL", "an inbox row vanished between conflict and read", { retryable: true });
  if (row.body_hash !== inbox.bodyHash) return { ok: false, code: "KEY_REUSED" };
  return { ok: true, replayed: true, result: row.result };
}

/** All messages along the chain of causes: drizzle wraps single statements, D1 wraps SQLite. */
function chainOf(error: unknown): string {
  const seen: string[] = [];
  for (let at: unknown = error; at instanceof Error && seen.length < 5; at = at.cause) seen.push(at.message);
  return seen.join(" | ");
}

/** `D1_ERROR: CODE: SQLITE_CONSTRAINT…`: our own code raised by assert_that, or a CHECK that guards the same rule. */
function assertionCode(text: string): ErrorCode | undefined {
  const raised = /D1_ERROR: ([A-Z_]+): SQLITE_CONSTRAINT/.exec(text)?.[1];
  return ERROR_CODES.find((code) => code === raised);
}
