/**
 * The line of a device: its numbered commands, executed in the order of their numbers. The numbers are the device's own;
 * `sender` is `device:{id}`.
 */
import { asc, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { commands } from "../schema/messaging.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import type { CommandRow } from "./commands.ts";

export interface HeadOfLine {
  readonly row: CommandRow;
  /** The number before it has never come. */
  readonly afterGap: boolean;
}

/** The command whose turn it is: the lowest number that isn't finished. */
export async function findHeadOfLine(db: Database, sender: string): Promise<HeadOfLine | null> {
  const [head] = await db
    .select({
      row: commands,
      hasPrevious: sql<number>`EXISTS (SELECT 1 FROM commands p WHERE p.sender = ${sender}
        AND p.device_sequence = commands.device_sequence - 1 AND p.device_sequence IS NOT NULL)`,
    })
    .from(commands)
    .where(sql`sender = ${sender} AND state = 'accepted' AND device_sequence IS NOT NULL`)
    .orderBy(asc(commands.deviceSequence))
    .limit(1);
  if (!head) return null;
  return { row: head.row, afterGap: head.row.deviceSequence !== 1 && !head.hasPrevious };
}

/** The device's commands that have one of these numbers. */
export function findNumbered(db: Database, sender: string, sequences: readonly number[]): Promise<CommandRow[]> {
  if (sequences.length === 0) return Promise.resolve([]);
  const numbers = sql`(SELECT value FROM json_each(${JSON.stringify(sequences)}))`;
  return db
    .select()
    .from(commands)
    .where(sql`sender = ${sender} AND device_sequence IS NOT NULL AND device_sequence IN ${numbers}`);
}

/** The highest number that the device has used; 0: none. */
export async function findLastNumber(db: Database, sender: string): Promise<number> {
  const [row] = await db.all<{ last: number | null }>(sql`SELECT MAX(device_sequence) AS last FROM commands
    WHERE sender = ${sender} AND device_sequence IS NOT NULL`);
  return row?.last ?? 0;
}

/** Not before: the relay sends the command again then. The queue has brought it, so none of its sends was lost. */
export function holdCommand(id: string, untilIso: string): GuardedWrite {
  return {
    statement: sql`UPDATE commands SET lease_until = ${untilIso}, attempts = 0 WHERE id = ${id} AND state = 'accepted'`,
  };
}
