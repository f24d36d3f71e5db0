/**
 * D1 as the product sees it, over `node:sqlite` in this process: the same SQL and the same engine without a platform
 * between, so that thousands of histories can be run. A batch is one transaction, and errors read as D1's do.
 */
import { DatabaseSync, type SQLInputValue } from "node:sqlite";

export interface SqlStatement {
  readonly sql: string;
  readonly params: readonly unknown[];
}

const CACHED_STATEMENTS = 500;

/** A database of its own, in memory, with the project's migrations. */
export function sqliteD1(migrations: readonly string[]): { readonly d1: D1Database; readonly close: () => void } {
  const database = new DatabaseSync(":memory:");
  for (const text of migrations) database.exec(text);
  return { d1: d1Over(database), close: () => database.close() };
}

/** The database as D1 gives it. Rows have no null prototypes: they compare as D1's do. */
export function d1Over(database: DatabaseSync): D1Database {
  const compiled = new Map<string, ReturnType<DatabaseSync["prepare"]>>();

  const compile = (sql: string) => {
    const known = compiled.get(sql);
    if (known) return known;
    if (compiled.size >= CACHED_STATEMENTS) compiled.clear();
    const statement = database.prepare(sql);
    compiled.set(sql, statement);
    return statement;
  };
  const rowsOf = ({ sql, params }: SqlStatement): Record<string, unknown>[] =>
    compile(sql)
      .all(...(params as SQLInputValue[]))
      .map((row) => ({ ...row }));

  const run = async <T>(work: () => T): Promise<T> => {
    try {
      return work();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new Error(`D1_ERROR: ${text}: SQLITE_CONSTRAINT`, { cause: error });
    }
  };
  const resultOf = (results: readonly unknown[]) => ({ success: true, results, meta: {} });

  const known = new WeakMap<object, SqlStatement>();
  const prepare = (sql: string, params: readonly unknown[] = []): D1PreparedStatement => {
    const own: SqlStatement = { sql, params };
    const statement = {
      bind: (...values: unknown[]) => prepare(sql, values),
      first: (column?: string) =>
        run(() => {
          const [row] = rowsOf(own);
          return row === undefined ? null : column === undefined ? row : row[column];
        }),
      run: () => run(() => resultOf(rowsOf(own))),
      all: () => run(() => resultOf(rowsOf(own))),
      raw: () => run(() => rowsOf(own).map((row) => Object.values(row))),
    } as unknown as D1PreparedStatement;
    known.set(statement, own);
    return statement;
  };
  const batch = (statements: readonly D1PreparedStatement[]) =>
    run(() => {
      database.exec("BEGIN IMMEDIATE");
      try {
        const answers = statements.map((one) => resultOf(rowsOf(known.get(one) ?? { sql: "", params: [] })));
        database.exec("COMMIT");
        return answers;
      } catch (error) {
        if (database.isTransaction) database.exec("ROLLBACK");
        throw error;
      }
    });
  const d1 = { prepare: (sql: string) => prepare(sql), batch, withSession: () => d1 } as unknown as D1Database;
  return d1;
}
