/** A completed order whose purchase was sent twice: what its supplier accepted beyond it is looked for, and for how long. */
import { describe, it } from "vitest";
import { begin, nextAction, startSaga } from "../../../src/domain/order-saga.ts";
import { settle } from "../../../src/domain/saga-settling.ts";
import {
  entryOf,
  restoreSaga,
  type Outcome,
  type SagaAction,
  type SagaRules,
  type SagaState,
} from "../../../src/domain/saga-state.ts";

const NOW = Date.UTC(2026, 10, 25, 8);
const HOUR = 60 * 60 * 1000;
const LADDER = [1_000, 2_000, 4_000, 8_000];
const RULES: SagaRules = {
  delayAfter: (attempt) => LADDER[attempt - 1] ?? null,
  repeatAfter: () => 1_000,
  maxWaitMs: 4 * HOUR,
  blockedSpreadMs: () => 0,
  lateCheckMs: 30_000,
  lateChecks: 5,
};

const done: Outcome = { kind: "done" };
const unknown: Outcome = { kind: "unknown", reason: "no answer" };
const refused: Outcome = { kind: "failed", code: "SUPPLIER_REFUSED", reason: "it has left", retryable: true };
const blocked: Outcome = { kind: "blocked", retryAfterMs: 30_000 };

interface Played {
  readonly state: SagaState;
  /** `{do} {step}` with the seconds since the order was completed. */
  readonly calls: readonly string[];
}

/** Plays to the end. `first`: how often a purchase gets no answer and its probe finds nothing; `look`: answers to looks. */
function play({
  first = 1,
  look,
  report = () => done,
  suppliers = ["acme"],
}: {
  first?: number;
  look: (turn: number, action: SagaAction) => Outcome;
  report?: (turn: number, action: SagaAction) => Outcome;
  suppliers?: readonly string[];
}): Played {
  let state = startSaga("ord_1", 0, suppliers);
  let now = NOW;
  let completedAt = 0;
  const calls: string[] = [];
  const turns = new Map<string, number>();
  for (let turn = 0; turn < 5_000; turn++) {
    const action = nextAction(state, now);
    if (action.do === "nothing") return { state, calls };
    if (action.do === "sleep") {
      now = action.until;
      continue;
    }
    const name = "step" in action ? `${action.do} ${action.step}` : action.do;
    const before = turns.get(name) ?? 0;
    turns.set(name, before + 1);
    let outcome: Outcome = done;
    if (action.do === "run" && action.step.startsWith("purchase:") && before < first) outcome = unknown;
    if (action.do === "probe") outcome = { kind: "not_done" };
    if (action.do === "recall") outcome = look(before, action);
    if (action.do === "report") outcome = report(before, action);
    if (action.do === "recall" || action.do === "report") calls.push(`${name} ${(now - completedAt) / 1000}`);
    state = settle(begin(state, action), action, outcome, now, RULES);
    if (name === "run complete") completedAt = now;
  }
  throw new Error("it doesn't end");
}

describe("a completed order", () => {
  it("whose purchase was sent once is looked after no more", ({ expect }) => {
    const { state, calls } = play({ first: 0, look: () => done });
    expect(calls).toEqual([]);
    expect(state).toMatchObject({ phase: "ended", status: "Completed", watching: [] });
  });

  it("scenario 20: whose purchase was sent twice is looked after for as long as a call can be under way", ({
    expect,
  }) => {
    const { state, calls } = play({ look: () => done });
    expect(calls).toEqual([30, 60, 90, 120, 150].map((seconds) => `recall purchase:acme ${seconds}`));
    expect(state).toMatchObject({ phase: "ended", status: "Completed", watching: [] });
  });

  it("that buys of two has one watched after the other", ({ expect }) => {
    const { calls } = play({ look: () => done, suppliers: ["acme", "borealis"] });
    expect(calls.map((call) => call.split(" ")[1])).toEqual([
      ...Array.from({ length: 5 }, () => "purchase:acme"),
      ...Array.from({ length: 5 }, () => "purchase:borealis"),
    ]);
  });

  it("has a look that failed repeated by the ladder, and counts only those that were answered", ({ expect }) => {
    const { state, calls } = play({ look: (turn) => (turn === 0 ? refused : turn === 1 ? unknown : done) });
    expect(calls).toEqual([30, 31, 33, 63, 93, 123, 153].map((seconds) => `recall purchase:acme ${seconds}`));
    expect(entryOf(state, "purchase:acme").state).toBe("done");
  });

  it("whose supplier takes nothing back after five tries has that told, once it can be, and stays completed", ({
    expect,
  }) => {
    const { state, calls } = play({ look: () => refused, report: (turn) => (turn < 2 ? unknown : done) });
    expect(calls).toEqual([
      ...[30, 31, 33, 37, 45].map((seconds) => `recall purchase:acme ${seconds}`),
      ...[45, 75, 105].map((seconds) => `report purchase:acme ${seconds}`),
    ]);
    expect(state).toMatchObject({ phase: "ended", status: "Completed", error: null, watching: [] });
    expect(entryOf(state, "purchase:acme").state).toBe("compensation_failed");
  });

  it("tells which step, with what code and why", ({ expect }) => {
    const told: SagaAction[] = [];
    play({ look: () => refused, report: (_, action) => (told.push(action), done) });
    expect(told).toEqual([
      {
        do: "report",
        step: "purchase:acme",
        key: "ord_1:acme",
        error: { step: "purchase:acme", code: "SUPPLIER_REFUSED", reason: expect.stringContaining("it has left") },
      },
    ]);
  });

  it("waits out an open circuit without counting, but not longer than an order may wait", ({ expect }) => {
    const { calls } = play({ look: (turn) => (turn < 100 ? blocked : done) });
    expect(calls).toHaveLength(105);
    const forever = play({ look: () => blocked });
    expect(forever.calls.at(-1)).toBe(`report purchase:acme ${(4 * HOUR) / 1000}`);
  });
});

it("a journal of before is restored with what it can tell", ({ expect }) => {
  const { watching: _, ...old } = startSaga("ord_1", 0, ["acme"]);
  const entry = { step: "purchase:acme", state: "done", attempt: 2, round: 0, doubtful: true, lateChecks: 0 };
  const restored = restoreSaga(JSON.parse(JSON.stringify({ ...old, steps: [entry] })));
  expect(restored.watching).toEqual([]);
  expect(entryOf(restored, "purchase:acme").sentAgain).toBe(true);
});
