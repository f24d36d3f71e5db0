/** Counts the rows that the database says it read and wrote (`meta`), index rows included, while it is bound. */
import { wrapBindings, type Wraps } from "./world.ts";

export interface Rows {
  readonly read: number;
  readonly written: number;
}

/** Housekeeping that runs by the relay's alarm whatever happens; told apart from what a flow reads and writes. */
const BY_ALARM = /audit_seals|invariant_reports|FROM audit WHERE seq BETWEEN/;

interface Meta {
  readonly meta?: { readonly rows_read?: number; readonly rows_written?: number };
}

/** Every call of the database from here on is counted; `taken()` gives what came since it was last asked. `more`: other wraps. */
export function meterRows(more: Wraps = {}) {
  const known = new WeakMap<object, { statement: D1PreparedStatement; text: string }>();
  let [read, written, byAlarm] = [0, 0, 0];
  const count = <T>(reply: T, texts: readonly string[]): T => {
    for (const { meta } of (Array.isArray(reply) ? reply : [reply]) as Meta[]) {
      if (texts.some((text) => BY_ALARM.test(text))) {
        byAlarm += meta?.rows_written ?? 0;
        continue;
      }
      read += meta?.rows_read ?? 0;
      written += meta?.rows_written ?? 0;
    }
    return reply;
  };
  const wrap = (statement: D1PreparedStatement, text: string): D1PreparedStatement => {
    const held = {
      bind: (...values: unknown[]) => wrap(statement.bind(...values), text),
      // `first` and `raw` give no figures: the same rows are asked for with `all`.
      first: async (column?: string) => {
        const row = count(await statement.all(), [text]).results[0] ?? null;
        return column === undefined || row === null ? row : row[column];
      },
      run: async () => count(await statement.run(), [text]),
      all: async () => count(await statement.all(), [text]),
      raw: async (options?: { columnNames?: false }) => {
        if (!/^\s*select/i.test(text)) throw new Error(`a write whose rows aren't counted: ${text.slice(0, 80)}`);
        return statement.raw(options);
      },
    } as unknown as D1PreparedStatement;
    known.set(held, { statement, text });
    return held;
  };
  const session = <T extends D1Database | D1DatabaseSession>(on: T): T =>
    ({
      prepare: (text: string) => wrap(on.prepare(text), text),
      batch: async (statements: D1PreparedStatement[]) => {
        const all = statements.map((one) => known.get(one) ?? { statement: one, text: "" });
        return count(
          await on.batch(all.map(({ statement }) => statement)),
          all.map(({ text }) => text),
        );
      },
      ...("withSession" in on ? { withSession: (constraint?: string) => session(on.withSession(constraint)) } : {}),
    }) as unknown as T;
  wrapBindings({ ...more, DB: session });
  return {
    taken: (): Rows & { readonly byAlarm: number } => {
      const rows = { read, written, byAlarm };
      [read, written, byAlarm] = [0, 0, 0];
      return rows;
    },
  };
}
