/**
 * The saga's journal in the object's SQLite: the reducer's state, and one row per intent and outcome, append-only.
 * Intent and next alarm are written in one transaction before the call that they announce.
 */
import type { Outcome, SagaAction, SagaState } from "../domain/order-saga.ts";

export interface JournalRow {
  readonly seq: number;
  readonly at: string;
  readonly step: string;
  readonly attempt: number;
  readonly key: string;
  readonly state: string;
  readonly detail: string | null;
}

export function createJournal(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS saga (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL, traceparent TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, step TEXT NOT NULL,
      attempt INTEGER NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL, detail TEXT)`);
}

export function readState(sql: SqlStorage): { state: SagaState; traceparent: string } | null {
  const [row] = sql.exec<{ state: string; traceparent: string }>("SELECT state, traceparent FROM saga").toArray();
  return row ? { state: JSON.parse(row.state) as SagaState, traceparent: row.traceparent } : null;
}

export function writeState(sql: SqlStorage, state: SagaState, traceparent: string): void {
  sql.exec(
    "INSERT INTO saga(id, state, traceparent) VALUES (1, ?, ?) ON CONFLICT(id) DO UPDATE SET state = excluded.state",
    JSON.stringify(state),
    traceparent,
  );
}

export function appendIntent(sql: SqlStorage, at: string, action: SagaAction, state: SagaState): void {
  const step = "step" in action ? action.step : action.do;
  const key = "key" in action ? action.key : "";
  const attempt = state.steps.find((entry) => entry.step === step)?.attempt ?? 0;
  const word = action.do === "compensate" ? "compensating" : action.do === "probe" ? "probing" : "intended";
  append(sql, { at, step, attempt, key, state: word, detail: null });
}

export function appendOutcome(
  sql: SqlStorage,
  at: string,
  action: SagaAction,
  outcome: Outcome,
  state: SagaState,
): void {
  const step = "step" in action ? action.step : action.do;
  const key = "key" in action ? action.key : "";
  const entry = state.steps.find((candidate) => candidate.step === step);
  const detail = "reason" in outcome ? outcome.reason : outcome.kind === "done" ? null : outcome.kind;
  append(sql, { at, step, attempt: entry?.attempt ?? 0, key, state: entry?.state ?? outcome.kind, detail });
}

function append(sql: SqlStorage, row: Omit<JournalRow, "seq">): void {
  sql.exec(
    "INSERT INTO journal(at, step, attempt, key, state, detail) VALUES (?, ?, ?, ?, ?, ?)",
    row.at,
    row.step,
    row.attempt,
    row.key,
    row.state,
    row.detail,
  );
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
    }>("SELECT seq, at, step, attempt, key, state, detail FROM journal ORDER BY seq")
    .toArray();
}
