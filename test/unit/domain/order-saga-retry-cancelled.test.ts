/** A retry that is cancelled: whenever the order is called off, the purchase isn't executed again. */
import { describe, it } from "vitest";
import { begin, nextAction, startSaga } from "../../../src/domain/order-saga.ts";
import { applyAction } from "../../../src/domain/saga-operators.ts";
import { settle } from "../../../src/domain/saga-settling.ts";
import type { Outcome, SagaAction, SagaRules, SagaState } from "../../../src/domain/saga-state.ts";

const RULES: SagaRules = {
  delayAfter: (attempt) => [1_000, 2_000, 4_000, 8_000][attempt - 1] ?? null,
  repeatAfter: () => 1_000,
  maxWaitMs: 4 * 60 * 60 * 1000,
  blockedSpreadMs: () => 0,
  lateCheckMs: 30_000,
  lateChecks: 0,
};
const done: Outcome = { kind: "done" };
const failed: Outcome = { kind: "failed", code: "DEPENDENCY_FAILED", reason: "503", retryable: true };

interface At {
  state: SagaState;
  now: number;
  readonly purchases: number[];
}

/** Takes the next action up and carries it out, `meanwhile` something else happens. False: there is none. */
function step(at: At, answer: Outcome, meanwhile: (state: SagaState) => SagaState = (state) => state): boolean {
  let action: SagaAction = nextAction(at.state, at.now);
  if (action.do === "sleep") {
    at.now = action.until;
    action = nextAction(at.state, at.now);
  }
  if (action.do === "nothing") return false;
  const begun = begin(at.state, action);
  if (action.do === "run" && action.step === "purchase:acme") at.purchases.push(at.now);
  at.state = meanwhile(settle(begun, action, isPurchase(action) ? answer : done, at.now, RULES));
  return true;
}

const isPurchase = (action: SagaAction) => action.do === "run" && action.step === "purchase:acme";

function callOff(state: SagaState): SagaState {
  const applied = applyAction(state, {
    id: "cancel-1",
    action: "cancel",
    step: null,
    to: null,
    reason: "no longer needed",
    by: { id: "manager-north", kind: "person" },
    traceparent: "00-1-1-01",
  });
  if (!applied.ok) throw new Error("it can't be called off any more");
  return applied.state;
}

/** Plays on while the supplier answers so, to the end. */
function toTheEnd(at: At, answer: Outcome): void {
  for (let turns = 0; step(at, answer); turns++) if (turns > 200) throw new Error("it doesn't end");
}

/** Created and reserved: the purchase is next. */
function ready(): At {
  const at: At = { state: startSaga("ord_1", 0, ["acme"]), now: 1_000_000, purchases: [] };
  while (!isPurchase(nextAction(at.state, at.now))) step(at, failed);
  return at;
}

describe("an order that is called off", () => {
  it("2.5-R1 before the first attempt makes none", ({ expect }) => {
    const at = ready();
    at.state = callOff(at.state);
    toTheEnd(at, failed);
    expect([at.state.status, at.purchases.length]).toEqual(["Cancelled", 0]);
  });

  it("2.5-R1 during an attempt that fails makes no other", ({ expect }) => {
    const at = ready();
    step(at, failed, callOff);
    toTheEnd(at, failed);
    expect([at.state.status, at.purchases.length]).toEqual(["Cancelled", 1]);
  });

  it("2.5-R1 in the delay before the next attempt doesn't make it, nor waits for it", ({ expect }) => {
    const at = ready();
    step(at, failed);
    expect(nextAction(at.state, at.now)).toMatchObject({ do: "sleep" });
    const failedAt = at.now;
    at.state = callOff(at.state);
    toTheEnd(at, failed);
    expect([at.state.status, at.purchases.length, at.now - failedAt]).toEqual(["Cancelled", 1, 0]);
  });

  it("2.5-R1 after an attempt that succeeded makes no other, and undoes it", ({ expect }) => {
    const at = ready();
    step(at, done, callOff);
    toTheEnd(at, done);
    expect([at.state.status, at.purchases.length]).toEqual(["Cancelled", 1]);
    expect(at.state.steps.find(({ step: name }) => name === "purchase:acme")?.state).toBe("compensated");
  });
});
