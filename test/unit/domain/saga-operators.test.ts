import { describe, it } from "vitest";
import { startSaga } from "../../../src/domain/order-saga.ts";
import { SAGA_DEFINITIONS, type SagaDefinitions } from "../../../src/domain/saga-definitions.ts";
import { applyAction, possibleActs } from "../../../src/domain/saga-operators.ts";
import { entryOf, restoreSaga, type OperatorAct, type SagaState } from "../../../src/domain/saga-state.ts";
import {
  blocked,
  busy,
  CANCEL,
  done,
  gaps,
  NOW,
  play,
  refused,
  refusedForNow,
  script,
  unknown,
  whatOf,
} from "../../support/saga-play.ts";

const act = (action: OperatorAct["action"], more: Partial<OperatorAct> = {}): OperatorAct => ({
  ...CANCEL,
  action,
  reason: "because",
  ...more,
});

function accepted(state: SagaState, asked: OperatorAct): SagaState {
  const applied = applyAction(state, asked);
  if (!applied.ok) throw new Error(applied.reason);
  return applied.state;
}

const inWords = (state: SagaState, definitions?: SagaDefinitions) =>
  possibleActs(state, definitions).map(({ action, step, to }) => [action, step, to].filter(Boolean).join(" "));

/** Its supplier stayed away for four hours. */
const heldUp = () => play(script({ "run purchase:acme": [blocked] }));
/** Its supplier took the purchase and never took it back. */
const leftBehind = () => play(script({ "run move": [refused], "compensate purchase:acme": [refusedForNow] }));
const unfinished = () => play(script({ "run complete": [refused] }));

describe("an order whose circuit stayed open", () => {
  it("can be resumed, retried or cancelled, and nothing else", ({ expect }) => {
    expect(inWords(heldUp().state)).toEqual(["retry purchase:acme", "cancel", "resume"]);
  });

  it.for<[string, OperatorAct]>([
    ["resumed", act("resume")],
    ["retried", act("retry", { step: "purchase:acme" })],
  ])(
    "%s, goes on forward behind the next fence, with five new attempts, and shows no error",
    ([, asked], { expect }) => {
      const { state, now } = heldUp();
      const on = play(script({ "run purchase:acme": [busy, busy, busy, busy, done] }), {
        state: accepted(state, asked),
        now,
      });

      expect(whatOf(on.calls)).toEqual([
        "take_over",
        ...Array.from({ length: 5 }, () => "run purchase:acme"),
        "run move",
        "run complete",
      ]);
      expect(on.state).toMatchObject({ status: "Completed", fence: 1, error: null, takeOver: null });
    },
  );

  it("is probed first where the purchase may have happened", ({ expect }) => {
    const answers = script({ "run purchase:acme": [unknown], "probe purchase:acme": [blocked] });
    const { state, now } = play(answers);
    const on = play(script({}), { state: accepted(state, act("resume")), now });

    expect(whatOf(on.calls).slice(0, 2)).toEqual(["take_over", "probe purchase:acme"]);
    expect(on.state.status).toBe("Completed");
  });

  it("cancelled, is undone, and says who wanted it so", ({ expect }) => {
    const { state, now } = heldUp();
    const on = play(script({}), { state: accepted(state, act("cancel", { reason: "bought elsewhere" })), now });

    expect(whatOf(on.calls)).toEqual([
      "take_over",
      "compensate purchase:acme",
      "compensate reserve",
      "compensate create",
      "close Cancelled",
    ]);
    expect(on.state).toMatchObject({
      status: "Cancelled",
      error: { step: "purchase:acme", code: "CANCELLED", reason: "bought elsewhere" },
    });
  });
});

describe("an order that a compensation left behind", () => {
  it("can be retried or skipped there, or resolved as Cancelled, and never goes forward again", ({ expect }) => {
    expect(inWords(leftBehind().state)).toEqual(["retry purchase:acme", "skip purchase:acme", "resolve Cancelled"]);
    const refusal = applyAction(leftBehind().state, act("resume"));
    expect(refusal).toMatchObject({
      ok: false,
      reason: expect.stringContaining("possible now: retry purchase:acme, "),
    });
  });

  it("retried, is undone there and nowhere else, and closes as Cancelled with its first error", ({ expect }) => {
    const { state, now } = leftBehind();
    const on = play(script({}), { state: accepted(state, act("retry", { step: "purchase:acme" })), now });

    expect(whatOf(on.calls)).toEqual(["take_over", "compensate purchase:acme", "close Cancelled"]);
    expect(on.state).toMatchObject({
      status: "Cancelled",
      fence: 2,
      error: { step: "move", code: "SUPPLIER_REFUSED" },
    });
  });

  it("retried in vain has five new attempts and waits for a person again", ({ expect }) => {
    const { state, now } = leftBehind();
    const answers = script({ "compensate purchase:acme": [refusedForNow] });
    const on = play(answers, { state: accepted(state, act("retry", { step: "purchase:acme" })), now });

    expect(whatOf(on.calls).filter((what) => what === "compensate purchase:acme")).toHaveLength(5);
    expect(on.state.status).toBe("NeedsAttention");
  });

  it.for<[string, OperatorAct]>([
    ["skipped", act("skip", { step: "purchase:acme" })],
    ["resolved", act("resolve", { to: "Cancelled" })],
  ])("%s, closes as Cancelled without another try", ([, asked], { expect }) => {
    const { state, now } = leftBehind();
    const on = play(script({}), { state: accepted(state, asked), now });

    expect(whatOf(on.calls)).toEqual(["take_over", "close Cancelled"]);
    expect(entryOf(on.state, "purchase:acme").state).toBe("skipped");
    expect(on.state.status).toBe("Cancelled");
  });

  it("with two left, skipped at one, stays with a person for the other", ({ expect }) => {
    const two = play(
      script({
        "run move": [refused],
        "compensate purchase:a": [refused],
        "compensate purchase:b": [refused],
      }),
      { state: startSaga("ord_1", 0, ["a", "b"]) },
    );
    const on = play(script({}), { state: accepted(two.state, act("skip", { step: "purchase:a" })), now: two.now });

    expect(on.state.status).toBe("NeedsAttention");
    expect(inWords(on.state)).toEqual(["retry purchase:b", "skip purchase:b", "resolve Cancelled"]);
  });

  it("whose moved stock couldn't be put back isn't resolved, only retried or left where it has arrived", ({
    expect,
  }) => {
    const moved = play(script({ "run move": [unknown], "compensate move": [refused] }));

    expect(inWords(moved.state)).toEqual(["retry move", "skip move"]);
  });

  it("stays as it is when the batch of the act is refused by what is so", ({ expect }) => {
    const { state, now } = leftBehind();
    const on = play(script({ take_over: [refused] }), {
      state: accepted(state, act("resolve", { to: "Cancelled" })),
      now,
    });

    expect(on.state).toEqual(state);
  });

  it("waits ever longer for a batch whose reply was lost, and raises the fence once", ({ expect }) => {
    const { state, now } = leftBehind();
    const on = play(script({ take_over: [unknown, unknown, unknown, done] }), {
      state: accepted(state, act("skip", { step: "purchase:acme" })),
      now,
    });

    expect(gaps(on.calls, "take_over")).toEqual([1_000, 2_000, 4_000]);
    expect(on.state).toMatchObject({ status: "Cancelled", fence: 2, tries: 0 });
  });
});

describe("an order that can't be completed", () => {
  it("is past the point of no return: resumed, retried or resolved as Completed, never cancelled", ({ expect }) => {
    const { state, now } = unfinished();
    expect(inWords(state)).toEqual(["retry complete", "resume", "resolve Completed"]);
    expect(applyAction(state, act("cancel"))).toMatchObject({ reason: expect.stringContaining("too late to cancel") });
    const on = play(script({}), { state: accepted(state, act("resolve", { to: "Completed" })), now });

    expect(whatOf(on.calls)).toEqual(["take_over", "run complete"]);
    expect(on.state.status).toBe("Completed");
  });

  it.for(["heldUp", "leftBehind"] as const)(
    "%s is never resolved as Completed: its stock hasn't moved",
    (name, { expect }) => {
      const { state } = { heldUp, leftBehind }[name]();
      expect(applyAction(state, act("resolve", { to: "Completed" })).ok).toBe(false);
    },
  );
});

describe("an order on its way", () => {
  it("that waits for its supplier can be retried now, or cancelled", ({ expect }) => {
    const waiting = play(script({ "run purchase:acme": [blocked] }), { stop: (s) => s.waitUntil > NOW });
    expect(inWords(waiting.state)).toEqual(["retry purchase:acme", "cancel"]);
    const on = play(script({}), { state: accepted(waiting.state, act("retry", { step: "purchase:acme" })), now: NOW });

    expect(on).toMatchObject({ now: NOW, state: { status: "Completed", fence: 1 } });
  });

  it("whose compensation waits can be retried or skipped there, and the others go on", ({ expect }) => {
    const waiting = play(script({ "run move": [refused], "compensate purchase:acme": [blocked] }), {
      stop: (s) => s.waitUntil > NOW,
    });
    expect(inWords(waiting.state)).toEqual(["retry purchase:acme", "skip purchase:acme"]);
    const on = play(script({}), { state: accepted(waiting.state, act("skip", { step: "purchase:acme" })), now: NOW });

    expect(on.state).toMatchObject({ status: "Cancelled", fence: 2 });
  });

  it("that has ended, or is being taken over, takes no act", ({ expect }) => {
    const taken = accepted(heldUp().state, act("resume"));
    for (const state of [play(script({})).state, taken]) expect(possibleActs(state)).toEqual([]);
  });
});

describe("definitions", () => {
  const both: SagaDefinitions = {
    current: 2,
    known: [...SAGA_DEFINITIONS.known, { version: 2, steps: ["create", "purchase", "reserve", "move", "complete"] }],
  };

  it("two that are alive at once: each order ends under the one that it began under", ({ expect }) => {
    const half = play(script({}), { stop: (s) => entryOf(s, "create").state === "done" });
    const old = play(script({}), { state: half.state, definitions: both });
    const young = play(script({}), { state: startSaga("ord_2", 0, ["acme"], both.current), definitions: both });

    expect(whatOf(old.calls)).toEqual(["run reserve", "run purchase:acme", "run move", "run complete"]);
    expect(whatOf(young.calls)).toEqual(["run create", "run purchase:acme", "run reserve", "run move", "run complete"]);
  });

  it("an order of one that isn't known is told, can only be resolved as Cancelled, and then is closed", ({
    expect,
  }) => {
    const half = play(script({}), {
      state: startSaga("ord_2", 0, ["acme"], 2),
      definitions: both,
      stop: (s) => entryOf(s, "reserve").state === "done",
    });
    const { state, now } = play(script({}), { state: half.state });
    expect(state).toMatchObject({ status: "NeedsAttention", error: { step: "reserve", code: "UNKNOWN_DEFINITION" } });
    expect(inWords(state)).toEqual(["resolve Cancelled"]);
    const on = play(script({}), { state: accepted(state, act("resolve", { to: "Cancelled" })), now });
    expect(whatOf(on.calls)).toEqual(["take_over", "close Cancelled"]);

    expect(inWords(state, both)).toContain("resume");
    const applied = applyAction(state, act("resume"), both);
    const known = play(script({}), { ...(applied.ok ? { state: applied.state } : {}), definitions: both });
    expect(known.state.status).toBe("Completed");
  });

  it("a journal written before acts, waits of their own and counted marks were there goes on", ({ expect }) => {
    const { takeOver: _, tries: __, ...before } = leftBehind().state;
    const steps = before.steps.map(({ notBefore: _n, blockedSince: _b, ...entry }) => entry);

    expect(restoreSaga(JSON.parse(JSON.stringify({ ...before, steps })))).toEqual(leftBehind().state);
    expect(restoreSaga({ ...before, steps, closings: 3 })).toEqual({ ...leftBehind().state, tries: 3 });
  });
});
