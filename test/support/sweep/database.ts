/** D1 as one incarnation sees it: a statement or a batch is one call, and one that is late is sent anew from its text. */
import { through, type Incarnation } from "./stage.ts";

interface Statement {
  readonly text: string;
  readonly params: readonly unknown[];
}

/** What a database and a session of it have in common. */
type Connection = Pick<D1Database, "prepare" | "batch">;

export function watchedDatabase(real: D1Database, who: Incarnation): D1Database {
  const known = new WeakMap<object, { statement: D1PreparedStatement; said: Statement }>();

  const call = <T>(how: string, all: readonly Statement[], perform: () => Promise<T>): Promise<T> =>
    through(who, {
      what: `DB.${how} ${nameOf(all)}`,
      perform,
      ...(all.every(({ text }) => isRead(text))
        ? {}
        : { later: (env) => env.DB.batch(all.map(({ text, params }) => env.DB.prepare(text).bind(...params))) }),
    });

  const wrap = (statement: D1PreparedStatement, said: Statement): D1PreparedStatement => {
    const one = [said];
    const held = {
      bind: (...params: unknown[]) => wrap(statement.bind(...params), { text: said.text, params }),
      first: (column?: string) =>
        call("first", one, () => (column === undefined ? statement.first() : statement.first(column))),
      run: () => call("run", one, () => statement.run()),
      all: () => call("all", one, () => statement.all()),
      raw: (options?: { columnNames?: false }) => call("raw", one, () => statement.raw(options)),
    } as unknown as D1PreparedStatement;
    known.set(held, { statement, said });
    return held;
  };

  const connect = <T extends Connection>(on: T): T =>
    ({
      prepare: (text: string) => wrap(on.prepare(text), { text, params: [] }),
      batch: (statements: D1PreparedStatement[]) => {
        const all = statements.map((one) => {
          const found = known.get(one);
          if (!found) throw new Error("a statement of another database");
          return found;
        });
        return call(
          "batch",
          all.map(({ said }) => said),
          () => on.batch(all.map(({ statement }) => statement)),
        );
      },
      ...("withSession" in on
        ? { withSession: (how?: string) => connect((on as unknown as D1Database).withSession(how)) }
        : {}),
      ...("getBookmark" in on ? { getBookmark: () => (on as unknown as D1DatabaseSession).getBookmark() } : {}),
    }) as unknown as T;

  return connect(real);
}

function isRead(text: string): boolean {
  return /^\s*(SELECT|WITH|PRAGMA|EXPLAIN)\b/i.test(text) && !/\b(INSERT|UPDATE|DELETE|REPLACE)\b/.test(text);
}

/** What the statements do, without their values: `UPDATE stock_levels, INSERT audit`. */
function nameOf(all: readonly Statement[]): string {
  const names = all
    .map(({ text }) => {
      const plain = text.replaceAll(/["`\n]/g, " ").replaceAll(/\s+/g, " ");
      const write = /\b(INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM) (\w+)/i.exec(plain);
      if (write) return `${write[1]?.split(" ")[0]?.toUpperCase()} ${write[2]}`;
      const tables = [...plain.matchAll(/\b(?:FROM|JOIN) (\w+)/gi)].map((found) => found[1]);
      return `SELECT ${[...new Set(tables)].join("+")}`;
    })
    .filter((name) => name !== "INSERT assert_that");
  return [...new Set(names)].join(", ");
}
