/** Command rows: guarded writes for commit() and the read behind `GET /api/commands/{id}`. */
import { eq, sql, type SQL } from "drizzle-orm";
import type { Database } from "../database.ts";
import { commands } from "../schema/messaging.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export type CommandRow = typeof commands.$inferSelect;

/** The row's id is its own key: a second one with the same id is refused as DUPLICATE. */
export function acceptCommandRow(row: {
  id: string;
  bucket: number;
  type: string;
  data: string;
  sender: string;
  region: string;
  traceparent: string;
  createdAt: string;
}): GuardedWrite {
  return {
    statement: sql`INSERT INTO commands(id, bucket, type, data, sender, region, state, traceparent, created_at)
      VALUES (${row.id}, ${row.bucket}, ${row.type}, ${row.data}, ${row.sender}, ${row.region}, 'accepted',
              ${row.traceparent}, ${row.createdAt}) ON CONFLICT DO NOTHING`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** Ends the command as applied. `result`: an expression over the batch's own rows that makes its JSON answer. */
export function applyCommandRow(id: string, at: string, result: SQL): GuardedWrite {
  return {
    statement: sql`UPDATE commands SET state = 'applied', finished_at = ${at}, result = (${result})
      WHERE id = ${id} AND state = 'accepted'`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** `result`: the code and the figures, as the sender gets them. */
export function rejectCommandRow(id: string, at: string, reason: string, result: object): GuardedWrite {
  return {
    statement: sql`UPDATE commands SET state = 'rejected', finished_at = ${at}, reason = ${reason},
        result = ${JSON.stringify(result)} WHERE id = ${id} AND state = 'accepted'`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

export async function findCommand(db: Database, id: string): Promise<CommandRow | null> {
  const [row] = await db.select().from(commands).where(eq(commands.id, id)).limit(1);
  return row ?? null;
}
