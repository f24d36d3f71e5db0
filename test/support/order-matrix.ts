/** The lines of test/faults/order-matrix.md, as its test plays them. */
import table from "../faults/order-matrix.md?raw";

const STEPS = ["create", "reserve", "purchase", "move", "complete"] as const;
const FAULTS = ["fails", "before", "after", "twice", "late"] as const;
const COURSES = ["goes on", "called off", "then late"] as const;
const UNDOS = ["ok", "once", "never"] as const;
const UNDONE = ["create", "reserve", "purchase A", "purchase B", "move", "surplus", "none"] as const;
const ENDS = ["Completed", "Cancelled", "NeedsAttention"] as const;

export interface MatrixLine {
  readonly key: string;
  readonly step: (typeof STEPS)[number];
  readonly fault: (typeof FAULTS)[number];
  readonly course: (typeof COURSES)[number];
  readonly undoOf: (typeof UNDONE)[number];
  readonly undo: (typeof UNDOS)[number];
  readonly wanted: Ended;
}

/** How an order ended, in the words of the table. */
export interface Ended {
  readonly end: string;
  /** Step and code; "–": none. */
  readonly error: string;
  readonly liveAtA: number;
  readonly liveAtB: number;
  readonly reserved: number;
  readonly moved: number;
  /** "–": nothing. */
  readonly left: string;
}

/** The cells that must be there: each step with each fault and each state of the undo, when nobody interferes. */
export const CELLS: readonly string[] = STEPS.flatMap((step) =>
  FAULTS.flatMap((fault) => UNDOS.map((undo) => keyOf(step, fault, "goes on", undo))),
);

export const LINES: readonly MatrixLine[] = table
  .slice(table.indexOf("## Wanted"))
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| step") && !line.startsWith("| --"))
  .map(lineOf);

function lineOf(text: string): MatrixLine {
  const cells = text.split("|").map((cell) => cell.trim());
  const [, step = "", fault = "", course = "", undoOf = "", undo = "", end = "", error = ""] = cells;
  const [a, b, reserved, moved] = cells.slice(8, 12).map(Number);
  return {
    key: keyOf(step, fault, course, undo),
    step: oneOf(STEPS, step),
    fault: oneOf(FAULTS, fault),
    course: oneOf(COURSES, course),
    undoOf: oneOf(UNDONE, undoOf),
    undo: oneOf(UNDOS, undo),
    wanted: {
      end: oneOf(ENDS, end),
      error,
      liveAtA: count(a, text),
      liveAtB: count(b, text),
      reserved: count(reserved, text),
      moved: count(moved, text),
      left: cells[12] ?? "",
    },
  };
}

function keyOf(step: string, fault: string, course: string, undo: string): string {
  return `${step}/${fault}/${course}/${undo}`;
}

function oneOf<T extends string>(words: readonly T[], word: string): T {
  const known = words.find((one) => one === word);
  if (known === undefined) throw new Error(`order-matrix.md: "${word}" is none of ${words.join(", ")}`);
  return known;
}

function count(value: number | undefined, line: string): number {
  if (value === undefined || !Number.isInteger(value))
    throw new Error(`order-matrix.md: a number is missing in ${line}`);
  return value;
}
