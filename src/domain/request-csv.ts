/**
 * The lines of a request in CSV (RFC 4180): header `sku,quantity,unit,note,needed_by` in any order, `text` instead of `sku` where
 * the SKU isn't known. Every wrong cell is named by line, column and value; one wrong cell refuses the file.
 */
import { CsvError, parse } from "csv-parse/sync";
import { z } from "zod";
import type { InputProblem } from "./errors.ts";
import {
  MAX_NOTE_LENGTH,
  MAX_SKU_LENGTH,
  MAX_TEXT_LENGTH,
  MAX_UNIT_LENGTH,
  parseQuantity,
  shown,
  type FileLimits,
  type LinesResult,
  type RequestLine,
} from "./request-line.ts";

const COLUMNS = ["sku", "text", "quantity", "unit", "note", "needed_by"] as const;
type Column = (typeof COLUMNS)[number];

const MAX_LENGTHS: Readonly<Record<Column, number>> = {
  sku: MAX_SKU_LENGTH,
  text: MAX_TEXT_LENGTH,
  quantity: 100,
  unit: MAX_UNIT_LENGTH,
  note: MAX_NOTE_LENGTH,
  needed_by: 30,
};

const DAY = z.union([z.iso.date(), z.iso.datetime()]);

interface CsvRow {
  /** Where the row begins in the file, from 1. A quoted cell may span lines. */
  readonly line: number;
  readonly cells: readonly string[];
}

export function readCsvLines(text: string, limits: FileLimits): LinesResult {
  const parsed = parseRows(text, limits);
  if (!parsed.ok) return parsed;
  const [header, ...rows] = parsed.rows;
  if (!header) return { ok: false, problems: [{ line: 1, detail: "The file is empty." }] };
  const columns = readHeader(header);
  if (!columns.ok) return columns;
  if (rows.length === 0) return { ok: false, problems: [{ line: header.line, detail: "The file has no lines." }] };
  if (rows.length > limits.maxLines) {
    const line = rows[limits.maxLines]?.line ?? 0;
    return { ok: false, problems: [{ line, detail: `The file has more than ${limits.maxLines} lines.` }] };
  }
  const problems: InputProblem[] = [];
  const lines: RequestLine[] = [];
  for (const row of rows) {
    const read = readRow(row, columns.columns);
    if (read.ok) lines.push(read.line);
    else problems.push(...read.problems);
  }
  return problems.length === 0 ? { ok: true, lines } : { ok: false, problems };
}

type ParsedRows = { ok: true; rows: CsvRow[] } | { ok: false; problems: InputProblem[] };

function parseRows(text: string, limits: FileLimits): ParsedRows {
  try {
    // One kind of line break: the parser counts CR and LF inside a quoted cell as two lines.
    const records = parse(text.replaceAll(/\r\n?/g, "\n"), {
      info: true,
      relax_column_count: true, // the count is checked below, where the line is known
      record_delimiter: "\n",
      skip_empty_lines: true,
      to: limits.maxLines + 2, // the header and one too many: a huge file isn't read to its end
    }) as unknown as { record: string[]; info: { lines: number; empty_lines: number } }[];
    let before = { lines: 0, empty_lines: 0 };
    const rows = records.map(({ record, info }) => {
      const line = before.lines + 1 + info.empty_lines - before.empty_lines;
      before = info;
      return { line, cells: record.map((cell) => cell.trim()) };
    });
    return { ok: true, rows: rows.filter((row) => row.cells.some((cell) => cell !== "")) };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = (error as { lines?: number }).lines ?? 1;
    const detail =
      error.code === "CSV_QUOTE_NOT_CLOSED"
        ? "A quoted cell is not closed."
        : "The line is not valid CSV: a quote may only enclose a whole cell, and is doubled inside it.";
    return { ok: false, problems: [{ line, detail }] };
  }
}

type Header = { ok: true; columns: readonly Column[] } | { ok: false; problems: InputProblem[] };

function readHeader(header: CsvRow): Header {
  const problems: InputProblem[] = [];
  const columns: Column[] = [];
  for (const cell of header.cells) {
    const column = COLUMNS.find((known) => known === cell.toLowerCase());
    const where = { line: header.line, column: shown(cell) };
    if (column === undefined) problems.push({ ...where, detail: `Unknown column; known are ${COLUMNS.join(", ")}.` });
    else if (columns.includes(column)) problems.push({ ...where, detail: "The column stands twice." });
    else columns.push(column);
  }
  if (problems.length > 0) return { ok: false, problems: problems.slice(0, COLUMNS.length) };
  if (!columns.includes("quantity")) {
    problems.push({ line: header.line, column: "quantity", detail: "The column quantity is missing." });
  }
  if (!columns.includes("sku") && !columns.includes("text")) {
    problems.push({ line: header.line, column: "sku", detail: "The column sku is missing." });
  }
  return problems.length === 0 ? { ok: true, columns } : { ok: false, problems };
}

type Row = { ok: true; line: RequestLine } | { ok: false; problems: InputProblem[] };

function readRow(row: CsvRow, columns: readonly Column[]): Row {
  const { line, cells } = row;
  if (cells.slice(columns.length).some((cell) => cell !== "")) {
    const detail = `The line has ${cells.length} cells for ${columns.length} columns.`;
    return { ok: false, problems: [{ line, detail }] };
  }
  const problems: InputProblem[] = [];
  const cell = (column: Column): string | undefined => {
    const index = columns.indexOf(column);
    const value = index === -1 ? "" : (cells[index] ?? "");
    if (value.length > MAX_LENGTHS[column]) {
      problems.push({ line, column, value: shown(value), detail: `At most ${MAX_LENGTHS[column]} characters.` });
    }
    return value === "" ? undefined : value;
  };
  const [sku, text, written, unit, note, neededBy] = COLUMNS.map(cell);
  if (sku === undefined && text === undefined) {
    problems.push({ line, column: "sku", value: "", detail: "The line names no part: sku is empty." });
  }
  if (sku !== undefined && text !== undefined) {
    problems.push({ line, column: "text", value: shown(text), detail: "Give a sku or a text, not both." });
  }
  if (neededBy !== undefined && !DAY.safeParse(neededBy).success) {
    const detail = "The day must be a date such as 2026-12-01.";
    problems.push({ line, column: "needed_by", value: shown(neededBy), detail });
  }
  const quantity = parseQuantity(written ?? "");
  if (!quantity.ok) {
    problems.push({ line, column: "quantity", value: shown(written ?? ""), detail: quantity.detail });
    return { ok: false, problems };
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, line: { line, sku, text, quantity: quantity.quantity, unit, note, neededBy } };
}
