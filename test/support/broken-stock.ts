/** Builds of the ledger that are wrong in one way each, made by rewriting its SQL on the way: the checker must reject all. */
import type { SqlStatement } from "./sqlite-d1.ts";

/** What becomes of a batch. `read`: one row, by a call of its own, before the batch. */
type Rewrite = (
  batch: readonly SqlStatement[],
  read: (statement: SqlStatement) => Promise<Record<string, number> | null>,
) => Promise<readonly SqlStatement[]>;

export interface BrokenBuild {
  readonly what: string;
  readonly rewrite: Rewrite;
  /** The batch's statements go one by one, each a transaction of its own. */
  readonly oneByOne?: true;
}

const ADDED = "on_hand = on_hand + ?";

export const BROKEN_BUILDS: readonly BrokenBuild[] = [
  {
    what: "reads what is on hand, and then writes what it makes of it",
    rewrite: (batch, read) =>
      Promise.all(
        batch.map(async (one) => {
          if (!one.sql.startsWith(`UPDATE stock_levels SET ${ADDED}`)) return one;
          const [quantity, sku, location] = one.params as [number, string, string];
          const params = [sku, location];
          const level = await read({ sql: "SELECT on_hand FROM stock_levels WHERE sku = ? AND location = ?", params });
          return {
            sql: one.sql.replace(ADDED, "on_hand = ?"),
            params: [(level?.["on_hand"] ?? 0) + quantity, ...one.params.slice(1)],
          };
        }),
      ),
  },
  {
    what: "asserts nothing",
    rewrite: async (batch) => batch.filter(({ sql }) => !sql.startsWith("INSERT INTO assert_that")),
  },
  {
    what: "doesn't know that it was asked before",
    rewrite: async (batch) =>
      batch.map(({ sql, params }) => ({
        sql: sql.replace("INSERT INTO inbox", "INSERT OR REPLACE INTO inbox"),
        params,
      })),
  },
  { what: "isn't one batch", rewrite: async (batch) => batch, oneByOne: true },
];

/** The database as the broken build uses it. */
export function brokenBy({ rewrite, oneByOne }: BrokenBuild, real: D1Database): D1Database {
  const known = new WeakMap<object, SqlStatement>();
  const prepared = ({ sql, params }: SqlStatement) => real.prepare(sql).bind(...params);
  const prepare = (sql: string): D1PreparedStatement => {
    const statement = real.prepare(sql);
    const bind = statement.bind.bind(statement);
    statement.bind = (...params) => {
      const bound = bind(...params);
      known.set(bound, { sql, params });
      return bound;
    };
    return statement;
  };
  const batch = async (statements: D1PreparedStatement[]) => {
    const texts = statements.map((one) => known.get(one) ?? { sql: "", params: [] });
    const changed = await rewrite(texts, (one) => prepared(one).first());
    if (!oneByOne) return real.batch(changed.map(prepared));
    const answers = [];
    for (const one of changed) answers.push(await prepared(one).run());
    return answers;
  };
  const broken = { prepare, batch, withSession: () => broken } as unknown as D1Database;
  return broken;
}
