/** The order saga under random outcomes, crashes, cancels and acts of people: 1,000 cases a property. */
import fc from "fast-check";
import { describe, it } from "vitest";
import { begin, nextAction, startSaga } from "../../src/domain/order-saga.ts";
import { applyAction, possibleActs } from "../../src/domain/saga-operators.ts";
import { settle } from "../../src/domain/saga-settling.ts";
import type { OperatorAct, Outcome, SagaState } from "../../src/domain/saga-state.ts";
import {
  blocked,
  busy,
  CANCEL,
  done,
  gone,
  HOUR,
  nameOf,
  nothingFound,
  notDone,
  NOW,
  refused,
  refusedForNow,
  RULES,
  unknown,
  whatOf,
  type Call,
} from "../support/saga-play.ts";
import { plannedUnder } from "../support/saga-plans.ts";

const act = (action: OperatorAct["action"], more: Partial<OperatorAct> = {}): OperatorAct => ({
  ...CANCEL,
  action,
  reason: "because",
  ...more,
});

describe("whatever comes, and whatever people ask", () => {
  const outcome: fc.Arbitrary<Outcome> = fc.oneof(
    { weight: 4, arbitrary: fc.constant(done) },
    { weight: 3, arbitrary: fc.constantFrom(unknown, refused, refusedForNow, busy, gone) },
    { weight: 1, arbitrary: fc.constant(blocked) },
  );
  const chance = fc.record({
    outcomes: fc.array(outcome, { minLength: 1, maxLength: 50 }),
    twist: fc.array(fc.boolean(), { minLength: 1, maxLength: 9 }),
    suppliers: fc.integer({ min: 0, max: 3 }),
    /** At which turns somebody asks for something, and for what: one of what is possible, or anything. */
    asks: fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.nat(20)), { maxLength: 4 }),
    /** What is asked, in turn, of an order that waits for a person. */
    later: fc.array(fc.nat(20), { maxLength: 6 }),
    deaths: fc.array(fc.boolean(), { maxLength: 40 }),
  });
  type Chance = typeof chance extends fc.Arbitrary<infer T> ? T : never;
  type Heard = Call & { readonly outcome: Outcome | null; readonly before: SagaState };

  function asked(state: SagaState, pick: number): SagaState {
    const possible = possibleActs(state);
    const one = possible[pick % (possible.length + 1)];
    const wild = (["retry", "skip", "resolve", "resume", "cancel"] as const)[pick % 5] ?? "cancel";
    const applied = applyAction(
      state,
      act(one?.action ?? wild, { id: `${pick}`, step: one?.step ?? null, to: one?.to ?? null }),
    );
    return applied.ok ? applied.state : state;
  }

  function playByChance({ outcomes, twist, suppliers, asks, later, deaths }: Chance) {
    let state = startSaga(
      "ord_1",
      0,
      Array.from({ length: suppliers }, (_, n) => `s${n}`),
    );
    let now = NOW;
    let at = 0;
    const rest = [...later];
    const calls: Heard[] = [];
    for (let turn = 0; turn < 30_000; turn++) {
      for (const [when, pick] of asks) if (when === turn) state = asked(state, pick);
      const action = nextAction(state, now);
      if (action.do === "nothing") {
        const pick = rest.shift();
        if (pick === undefined || state.status !== "NeedsAttention") return { state, calls, now };
        state = asked(state, pick);
        continue;
      }
      if (action.do === "sleep") {
        now = action.until;
        continue;
      }
      const before = state;
      state = begin(state, action);
      const call = { at: now, what: nameOf(action), action, before };
      if (deaths[calls.length]) {
        calls.push({ ...call, outcome: null });
        continue;
      }
      let heard = outcomes[at++ % outcomes.length] ?? done;
      const other = twist[at % twist.length];
      if (action.do === "probe" && heard.kind === "done" && other) heard = notDone;
      if (action.do === "compensate" && heard.kind === "done" && other) heard = nothingFound;
      if (!("step" in action) && (heard.kind !== "unknown" || at % 7 === 0) && at % 11 !== 0) heard = done;
      if (action.do === "fence" && heard.kind === "failed") heard = unknown;
      calls.push({ ...call, outcome: heard });
      state = settle(state, action, heard, now, RULES);
    }
    throw new Error(`doesn't end: ${whatOf(calls.slice(-10)).join(", ")}`);
  }

  const isForward = ({ action }: Heard) => action.do === "run" || action.do === "probe";
  const turnsBack = ({ action, outcome: heard }: Heard) =>
    heard?.kind === "done" && (action.do === "fence" || (action.do === "take_over" && action.to === "Cancelling"));

  it("the saga ends or waits for a person, who is never left without anything to do", ({ expect }) => {
    fc.assert(
      fc.property(chance, (given) => {
        const { state, calls, now } = playByChance(given);
        expect(state.phase).toBe("ended");
        expect(["Completed", "Cancelled", "NeedsAttention"]).toContain(state.status);
        expect(nextAction(state, now + HOUR).do).toBe("nothing");
        expect(possibleActs(state).length > 0).toBe(state.status === "NeedsAttention");
        if (state.status === "NeedsAttention") expect(state.error).not.toBeNull();
        expect(state.fence).toBe(
          calls.filter(({ what, outcome: heard }) => ["fence", "take_over"].includes(what) && heard?.kind === "done")
            .length,
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it("nothing is undone before a fence, nothing is done after one, and nothing is undone once the stock has moved", ({
    expect,
  }) => {
    fc.assert(
      fc.property(chance, (given) => {
        const { calls } = playByChance(given);
        const back = calls.findIndex(turnsBack);
        const undone = calls.findIndex(({ action }) => action.do === "compensate");
        expect(undone < 0 || (back >= 0 && back < undone)).toBe(true);
        expect(back < 0 ? [] : calls.slice(back).filter(isForward)).toEqual([]);
        const moved = calls.findIndex(({ what, outcome: heard }) => what === "run move" && heard?.kind === "done");
        const sinceThen = moved < 0 ? [] : calls.slice(moved);
        expect(sinceThen.filter(({ action }) => action.do === "compensate")).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it("every step that was begun is done, undone, left as it is by a person, or reported", ({ expect }) => {
    fc.assert(
      fc.property(chance, (given) => {
        const { state, calls } = playByChance(given);
        const begun = new Set(calls.flatMap(({ action }) => ("step" in action ? [action.step] : [])));
        const states = new Map(state.steps.map((entry) => [entry.step, entry.state]));
        expect([...begun].filter((step) => !states.has(step))).toEqual([]);
        const skips = calls.some(
          ({ action }) => action.do === "take_over" && ["skip", "resolve"].includes(action.act.action),
        );
        if (!skips) expect([...states.values()]).not.toContain("skipped");
        if (state.status === "Completed") {
          const isTold = (step: string) => calls.some(({ what }) => what === `report ${step}`);
          expect(plannedUnder(state).filter((step) => states.get(step) !== "done" && !isTold(step))).toEqual([]);
        } else if (state.status === "Cancelled") {
          expect([...states.values()].filter((is) => is !== "compensated" && is !== "skipped")).toEqual([]);
        } else if (calls.some(turnsBack)) {
          expect([...states.values()].filter((is) => is === "compensation_failed").length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
