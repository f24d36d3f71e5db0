/**
 * The saga's journal in the object's SQLite: the reducer's state, one row per intent and outcome, append-only, and what
 * people asked for. Intent and next alarm are written in one transaction before the call that they announce.
 */
import { restoreSaga, type OperatorAct, type Outcome, type SagaAction, type SagaState } from "../domain/saga-state.ts";

export interface JournalRow {
  readonly seq: number;
  readonly at: string;
  readonly step: string;
  readonly attempt: number;
  readonly key: string;
  readonly state: string;
  readonly detail: string | null;
  /** Under which it happened (W3C); null: in a journal of before, of the order as a whole. */
  readonly traceparent: string | null;
}

export function createJournal(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS saga (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL, traceparent TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, step TEXT NOT NULL,
      attempt INTEGER NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL, detail TEXT);
    CREATE TABLE IF NOT EXISTS acts (id TEXT PRIMARY KEY, at TEXT NOT NULL, act TEXT NOT NULL)`);
  const columns = sql.exec<{ name: string }>("PRAGMA table_info(journal)").toArray();
  if (!columns.some(({ name }) => name === "traceparent")) sql.exec("ALTER TABLE journal ADD COLUMN traceparent TEXT");
}

export function readState(sql: SqlStorage): { state: SagaState; traceparent: string } | null {
  const [row] = sql.exec<{ state: string; traceparent: string }>("SELECT state, traceparent FROM saga").toArray();
  return row ? { state: restoreSaga(JSON.parse(row.state)), traceparent: row.traceparent } : null;
}

export function writeState(sql: SqlStorage, state: SagaState, traceparent: string): void {
  sql.exec(
    "INSERT INTO saga(id, state, traceparent) VALUES (1, ?, ?) ON CONFLICT(id) DO UPDATE SET state = excluded.state",
    JSON.stringify(state),
    traceparent,
  );
}

/** Keeps what a person asked for, once. Its carrying out is in the journal under the act's id. */
export function appendAct(sql: SqlStorage, at: string, act: OperatorAct): void {
  sql.exec("INSERT INTO acts(id, at, act) VALUES (?, ?, ?)", act.id, at, JSON.stringify(act));
}

export function isKnownAct(sql: SqlStorage, id: string): boolean {
  return sql.exec("SELECT 1 FROM acts WHERE id = ?", id).toArray().length === 1;
}

export interface ActRow extends OperatorAct {
  readonly at: string;
}

export function readActs(sql: SqlStorage): ActRow[] {
  return sql
    .exec<{ at: string; act: string }>("SELECT at, act FROM acts ORDER BY at, id")
    .toArray()
    .map(({ at, act }) => ({ at, ...(JSON.parse(act) as OperatorAct) }));
}

const WORDS: Readonly<Partial<Record<SagaAction["do"], string>>> = {
  probe: "probing",
  compensate: "compensating",
  recall: "recalling",
  report: "reporting",
};

/** When, and under which trace, something was done. */
export interface Mark {
  readonly at: string;
  readonly traceparent: string;
}

export function appendIntent(sql: SqlStorage, mark: Mark, action: SagaAction, state: SagaState): void {
  const step = "step" in action ? action.step : action.do;
  const key = keyOf(action);
  const attempt = state.steps.find((entry) => entry.step === step)?.attempt ?? 0;
  append(sql, { ...mark, step, attempt, key, state: WORDS[action.do] ?? "intended", detail: null });
}

export function appendOutcome(
  sql: SqlStorage,
  mark: Mark,
  action: SagaAction,
  outcome: Outcome,
  state: SagaState,
): void {
  const step = "step" in action ? action.step : isMarkGivenUp(action, state) ? "create" : action.do;
  const key = keyOf(action);
  const entry = state.steps.find((candidate) => candidate.step === step);
  const detail = "reason" in outcome ? outcome.reason : outcome.kind === "done" ? null : outcome.kind;
  append(sql, { ...mark, step, attempt: entry?.attempt ?? 0, key, state: entry?.state ?? outcome.kind, detail });
}

/** The mark `Cancelled` is what undoes create. */
function isMarkGivenUp(action: SagaAction, { steps }: SagaState): boolean {
  const create = steps.find(({ step }) => step === "create");
  return action.do === "close" && action.status === "Cancelled" && create?.state === "compensation_failed";
}

/** By which the rows of one call belong together: a step's key, or the act that is carried out. */
function keyOf(action: SagaAction): string {
  if (action.do === "take_over") return action.act.id;
  return "key" in action ? action.key : "";
}

function append(sql: SqlStorage, row: Omit<JournalRow, "seq">): void {
  sql.exec(
    "INSERT INTO journal(at, step, attempt, key, state, detail, traceparent) VALUES (?, ?, ?, ?, ?, ?, ?)",
    row.at,
    row.step,
    row.attempt,
    row.key,
    row.state,
    row.detail,
    row.traceparent,
  );
}

/** The last thing that happened. */
export function lastOf(sql: SqlStorage): Pick<JournalRow, "step" | "attempt" | "detail"> | null {
  const rows = sql.exec<{ step: string; attempt: number; detail: string | null }>(
    "SELECT step, attempt, detail FROM journal ORDER BY seq DESC LIMIT 1",
  );
  return rows.toArray()[0] ?? null;
}

export function readJournal(sql: SqlStorage): JournalRow[] {
  return sql
    .exec<{
      seq: number;
      at: string;
      step: string;
      attempt: number;
      key: string;
      state: string;
      detail: string | null;
      traceparent: string | null;
    }>("SELECT seq, at, step, attempt, key, state, detail, traceparent FROM journal ORDER BY seq")
    .toArray();
}
