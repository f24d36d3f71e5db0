/**
 * Reads an import file: bytes → text → rows of one kind. Every wrong cell is named by line, column and value; nothing
 * of a file may be written when one cell is wrong. Memory is bounded: rows and records have a limit, and of the problems
 * only the first ones are kept, with a count of all.
 */
import { CsvError, parse } from "csv-parse/sync";
import type { InputProblem } from "./errors.ts";
import { IMPORT_FORMATS, type ImportKind, type ImportRow } from "./import-rows.ts";
import { shown } from "./request-line.ts";

/**
 * Rows of one file. A larger one is refused with nothing written: all rows are held at once to be one batch, and
 * twice as many, beside a body of 10 MiB, come close to the 128 MB of an isolate.
 */
export const MAX_IMPORT_ROWS = 25_000;
/** Problems listed in an answer; the rest is counted. */
export const MAX_IMPORT_PROBLEMS = 100;
/** Existing parts or stock rows that one file may change: each is an event of its own in the file's batch. */
export const MAX_ANNOUNCED_CHANGES = 800;
/** Bins of one part in one warehouse that one file may name: their sum is checked by one statement. */
export const MAX_BINS_PER_PLACE = 1_000;
/** A record longer than this is a quote that isn't closed. */
const MAX_RECORD_CHARACTERS = 8_000;

/** A row and the line of the file where it begins (the header is line 1). */
export type ReadRow<K extends ImportKind> = { readonly at: number; readonly row: ImportRow<K> };

/** What is wrong with the rows: the first problems in the order of the file, and how many there are in all. */
export interface RowProblems {
  readonly total: number;
  readonly listed: readonly InputProblem[];
}

export type ReadImport<K extends ImportKind> =
  | { readonly ok: true; readonly count: number; readonly rows: readonly ReadRow<K>[]; readonly problems: RowProblems }
  | { readonly ok: false; readonly problems: RowProblems };

/** The text of the file, a byte order mark included, so that its hash is the file's. */
export function decodeImport(bytes: Uint8Array): { ok: true; text: string } | { ok: false; problem: InputProblem } {
  const text = decodes(bytes);
  return text === null ? { ok: false, problem: firstBrokenLine(bytes) } : { ok: true, text };
}

function decodes(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null; // the only error of a fatal decoder: the bytes aren't UTF-8
    throw error;
  }
}

/** No UTF-8 sequence contains the byte of a line feed, so each line can be tried by itself. */
function firstBrokenLine(bytes: Uint8Array): InputProblem {
  let start = 0;
  for (let line = 1; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start) + 1 || bytes.length;
    if (decodes(bytes.subarray(start, end)) === null)
      return { line, detail: "The line isn't UTF-8: save the file as UTF-8." };
    start = end;
  }
  return { detail: "The file isn't UTF-8." };
}

/** Reads the text of a file of this kind. Columns may stand in any order, but each that isn't optional must be there, and no unknown one. */
export function readImport<K extends ImportKind>(kind: K, text: string): ReadImport<K> {
  const { columns, optional, schema, key } = IMPORT_FORMATS[kind];
  const head = records(text, 1, () => undefined);
  if (!head.ok) return head;
  if (!head.first)
    return refused({ line: 1, detail: `The file is empty: its first line must be ${columns.join(",")}.` });
  const names = head.first.cells.map((cell) => cell.trim().toLowerCase());
  const wrong = headerProblems(head.first.line, names, columns, optional);
  if (wrong.length > 0) return { ok: false, problems: collected(wrong) };

  const rows: ReadRow<K>[] = [];
  const listed: InputProblem[] = [];
  const lineOf = new Map<string, number>();
  let total = 0;
  let count = 0;
  const note = (problem: InputProblem): void => {
    total += 1;
    if (listed.length < MAX_IMPORT_PROBLEMS) listed.push(problem);
  };
  const body = records(text, MAX_IMPORT_ROWS + 2, ({ line, cells }) => {
    count += 1;
    if (cells.length !== names.length) {
      note({ line, detail: `The row has ${cells.length} cells for ${names.length} columns.` });
      return;
    }
    const cellOf = Object.fromEntries(names.map((column, index) => [column, cells[index] ?? ""]));
    const read = schema.safeParse(cellOf);
    if (!read.success) {
      for (const [column, detail] of firstIssues(read.error.issues)) {
        note({ line, column, value: shown(cellOf[column] ?? ""), detail });
      }
      return;
    }
    const named = JSON.stringify(key.map((column) => read.data[column]));
    const before = lineOf.get(named);
    if (before !== undefined) {
      const value = shown(key.map((column) => String(read.data[column])).join(", "));
      note({ line, column: key.join(", "), value, detail: `stands on line ${before} too` });
      return;
    }
    lineOf.set(named, line);
    rows.push({ at: line, row: read.data });
  });
  if (!body.ok) return body;
  if (count > MAX_IMPORT_ROWS) {
    return refused({ detail: `The file has more than ${MAX_IMPORT_ROWS} rows: split it.` });
  }
  if (count === 0) return refused({ line: head.first.line, detail: "The file has a header and no rows." });
  return { ok: true, count, rows, problems: { total, listed } };
}

/** Several findings as one: in the order of the file, cut to what an answer lists. */
export function mergeProblems(...all: readonly RowProblems[]): RowProblems {
  const listed = all.flatMap((one) => one.listed).sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  return { total: all.reduce((sum, one) => sum + one.total, 0), listed: listed.slice(0, MAX_IMPORT_PROBLEMS) };
}

export function collected(problems: readonly InputProblem[]): RowProblems {
  return { total: problems.length, listed: problems.slice(0, MAX_IMPORT_PROBLEMS) };
}

function refused(problem: InputProblem): { readonly ok: false; readonly problems: RowProblems } {
  return { ok: false, problems: collected([problem]) };
}

interface CsvRecord {
  readonly line: number;
  readonly cells: readonly string[];
}

type Records =
  | { readonly ok: true; readonly first: CsvRecord | undefined }
  | { readonly ok: false; readonly problems: RowProblems };

/** Hands every record after the first to `each`, without keeping any; empty lines are none. Reads `limit` at most. */
function records(text: string, limit: number, each: (record: CsvRecord) => void): Records {
  let first: CsvRecord | undefined;
  try {
    parse(text, {
      bom: true,
      relax_column_count: true, // the count is checked by the caller, who knows the line
      skip_empty_lines: true,
      record_delimiter: ["\r\n", "\n", "\r"],
      max_record_size: MAX_RECORD_CHARACTERS,
      to: limit,
      on_record: (cells: string[], { lines }) => {
        // The parser tells the line where a record ends; a quoted cell may span lines.
        const spans = cells.reduce((n, cell) => n + (cell.match(/\r\n|\n|\r/g)?.length ?? 0), 0);
        const record = { line: lines - spans, cells };
        if (first) each(record);
        else first = record;
        return null;
      },
    });
    return { ok: true, first };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = (error as { lines?: number }).lines ?? 1;
    return refused({ line, detail: CSV_PROBLEMS[error.code] ?? "The line isn't valid CSV (RFC 4180)." });
  }
}

const CSV_PROBLEMS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: "A quoted cell isn't closed.",
  CSV_MAX_RECORD_SIZE: `A row is longer than ${MAX_RECORD_CHARACTERS} characters: is a quoted cell not closed?`,
  INVALID_OPENING_QUOTE: "A quote may only enclose a whole cell, and is doubled inside it.",
  CSV_INVALID_CLOSING_QUOTE: "A quote may only enclose a whole cell, and is doubled inside it.",
};

function headerProblems(
  line: number,
  names: readonly string[],
  columns: readonly string[],
  optional: readonly string[],
): InputProblem[] {
  const known = [...columns, ...optional];
  const missing = columns.filter((column) => !names.includes(column));
  const unknown = names.filter((column) => !known.includes(column));
  const twice = columns.filter((column) => names.indexOf(column) !== names.lastIndexOf(column));
  return [
    ...missing.map((column) => ({ line, column, detail: "The column is missing." })),
    ...unknown.map((column) => ({
      line,
      column: shown(column),
      detail: `Unknown column; known are ${known.join(", ")}.`,
    })),
    ...twice.map((column) => ({ line, column, detail: "The column stands twice." })),
  ];
}

/** The first thing wrong with each cell: what follows from it isn't worth a line. */
function firstIssues(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): Map<string, string> {
  const byColumn = new Map<string, string>();
  for (const issue of issues) {
    const column = String(issue.path[0] ?? "");
    if (!byColumn.has(column)) byColumn.set(column, issue.message);
  }
  return byColumn;
}
