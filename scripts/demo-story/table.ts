/** The timeline as a table of plain text: when, who, what, and which rule decided. */
import { stripVTControlCharacters, styleText } from "node:util";

export interface Row {
  /** ISO time. */
  readonly at: string;
  readonly who: string;
  readonly what: string;
  /** The rule that decided and its reason, or what proves the step. */
  readonly why: string;
}

const HEAD = ["ms", "who", "what", "decided by"] as const;
const GAP = "  ";

/** Lines of the table in the order of time, milliseconds counted from `zero`. What came before has a minus. */
export function timelineTable(rows: readonly Row[], zero: string, stream: NodeJS.WriteStream): string[] {
  const start = Date.parse(zero);
  const cells = rows
    .toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at))
    .map(({ at, who, what, why }) => [String(Date.parse(at) - start), who, what, why].map(printable));
  const widths = HEAD.map((title, column) => {
    return Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0));
  });
  const line = (row: readonly string[]) => {
    const padded = row.map((cell, at) => (at === 0 ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)));
    return padded.join(GAP).trimEnd();
  };
  return [styleText("bold", line(HEAD), { stream }), ...cells.map(line)];
}

/** What the app answered may hold a file's text: it must not steer the terminal. */
function printable(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/\p{Cc}/gu, " ");
}
