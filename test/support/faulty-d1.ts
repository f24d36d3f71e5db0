/**
 * D1 with faults, for `wrapBindings({ DB: faults.wrap })`: a batch that begins with a marker (its inbox id) fails before
 * its commit, or after it (the reply is lost), or is held and lands late, or is carried out two times.
 */

export type FaultKind =
  /** The batch never reaches the database. */
  | "before"
  /** The batch is committed, and its caller hears of a broken connection. */
  | "after"
  /** Its caller hears of a time-out; `release` hands it to the database later. */
  | "held"
  /** It reaches the database two times, as by a hidden retry; its caller gets the second answer. */
  | "twice"
  /** Something else commits first; then the batch goes on its way. */
  | "overtaken";

export interface Fault {
  /** A parameter of the batch's first statement, or a value in its list of rows: the inbox id of a saga's step, a command's id. */
  readonly marker: string;
  /** Another parameter of that statement, where the marker alone says too little. */
  readonly and?: string;
  readonly kind: FaultKind;
  /** How many such batches; by default every one. */
  readonly times?: number;
  /** Of `overtaken`: what commits first. */
  readonly by?: () => Promise<unknown>;
}

/** What a database and a session of it have in common. */
type Connection = Pick<D1Database, "prepare" | "batch">;

interface Statement {
  readonly sql: string;
  readonly params: readonly unknown[];
}

export interface FaultyD1 {
  readonly wrap: (real: D1Database) => D1Database;
  /** How many batches were hit, by marker. */
  readonly hits: (marker: string) => number;
  /** Sends the held batches now, in order; each answers "committed" or the error's message. */
  readonly release: (db: D1Database) => Promise<string[]>;
}

/** Bulk writes carry their rows as one JSON list. */
function names(param: unknown, marker: string): boolean {
  if (typeof param !== "string" || !param.startsWith("[")) return param === marker;
  return param.includes(JSON.stringify(marker));
}

export function faultyD1(...faults: readonly Fault[]): FaultyD1 {
  const counts = new Map<string, number>();
  const held: Statement[][] = [];
  const known = new WeakMap<object, Statement>();

  const prepare = (on: Connection, sql: string): D1PreparedStatement => {
    const statement = on.prepare(sql);
    const bind = statement.bind.bind(statement);
    statement.bind = (...params) => {
      const bound = bind(...params);
      known.set(bound, { sql, params });
      return bound;
    };
    known.set(statement, { sql, params: [] });
    return statement;
  };

  const faultOf = (statements: readonly Statement[]): Fault | undefined =>
    faults.find((fault) => {
      const params = statements[0]?.params ?? [];
      const hit =
        params.some((param) => names(param, fault.marker)) && (fault.and === undefined || params.includes(fault.and));
      const before = counts.get(fault.marker) ?? 0;
      if (!hit || before >= (fault.times ?? Number.POSITIVE_INFINITY)) return false;
      counts.set(fault.marker, before + 1);
      return true;
    });

  const batch = async (on: Connection, statements: D1PreparedStatement[]) => {
    const texts = statements.map((statement) => known.get(statement) ?? { sql: "", params: [] });
    const fault = faultOf(texts);
    if (!fault) return on.batch(statements);
    if (fault.kind === "overtaken") {
      await fault.by?.();
      return on.batch(statements);
    }
    if (fault.kind === "held") held.push(texts);
    if (fault.kind === "twice") {
      await on.batch(statements).catch(() => undefined); // whatever it was, the second answer is heard
      return on.batch(statements);
    }
    if (fault.kind === "after") await on.batch(statements).catch(() => undefined); // its reply is lost, whatever it was
    throw new Error(`D1_ERROR: Network connection lost (${fault.kind}).`);
  };

  const through = <T extends Connection>(on: T): T =>
    new Proxy(on, {
      get(target, key) {
        if (key === "prepare") return (sql: string) => prepare(target, sql);
        if (key === "batch") return (statements: D1PreparedStatement[]) => batch(target, statements);
        if (key === "withSession") {
          return (constraint?: string) =>
            through((target as unknown as D1Database).withSession(constraint as D1SessionConstraint));
        }
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });

  return {
    wrap: (real) => through(real),
    hits: (marker) => counts.get(marker) ?? 0,
    release: async (db) => {
      const answers: string[] = [];
      for (const statements of held.splice(0)) {
        const prepared = statements.map(({ sql, params }) => db.prepare(sql).bind(...params));
        answers.push(
          await db.batch(prepared).then(
            () => "committed",
            (error: unknown) => (error instanceof Error ? error.message : String(error)),
          ),
        );
      }
      return answers;
    },
  };
}
