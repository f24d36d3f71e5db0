/** Command rows: guarded writes for commit() and the read behind `GET /api/commands/{id}`. */
import { and, desc, eq, gte, inArray, lt, sql, type SQL } from "drizzle-orm";
import type { Database } from "../database.ts";
import { commands } from "../schema/messaging.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import type { PageKey } from "./requests.ts";

export type CommandRow = typeof commands.$inferSelect;
export type CommandState = CommandRow["state"];

/** Literals: an index for some states serves a condition that names them, not one that is bound. */
const IN_STATE: Readonly<Record<Exclude<CommandState, "applied">, SQL>> = {
  accepted: sql`state = 'accepted'`,
  rejected: sql`state IN ('rejected', 'awaiting_approval', 'dead') AND state = 'rejected'`,
  awaiting_approval: sql`state IN ('rejected', 'awaiting_approval', 'dead') AND state = 'awaiting_approval'`,
  dead: sql`state IN ('rejected', 'awaiting_approval', 'dead') AND state = 'dead'`,
};

/** An accepted command's row; what isn't here comes with its execution. */
export type NewCommand = Pick<
  CommandRow,
  | "id"
  | "bucket"
  | "type"
  | "data"
  | "sender"
  | "region"
  | "traceparent"
  | "createdAt"
  | "deviceSequence"
  | "deviceTime"
  | "seenVersion"
>;

/** Where a command comes from when it ends. */
export type OpenState = "accepted" | "awaiting_approval";

/** All or none: the id is the key, and so is the number of its device. One that is taken is refused as DUPLICATE. */
export function acceptCommandRows(rows: readonly NewCommand[]): GuardedWrite {
  return {
    statement: sql`INSERT INTO commands(id, bucket, type, data, sender, region, state, traceparent, created_at,
        device_sequence, device_time, seen_version)
      SELECT value ->> 'id', value ->> 'bucket', value ->> 'type', value ->> 'data', value ->> 'sender', value ->> 'region',
        'accepted', value ->> 'traceparent', value ->> 'createdAt', value ->> 'deviceSequence', value ->> 'deviceTime',
        value ->> 'seenVersion'
      FROM json_each(${JSON.stringify(rows)}) WHERE true ON CONFLICT DO NOTHING`,
    expect: { rows: rows.length, otherwise: "DUPLICATE" },
  };
}

/** Ends the command as applied. `result`: an expression over the batch's own rows that makes its JSON answer. */
export function applyCommandRow(id: string, at: string, result: SQL, from: OpenState = "accepted"): GuardedWrite {
  return {
    statement: sql`UPDATE commands SET state = 'applied', finished_at = ${at}, result = (${result})
      WHERE id = ${id} AND state = ${from}`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** `result`: the code and the figures, as the sender gets them. */
export function rejectCommandRow(
  id: string,
  at: string,
  reason: string,
  result: object,
  from: OpenState = "accepted",
): GuardedWrite {
  return {
    statement: sql`UPDATE commands SET state = 'rejected', finished_at = ${at}, reason = ${reason},
        result = ${JSON.stringify(result)} WHERE id = ${id} AND state = ${from}`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** Hands the command to a person. `approval`: what is to be approved, the text that the ballots are bound to. */
export function awaitApprovalRow(id: string, approval: string): GuardedWrite {
  return {
    statement: sql`UPDATE commands SET state = 'awaiting_approval', approval = ${approval}, lease_until = ''
      WHERE id = ${id} AND state = 'accepted'`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

export async function findCommand(db: Database, id: string): Promise<CommandRow | null> {
  const [row] = await db.select().from(commands).where(eq(commands.id, id)).limit(1);
  return row ?? null;
}

export function findCommands(db: Database, ids: readonly string[]): Promise<CommandRow[]> {
  const wanted = sql`(SELECT value FROM json_each(${JSON.stringify(ids)}))`;
  return db
    .select()
    .from(commands)
    .where(sql`${commands.id} IN ${wanted}`);
}

/**
 * Newest first. Without a state: all but those that were applied, which are the many and stand in no index (`listApplied`).
 * `sender`: `{kind}:{id}`, or a region whose commands may be seen.
 */
export async function listCommands(
  db: Database,
  q: CommandFilter & { state?: Exclude<CommandState, "applied"> | undefined; after: PageKey | null },
): Promise<CommandRow[]> {
  const states = q.state ? [q.state] : (["accepted", "rejected", "awaiting_approval", "dead"] as const);
  const after = q.after === null ? sql`` : sql`AND (created_at, id) < (${q.after[0]}, ${q.after[1]})`;
  const rows = states.map(
    (state) => sql`SELECT * FROM (SELECT created_at, id FROM commands WHERE ${IN_STATE[state]} ${ofWhom(q)} ${after}
      ORDER BY created_at DESC, id DESC LIMIT ${q.limit})`,
  );
  const page = await db.all<{ id: string }>(
    sql`${sql.join(rows, sql` UNION ALL `)} ORDER BY created_at DESC, id DESC LIMIT ${q.limit}`,
  );
  const ids = JSON.stringify(page.map(({ id }) => id));
  return db
    .select()
    .from(commands)
    .where(inArray(commands.id, sql`(SELECT value FROM json_each(${ids}))`))
    .orderBy(desc(commands.createdAt), desc(commands.id));
}

/** The last of so many commands back from the id `after`; null: there are fewer. */
export async function findCommandWalkEnd(db: Database, after: string | null, rows: number): Promise<PageKey | null> {
  const from = after === null ? sql`` : sql`WHERE id < ${after}`;
  const [row] = await db.all<{ at: string; id: string }>(sql`SELECT created_at AS at, id FROM commands ${from}
    ORDER BY id DESC LIMIT 1 OFFSET ${rows - 1}`);
  return row ? [row.at, row.id] : null;
}

/**
 * Those that were applied, of the ids below `after` down to `until`, in the order of their ids: it is that of time where we
 * made them. An index by time would cost each change of stock a written row.
 */
export function listApplied(
  db: Database,
  q: CommandFilter & { after: string | null; until: string | null },
): Promise<CommandRow[]> {
  return db
    .select()
    .from(commands)
    .where(
      and(
        q.after === null ? undefined : lt(commands.id, q.after),
        q.until === null ? undefined : gte(commands.id, q.until),
        sql`state = 'applied' ${ofWhom(q)}`,
      ),
    )
    .orderBy(desc(commands.id))
    .limit(q.limit);
}

interface CommandFilter {
  readonly sender?: string | undefined;
  readonly region: string | null;
  readonly limit: number;
}

function ofWhom({ sender, region }: CommandFilter): SQL {
  return sql.join(
    [
      ...(sender === undefined ? [] : [sql`AND sender = ${sender}`]),
      ...(region === null ? [] : [sql`AND region = ${region}`]),
    ],
    sql` `,
  );
}
