import { describe, it } from "vitest";
import {
  CLOSED,
  forceOpen,
  resetCircuit,
  type CircuitState,
  type CircuitStep,
} from "../../../src/resilience/circuit-breaker.ts";
import {
  BY_ITSELF,
  isBehind,
  noteIntent,
  recordStep,
  seenAs,
  shownAt,
  told,
  UNTOUCHED,
  type Cause,
} from "../../../src/resilience/circuit-record.ts";
import { MODEL_SETTINGS } from "../../support/breaker-model.ts";

const T = 1_000_000;
const ops: Cause = { by: { id: "ops", kind: "person" }, reason: "a drill", trace: null };
const open: CircuitState = { kind: "open", generation: 2, until: "healthy", nextCheckAt: T + 30_000 };
const half: CircuitState = { kind: "half_open", generation: 3, probe: null };
const held = forceOpen(CLOSED, T, MODEL_SETTINGS).state;

const after = (before: CircuitState, step: CircuitStep, cause = BY_ITSELF, record = UNTOUCHED, at = T) =>
  recordStep(record, { before, step, cause, at });

describe("the record of a circuit", () => {
  it("is the very same after a step that changed nothing", ({ expect }) => {
    expect(after(open, { state: open, transition: null })).toBe(UNTOUCHED);
  });

  it.for<[string, CircuitState, CircuitStep, Cause, string | null]>([
    ["opens by itself", CLOSED, { state: open, transition: "opened" }, BY_ITSELF, "opened"],
    [
      "counts a failure",
      CLOSED,
      { state: { ...CLOSED, failures: [T] } as CircuitState, transition: null },
      BY_ITSELF,
      null,
    ],
    ["opens halfway", open, { state: half, transition: "half_opened" }, BY_ITSELF, null],
    ["opens again", half, { state: open, transition: "reopened" }, BY_ITSELF, null],
    ["closes by its probe", half, { state: CLOSED, transition: "closed" }, BY_ITSELF, "closed"],
    ["is opened by a hand", CLOSED, { state: held, transition: "opened" }, ops, "opened"],
    ["is held open by a hand", open, forceOpen(open, T, MODEL_SETTINGS), ops, "held"],
    ["is closed by a hand", held, resetCircuit(held), ops, "closed"],
    ["has its failures forgotten by a hand", CLOSED, resetCircuit(CLOSED), ops, "reset"],
  ])("that %s: %s", ([, before, step, cause, what], { expect }) => {
    const record = after(before, step, cause);
    expect(record.revision).toBe(T);
    expect(record.untold).toEqual(what === null ? [] : [{ ...cause, what, at: T, revision: T }]);
    expect(isBehind(record)).toBe(true);
  });

  it("says since when and by whom, until the next change of that kind", ({ expect }) => {
    const opened = after(CLOSED, { state: open, transition: "opened" });
    expect(opened).toMatchObject({ since: T, by: BY_ITSELF.by, reason: null });
    const later: CircuitState = { ...open, nextCheckAt: T + 60_000 };
    expect(after(open, { state: later, transition: null }, BY_ITSELF, opened, T + 30_000)).toMatchObject({ since: T });
    const taken = after(open, forceOpen(open, T, MODEL_SETTINGS), ops, opened, T + 1);
    expect(taken).toMatchObject({ since: T + 1, by: ops.by, reason: "a drill" });
  });

  it("numbers changes of the same instant, and of a clock that went back, one after the other", ({ expect }) => {
    let record = after(CLOSED, { state: open, transition: "opened" });
    record = after(open, resetCircuit(open), ops, record, T);
    record = after(CLOSED, { state: open, transition: "opened" }, BY_ITSELF, record, T - 3_600_000);
    expect(record.untold.map(({ revision, what }) => [revision, what])).toEqual([
      [T, "opened"],
      [T + 1, "closed"],
      [T + 2, "opened"],
    ]);
  });

  it("lets news go when they are told, those before included, and is behind until the list shows its revision", ({
    expect,
  }) => {
    const opened = after(CLOSED, { state: open, transition: "opened" });
    const closed = after(open, resetCircuit(open), ops, opened, T + 5);
    const [first, second] = closed.untold;
    if (!first || !second) throw new Error("no news");
    expect(told(closed, first).untold).toEqual([second]);
    expect(told(closed, second).untold).toEqual([]);
    expect(isBehind(shownAt(told(closed, first), closed.revision))).toBe(true);
    expect(isBehind(shownAt(told(closed, second), opened.revision))).toBe(true);
    expect(isBehind(shownAt(told(closed, second), closed.revision))).toBe(false);
  });

  it("takes an intent once, and remembers the last twenty", ({ expect }) => {
    let record = UNTOUCHED;
    for (let n = 0; n < 30; n++) record = noteIntent(record, `k${n}`) ?? record;
    expect(record.intents).toHaveLength(20);
    expect(noteIntent(record, "k29")).toBeNull();
    expect(noteIntent(record, "k30")).not.toBeNull();
  });

  it("is written anew where the list shows something else, and overtakes a list that is ahead", ({ expect }) => {
    const shown = shownAt({ ...UNTOUCHED, revision: 7 }, 7);
    expect(seenAs(shown, 7)).toBe(shown);
    expect(isBehind(seenAs(shown, 3))).toBe(true);
    expect(seenAs(shown, 9)).toMatchObject({ revision: 10 });
    expect(isBehind(seenAs(shown, 9))).toBe(true);
    expect(isBehind(seenAs(UNTOUCHED, 0))).toBe(false);
  });
});
