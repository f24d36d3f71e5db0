/**
 * What a death, a redrive and a discard change of the thing itself: the dead bit of a subscriber on the outbox row, the state
 * of a command. Each is guarded by what was read, so that of two at once one changes something.
 */
import { sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import type { GuardedWrite } from "../unit-of-work.ts";
import type { DeadLetterRow } from "./dead-letters.ts";

/** The last failed attempt, and how many were noted. */
export interface Failure {
  readonly error: string;
  readonly attempts: number;
}

export interface DyingEvent {
  readonly seq: number;
  readonly event_id: string;
  readonly type: string;
  readonly subject: string;
  readonly region: string | null;
  readonly event: string;
  readonly want: number;
  readonly done: number;
  readonly dead: number;
  /** JSON: a `Failure` by subscriber. */
  readonly failures: string | null;
}

export async function findDyingEvent(db: Database, seq: number, eventId: string): Promise<DyingEvent | null> {
  const row = await db.get<DyingEvent | undefined>(sql`SELECT seq, event_id, type, subject, region, event, want, done,
      dead, failures FROM outbox WHERE seq = ${seq} AND event_id = ${eventId}`);
  return row ?? null;
}

/** Notes failed attempts on the event's row, each under its subscriber. */
export function noteFailures(seq: number, eventId: string, failures: Readonly<Record<string, string>>): GuardedWrite {
  return {
    statement: sql`UPDATE outbox SET failures = (
        SELECT json_group_object(name, json(failure)) FROM (
          SELECT f.key AS name, json_object('error', f.value, 'attempts', COALESCE(o.value ->> 'attempts', 0) + 1) AS failure
          FROM json_each(${JSON.stringify(failures)}) AS f
          LEFT JOIN json_each(COALESCE(outbox.failures, '{}')) AS o ON o.key = f.key
          UNION ALL
          SELECT o.key, o.value FROM json_each(COALESCE(outbox.failures, '{}')) AS o
          WHERE o.key NOT IN (SELECT f.key FROM json_each(${JSON.stringify(failures)}) AS f)))
      WHERE seq = ${seq} AND event_id = ${eventId}`,
  };
}

/** The event is dead for these subscribers; one that nobody else waits for isn't parked any more, it is dead. */
export function markDead(event: Pick<DyingEvent, "seq" | "event_id">, bits: number): GuardedWrite {
  return {
    statement: sql`UPDATE outbox SET dead = dead | ${bits},
        parked_at = CASE WHEN (done | dead | ${bits}) = want THEN NULL ELSE parked_at END
      WHERE seq = ${event.seq} AND event_id = ${event.event_id} AND want & ${bits} = ${bits} AND (done | dead) & ${bits} = 0`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

export function noteCommandFailure(id: string, error: string): GuardedWrite {
  return {
    statement: sql`UPDATE commands SET failure = json_object('error', ${error},
        'attempts', COALESCE(failure ->> 'attempts', 0) + 1) WHERE id = ${id} AND state = 'accepted'`,
  };
}

export function killCommand(id: string, at: string, reason: string): GuardedWrite {
  return {
    statement: sql`UPDATE commands SET state = 'dead', finished_at = ${at}, reason = ${reason}
      WHERE id = ${id} AND state = 'accepted'`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

type Letters = readonly Pick<DeadLetterRow, "id" | "kind" | "eventSeq">[];

/**
 * Gives what the letters are about back to the relay, to be sent as if for the first time. Reads the open letters: it must
 * stand before they are closed.
 */
export function reviveWrites(letters: Letters, nowIso: string): GuardedWrite[] {
  const ids = JSON.stringify(letters.map(({ id }) => id));
  const events = new Set(letters.flatMap(({ kind, eventSeq }) => (kind === "event" ? [eventSeq] : []))).size;
  const commands = letters.filter(({ kind }) => kind === "command").length;
  const writes: GuardedWrite[] = [];
  if (events > 0) {
    writes.push({
      statement: sql`UPDATE outbox SET dead = outbox.dead & ~l.bits, lease_until = '', attempts = 0, parked_at = NULL,
          not_before = ${nowIso}
        FROM (SELECT event_seq, event_id, SUM(bit) AS bits FROM dead_letters
              WHERE kind = 'event' AND state = 'open' AND id IN (SELECT value FROM json_each(${ids}))
              GROUP BY event_seq, event_id) AS l
        WHERE outbox.seq = l.event_seq AND outbox.event_id = l.event_id AND outbox.dead & l.bits = l.bits`,
      expect: { rows: events, otherwise: "CONFLICT" },
    });
  }
  if (commands > 0) {
    writes.push({
      statement: sql`UPDATE commands SET state = 'accepted', finished_at = NULL, reason = NULL, lease_until = '', attempts = 0
        WHERE state = 'dead' AND id IN (SELECT command_id FROM dead_letters
          WHERE kind = 'command' AND state = 'open' AND id IN (SELECT value FROM json_each(${ids})))`,
      expect: { rows: commands, otherwise: "CONFLICT" },
    });
  }
  return writes;
}

/** The subscriber has done with the event, by a person's decision: the discarded letter is the evidence in place of an effect. */
export function finishDead(letter: Pick<DeadLetterRow, "eventSeq" | "eventId" | "bit">, nowIso: string): GuardedWrite {
  return {
    statement: sql`UPDATE outbox SET dead = dead & ~${letter.bit}, done = done | ${letter.bit}, not_before = ${nowIso}
      WHERE seq = ${letter.eventSeq} AND event_id = ${letter.eventId} AND dead & ${letter.bit} <> 0`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}
