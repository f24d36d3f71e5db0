/**
 * D1 with a deadline: each call is given `min(15 s, what the request has left)` and then answers DEADLINE_EXCEEDED.
 * A started D1 call can't be cancelled: a late write still lands, and is visible under its idempotency key.
 */
import { DATABASE_DEADLINE_MS, DEADLINE_MARGIN_MS } from "../config.ts";
import { AppError } from "../domain/errors.ts";
import type { Clock } from "../domain/ports.ts";
import { tighten, withinDeadline, type Deadline } from "../resilience/deadline.ts";

/** The same database, whose every call is held to the request's deadline. */
export function withDeadline(d1: D1Database, deadline: Deadline, clock: Clock): D1Database {
  const hold = <T>(work: () => Promise<T>): Promise<T> =>
    withinDeadline(
      work,
      tighten(deadline, clock.now(), DATABASE_DEADLINE_MS, DEADLINE_MARGIN_MS),
      clock,
      () => new AppError("DEADLINE_EXCEEDED", "the database didn't answer in time; try again", { retryable: true }),
    );

  const originals = new WeakMap<object, D1PreparedStatement>();
  const holdStatement = (statement: D1PreparedStatement): D1PreparedStatement => {
    const held = {
      bind: (...values: unknown[]) => holdStatement(statement.bind(...values)),
      first: (column?: string) => hold(() => (column === undefined ? statement.first() : statement.first(column))),
      run: () => hold(() => statement.run()),
      all: () => hold(() => statement.all()),
      raw: (options?: { columnNames?: false }) => hold(() => statement.raw(options)),
    } as unknown as D1PreparedStatement;
    originals.set(held, statement);
    return held;
  };
  const original = (statement: D1PreparedStatement) => originals.get(statement) ?? statement;

  const holdSession = <T extends D1Database | D1DatabaseSession>(on: T): T =>
    ({
      prepare: (query: string) => holdStatement(on.prepare(query)),
      batch: (statements: D1PreparedStatement[]) => hold(() => on.batch(statements.map(original))),
      ...("getBookmark" in on ? { getBookmark: () => on.getBookmark() } : {}),
      ...("withSession" in on
        ? {
            withSession: (constraint?: string) => holdSession(on.withSession(constraint)),
            exec: on.exec,
            dump: on.dump,
          }
        : {}),
    }) as unknown as T;

  return holdSession(d1);
}
