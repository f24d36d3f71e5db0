import fc from "fast-check";
import { describe, it } from "vitest";
import { begin, nextAction, startSaga } from "../../../src/domain/order-saga.ts";
import { SAGA_DEFINITIONS } from "../../../src/domain/saga-definitions.ts";
import { applyAction } from "../../../src/domain/saga-operators.ts";
import { settle } from "../../../src/domain/saga-settling.ts";
import {
  entryOf,
  keyOf,
  restoreSaga,
  type Outcome,
  type SagaAction,
  type SagaState,
  type StepName,
} from "../../../src/domain/saga-state.ts";
import {
  blocked,
  busy,
  CANCEL,
  cancelled,
  done,
  gaps,
  gone,
  HOUR,
  LADDER,
  nameOf,
  notDone,
  nothingFound,
  NOW,
  play,
  refused,
  refusedForNow,
  RULES,
  script,
  unknown,
  whatOf,
  type Call,
} from "../../support/saga-play.ts";
import { plannedUnder } from "../../support/saga-plans.ts";

describe("forward", () => {
  it("runs create, reserve, a purchase per supplier, move, complete, each once and without waiting", ({ expect }) => {
    const { state, calls, now } = play(script({}), { state: startSaga("ord_1", 0, ["borealis", "acme"]) });

    expect(whatOf(calls)).toEqual([
      "run create",
      "run reserve",
      "run purchase:acme",
      "run purchase:borealis",
      "run move",
      "run complete",
    ]);
    expect(state).toMatchObject({ phase: "ended", status: "Completed", error: null, fence: 0 });
    expect(now).toBe(NOW);
  });

  it("keys a purchase {order}:{supplier}, the same for every attempt, and every other step by its round", ({
    expect,
  }) => {
    const { calls } = play(script({ "run purchase:acme": [unknown, done], "probe purchase:acme": [notDone] }));

    const keys = calls.flatMap(({ action }) => ("key" in action ? [[nameOf(action), action.key]] : []));
    expect(keys).toEqual([
      ["run create", "ord_1:create:0"],
      ["run reserve", "ord_1:reserve:0"],
      ["run purchase:acme", "ord_1:acme"],
      ["probe purchase:acme", "ord_1:acme"],
      ["run purchase:acme", "ord_1:acme"],
      ["run move", "ord_1:move:0"],
      ["run complete", "ord_1:complete:0"],
      ["recall purchase:acme", "ord_1:acme"],
      ["recall purchase:acme", "ord_1:acme"],
    ]);
  });

  it.for<[string, Outcome[], Outcome[], string[]]>([
    ["a purchase that was accepted unheard isn't placed again", [unknown], [done], ["run", "probe"]],
    ["a purchase that didn't happen is placed again", [unknown, done], [notDone], ["run", "probe", "run"]],
    ["each new doubt is probed anew", [unknown, unknown, done], [notDone], ["run", "probe", "run", "probe", "run"]],
    [
      "a probe without an answer is repeated before anything else",
      [unknown, done],
      [unknown, notDone],
      ["run", "probe", "probe", "run"],
    ],
  ])("%s", ([, runs, probes, expected], { expect }) => {
    const { state, calls } = play(script({ "run purchase:acme": runs, "probe purchase:acme": probes }));

    const bought = whatOf(calls).filter((what) => what.endsWith("purchase:acme") && !what.startsWith("recall"));
    expect(bought).toEqual(expected.map((one) => `${one} purchase:acme`));
    expect(state.status).toBe("Completed");
  });

  it("a call that was begun and has no outcome on record is probed at a supplier and run again in the database", ({
    expect,
  }) => {
    let state = startSaga("ord_1", 0, ["acme"]);
    const dies = (): SagaAction => {
      const action = nextAction(state, NOW);
      state = begin(state, action);
      return nextAction(state, NOW);
    };
    expect(nameOf(dies())).toBe("run create");
    state = play(script({}), { state, stop: (s) => entryOf(s, "reserve").state === "done" }).state;
    expect(nameOf(dies())).toBe("probe purchase:acme");
  });

  it.for<StepName>(["create", "reserve", "move"])(
    "%s fails five times by the ladder 1, 2, 4, 8 s and gives up",
    (step, { expect }) => {
      const { state, calls } = play(script({ [`run ${step}`]: [step === "move" ? busy : unknown] }));

      expect(gaps(calls, `run ${step}`)).toEqual(LADDER);
      expect(state.status).toBe("Cancelled");
      expect(state.error?.step).toBe(step);
    },
  );

  it("five placements without an answer are a give-up although every probe says that nothing was bought", ({
    expect,
  }) => {
    const { state, calls } = play(
      script({
        "run purchase:acme": [unknown],
        "probe purchase:acme": [notDone],
        "compensate purchase:acme": [nothingFound],
      }),
    );

    expect(gaps(calls, "run purchase:acme")).toEqual(LADDER);
    expect(whatOf(calls).filter((what) => what === "run purchase:acme")).toHaveLength(5);
    expect(state).toMatchObject({ status: "Cancelled", error: { step: "purchase:acme", code: "UNKNOWN_OUTCOME" } });
  });

  it("a supplier that answers neither placement nor probe is given up after five attempts in all", ({ expect }) => {
    const { state, calls } = play(script({ "run purchase:acme": [unknown], "probe purchase:acme": [unknown] }));

    const asked = calls.filter(({ what }) => what.endsWith("purchase:acme") && !what.startsWith("compensate"));
    expect(whatOf(asked)).toEqual(["run purchase:acme", ...Array.from({ length: 4 }, () => "probe purchase:acme")]);
    expect(asked.slice(1).map((call, index) => call.at - (asked[index]?.at ?? 0))).toEqual(LADDER);
    expect(state.status).toBe("Cancelled");
  });

  it("what a dependency asks for by Retry-After is waited for, never less than the ladder", ({ expect }) => {
    const later: Outcome = { kind: "unknown", reason: "429", retryAfterMs: 120_000 };
    const sooner: Outcome = { kind: "unknown", reason: "429", retryAfterMs: 1 };
    const { calls } = play(script({ "run create": [later, sooner, done] }));

    expect(gaps(calls, "run create")).toEqual([120_000, 2_000]);
  });

  it("a refusal is no reason to try again: the order is compensated at once", ({ expect }) => {
    const { state, calls, now } = play(script({ "run purchase:acme": [refused] }));

    expect(whatOf(calls)).toEqual([
      "run create",
      "run reserve",
      "run purchase:acme",
      "fence",
      "compensate purchase:acme",
      "compensate reserve",
      "compensate create",
      "close Cancelled",
    ]);
    expect(state).toMatchObject({
      status: "Cancelled",
      error: { step: "purchase:acme", code: "SUPPLIER_REFUSED", reason: "no" },
    });
    expect(now).toBe(NOW);
  });
});

describe("an open breaker", () => {
  it("is no attempt: the saga sleeps until its health check and goes on with its first attempt", ({ expect }) => {
    const { state, calls } = play(
      script({ "run purchase:acme": [blocked, blocked, unknown, done], "probe purchase:acme": [notDone] }),
    );

    expect(gaps(calls, "run purchase:acme")).toEqual([30_000, 30_000, 1_000]);
    expect(entryOf(state, "purchase:acme").attempt).toBe(2);
    expect(state.status).toBe("Completed");
  });

  it("holds each saga up for a while of its own on top of the breaker's wait, drawn anew each time", ({ expect }) => {
    const drawn = [0, 9_999, 3_000];
    const rules = { ...RULES, blockedSpreadMs: () => drawn.shift() ?? 0 };
    const action: SagaAction = { do: "run", step: "purchase:acme", key: "ord_1:acme" };
    let state = begin(startSaga("ord_1", 0, ["acme"]), action);
    const waits = [0, 9_999, 3_000].map(() => {
      state = settle(state, action, blocked, NOW, rules);
      return state.waitUntil - NOW;
    });

    expect(waits).toEqual([30_000, 39_999, 33_000]);
  });

  it("that stays open for the longest wait ends the order as NeedsAttention, with the reason, and undoes nothing", ({
    expect,
  }) => {
    const { state, calls, now } = play(script({ "run purchase:acme": [blocked] }));

    expect(now - NOW).toBeGreaterThanOrEqual(RULES.maxWaitMs);
    expect(now - NOW).toBeLessThanOrEqual(RULES.maxWaitMs + 30_000);
    expect(state).toMatchObject({
      phase: "ended",
      status: "NeedsAttention",
      error: { step: "purchase:acme", code: "CIRCUIT_OPEN" },
    });
    expect(whatOf(calls).slice(-2)).toEqual(["run purchase:acme", "close NeedsAttention"]);
  });

  it("is waited for no longer than the longest wait, however late its next health check is", ({ expect }) => {
    const late: Outcome = { kind: "blocked", retryAfterMs: 3 * HOUR };
    const { state, now } = play(script({ "run purchase:acme": [late] }));

    expect(now - NOW).toBe(RULES.maxWaitMs);
    expect(state).toMatchObject({ status: "NeedsAttention", error: { code: "CIRCUIT_OPEN" } });
  });

  it("holds a probe up without counting, and the probe still comes before the next placement", ({ expect }) => {
    const { state, calls } = play(
      script({ "run purchase:acme": [unknown, done], "probe purchase:acme": [blocked, blocked, notDone] }),
    );

    const asked = whatOf(calls).filter((what) => what.endsWith("purchase:acme"));
    const afterwards = ["recall", "recall"]; // it was sent twice
    expect(asked.map((what) => what.split(" ")[0])).toEqual(["run", "probe", "probe", "probe", "run", ...afterwards]);
    expect(entryOf(state, "purchase:acme").attempt).toBe(2);
  });

  it("that keeps one purchase from being cancelled doesn't keep the other steps from being undone", ({ expect }) => {
    const { state, calls } = play(
      script({ "run purchase:borealis": [refused], "compensate purchase:acme": [blocked] }),
      { state: startSaga("ord_1", 0, ["acme", "borealis"]) },
    );

    expect(state.status).toBe("NeedsAttention");
    expect(state.error?.code).toBe("SUPPLIER_REFUSED");
    expect(state.steps.map(({ step, state: is }) => `${step} ${is}`)).toEqual([
      "create compensated",
      "reserve compensated",
      "purchase:acme compensation_failed",
      "purchase:borealis compensated",
    ]);
    expect(whatOf(calls).at(-1)).toBe("close NeedsAttention");
  });

  it("that closes in between starts the longest wait anew", ({ expect }) => {
    const threeHours = Array.from({ length: 360 }, () => blocked);
    const { state, now } = play(
      script({ "run purchase:acme": [...threeHours, unknown, ...threeHours, done], "probe purchase:acme": [notDone] }),
    );

    expect(now - NOW).toBeGreaterThan(RULES.maxWaitMs);
    expect(state.status).toBe("Completed");
  });
});

describe("a reservation that is gone", () => {
  it("goes back to reserve under a new key, and then moves", ({ expect }) => {
    const { state, calls } = play(script({ "run move": [gone, done] }));

    expect(whatOf(calls).slice(3)).toEqual(["run move", "run reserve", "run move", "run complete"]);
    const keys = calls.flatMap(({ action }) =>
      "key" in action && ["reserve", "move"].includes(action.step) ? [action.key] : [],
    );
    expect(keys).toEqual(["ord_1:reserve:0", "ord_1:move:0", "ord_1:reserve:1", "ord_1:move:1"]);
    expect(state.status).toBe("Completed");
  });

  it("for the third time ends the order, compensated", ({ expect }) => {
    const { state, calls } = play(script({ "run move": [gone] }));

    expect(whatOf(calls).filter((what) => what === "run move")).toHaveLength(3);
    expect(state).toMatchObject({ status: "Cancelled", error: { step: "move", code: "RESERVATION_GONE" } });
  });

  it("and can't be had again is the shortage of reserve", ({ expect }) => {
    const short: Outcome = { kind: "failed", code: "INSUFFICIENT_STOCK", reason: "taken", retryable: false };
    const { state } = play(script({ "run move": [gone], "run reserve": [done, short] }));

    expect(state).toMatchObject({ status: "Cancelled", error: { step: "reserve", code: "INSUFFICIENT_STOCK" } });
  });
});

describe("compensation", () => {
  it("begins with the fence and undoes every begun step in reverse", ({ expect }) => {
    const { calls, state } = play(script({ "run move": [refused] }), { state: startSaga("ord_1", 3, ["a", "b"]) });

    expect(whatOf(calls).slice(calls.findIndex(({ what }) => what === "fence"))).toEqual([
      "fence",
      "compensate move",
      "compensate purchase:b",
      "compensate purchase:a",
      "compensate reserve",
      "compensate create",
      "close Cancelled",
    ]);
    expect(state.fence).toBe(4);
  });

  it("sends a fence that wasn't answered again by the ladder and then ever later, without giving up, and raises it once", ({
    expect,
  }) => {
    const away = Array.from({ length: 9 }, () => unknown);
    const { state, calls } = play(script({ "run create": [refused], fence: [...away, done] }));

    expect(gaps(calls, "fence")).toEqual([...LADDER, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(state).toMatchObject({ fence: 1, status: "Cancelled", tries: 0 });
  });

  it("gives each batch that must land the ladder from its beginning", ({ expect }) => {
    const twice = [unknown, unknown, done];
    const { calls } = play(script({ "run create": [refused], fence: twice, "close Cancelled": twice }));

    expect(gaps(calls, "fence")).toEqual([1_000, 2_000]);
    expect(gaps(calls, "close Cancelled")).toEqual([1_000, 2_000]);
  });

  it.for<["Completed" | "Cancelled" | "NeedsAttention"]>([["Completed"], ["Cancelled"], ["NeedsAttention"]])(
    "gives way to an order that had ended as %s",
    ([status], { expect }) => {
      const { state, calls } = play(script({ "run move": [refused], fence: [{ kind: "ended", status }] }));

      expect(state).toMatchObject({ phase: "ended", status });
      expect(whatOf(calls).at(-1)).toBe("fence");
    },
  );

  it("tries each undo five times, goes on with the others, and ends as NeedsAttention", ({ expect }) => {
    const { state, calls } = play(script({ "run move": [refused], "compensate purchase:acme": [refusedForNow] }));

    expect(gaps(calls, "compensate purchase:acme")).toEqual(LADDER);
    expect(state.steps.map(({ step, state: is }) => `${step} ${is}`)).toEqual([
      "create compensated",
      "reserve compensated",
      "purchase:acme compensation_failed",
      "move compensated",
    ]);
    expect(state).toMatchObject({ status: "NeedsAttention", error: { step: "move" } });
  });

  it("doesn't try again what can't be undone at all", ({ expect }) => {
    const { state, calls } = play(script({ "run move": [refused], "compensate purchase:acme": [refused] }));

    expect(whatOf(calls).filter((what) => what === "compensate purchase:acme")).toHaveLength(1);
    expect(state.status).toBe("NeedsAttention");
  });

  it("looks for a late acceptance twice where the outcome was ever unknown", ({ expect }) => {
    const { state, calls } = play(
      script({
        "run purchase:acme": [unknown, refused],
        "probe purchase:acme": [notDone],
        "compensate purchase:acme": [nothingFound],
      }),
    );

    expect(gaps(calls, "compensate purchase:acme")).toEqual([RULES.lateCheckMs, RULES.lateCheckMs]);
    expect(entryOf(state, "purchase:acme")).toMatchObject({ state: "compensated", lateChecks: 2 });
    expect(state.status).toBe("Cancelled");
  });

  it("looks on for the call that may be accepted yet where a purchase was sent twice, whatever it has found", ({
    expect,
  }) => {
    const { state, calls } = play(
      script({
        "run purchase:acme": [unknown, done],
        "probe purchase:acme": [notDone],
        "run move": [refused],
        "compensate purchase:acme": [done],
      }),
    );

    expect(gaps(calls, "compensate purchase:acme")).toEqual([RULES.lateCheckMs, RULES.lateCheckMs]);
    expect(entryOf(state, "purchase:acme")).toMatchObject({ state: "compensated", lateChecks: 2 });
    expect(state.status).toBe("Cancelled");
  });

  it("that waits holds no other up: what is reserved is given back while a supplier can't be asked", ({ expect }) => {
    const { state, calls } = play(
      script({ "run move": [refused], "compensate purchase:acme": [blocked, blocked, blocked, done] }),
    );

    expect(whatOf(calls).slice(calls.findIndex(({ what }) => what === "fence"))).toEqual([
      "fence",
      "compensate move",
      "compensate purchase:acme",
      "compensate reserve",
      "compensate create",
      ...Array.from({ length: 3 }, () => "compensate purchase:acme"),
      "close Cancelled",
    ]);
    expect(calls.find(({ what }) => what === "compensate reserve")?.at).toBe(NOW);
    expect(gaps(calls, "compensate purchase:acme")).toEqual([30_000, 30_000, 30_000]);
    expect(state.status).toBe("Cancelled");
  });

  it("whose mark Cancelled finds the database away waits it out by the ladder and longer: no person is asked", ({
    expect,
  }) => {
    const away = Array.from({ length: 6 }, () => unknown);
    const { state, calls } = play(script({ "run create": [refused], "close Cancelled": [...away, done] }));

    expect(gaps(calls, "close Cancelled")).toEqual([...LADDER, 16_000, 32_000]);
    expect(whatOf(calls)).not.toContain("close NeedsAttention");
    expect(state).toMatchObject({ status: "Cancelled", tries: 0 });
  });

  it("whose mark Cancelled can't be written for hours is left to a person: create is what isn't undone", ({
    expect,
  }) => {
    const { state, calls, now } = play(script({ "run create": [refused], "close Cancelled": [unknown] }));

    expect(gaps(calls, "close Cancelled").slice(0, 4)).toEqual(LADDER);
    expect(now - NOW).toBeGreaterThan(RULES.maxWaitMs);
    expect(entryOf(state, "create").state).toBe("compensation_failed");
    expect(state.status).toBe("NeedsAttention");
  });

  it("whose mark Cancelled is refused, since something is still open, is left to a person at once", ({ expect }) => {
    const { state, calls } = play(script({ "run create": [refused], "close Cancelled": [refused] }));

    expect(whatOf(calls).slice(-2)).toEqual(["close Cancelled", "close NeedsAttention"]);
    expect(state.status).toBe("NeedsAttention");
  });

  it("finds nothing and is done where every outcome was known", ({ expect }) => {
    const { calls } = play(script({ "run purchase:acme": [refused], "compensate purchase:acme": [nothingFound] }));

    expect(whatOf(calls).filter((what) => what === "compensate purchase:acme")).toHaveLength(1);
  });

  it("knows which purchase was never sent: an open circuit's refusal is no call, one that died may be", ({
    expect,
  }) => {
    const purchase = (state: SagaState) => entryOf(state, "purchase:acme");
    const asked = { stop: (state: SagaState) => purchase(state).attempt > 0 || purchase(state).blockedSince > 0 };
    const never = play(script({ "run purchase:acme": [blocked] }), asked).state;
    expect(purchase(never)).toMatchObject({ state: "failed", sent: false });
    expect(purchase(begin(never, nextAction(never, NOW + HOUR)))).toMatchObject({ state: "intended", sent: false });

    const died = begin(never, nextAction(never, NOW + HOUR));
    const undoing = begin(
      { ...died, phase: "compensating" },
      nextAction({ ...died, phase: "compensating", waitUntil: 0 }, NOW),
    );
    expect(purchase(undoing)).toMatchObject({ state: "compensating", sent: true, doubtful: true });

    const answered = play(script({ "run purchase:acme": [unknown] }), asked).state;
    expect(purchase(answered)).toMatchObject({ state: "unknown", sent: true });
    const held = play(script({ "probe purchase:acme": [blocked] }), {
      state: answered,
      stop: (state) => purchase(state).blockedSince > 0,
    }).state;
    expect(purchase(held)).toMatchObject({ state: "unknown", sent: true });
  });

  it("takes a purchase in a journal of before for sent", ({ expect }) => {
    const state = play(script({ "run purchase:acme": [blocked] }), { stop: (one) => one.blockedSince > 0 }).state;
    const stored = JSON.parse(JSON.stringify(state, (key, value: unknown) => (key === "sent" ? undefined : value)));
    expect(entryOf(restoreSaga(stored), "purchase:acme").sent).toBe(true);
    expect(entryOf(restoreSaga(JSON.parse(JSON.stringify(state))), "purchase:acme").sent).toBe(false);
  });

  it("stops looking once the late acceptance of the only call was found and cancelled", ({ expect }) => {
    const { calls } = play(
      script({
        "run purchase:acme": [unknown],
        "probe purchase:acme": [unknown],
        "compensate purchase:acme": [nothingFound, done],
      }),
    );

    expect(whatOf(calls).filter((what) => what === "compensate purchase:acme")).toHaveLength(2);
  });

  it("looks for a late acceptance also of a call that died without an outcome", ({ expect }) => {
    const before = play(script({}), { stop: (s) => entryOf(s, "reserve").state === "done" });
    const died = begin(before.state, nextAction(before.state, NOW));
    const { calls, state } = play(script({ "compensate purchase:acme": [nothingFound] }), {
      state: cancelled(died),
    });

    expect(whatOf(calls).filter((what) => what === "compensate purchase:acme")).toHaveLength(3);
    expect(state.status).toBe("Cancelled");
  });
});

describe("completion", () => {
  it("has no way back: it is tried on, each wait twice the last, up to the longest; then a person is asked", ({
    expect,
  }) => {
    const { state, calls, now } = play(script({ "run complete": [unknown] }));
    const waits = gaps(calls, "run complete");

    expect(waits).toEqual(waits.map((_, index) => 1_000 * 2 ** index));
    expect(now - NOW).toBeGreaterThan(RULES.maxWaitMs);
    expect(now - NOW).toBeLessThan(2 * RULES.maxWaitMs);
    expect(whatOf(calls).filter((what) => what.startsWith("compensate"))).toEqual([]);
    expect(whatOf(calls).at(-1)).toBe("close NeedsAttention");
    expect(state).toMatchObject({ phase: "ended", status: "NeedsAttention", error: { step: "complete" } });
  });

  it("that is refused undoes nothing either", ({ expect }) => {
    const { state, calls } = play(script({ "run complete": [refused] }));

    expect(whatOf(calls).slice(-2)).toEqual(["run complete", "close NeedsAttention"]);
    expect(state.status).toBe("NeedsAttention");
  });

  it("whose reply was lost is found by the close", ({ expect }) => {
    const { state } = play(
      script({ "run complete": [refused], "close NeedsAttention": [{ kind: "ended", status: "Completed" }] }),
    );

    expect(state).toMatchObject({ phase: "ended", status: "Completed" });
  });
});

describe("cancel", () => {
  it.for<[string, string[]]>([
    ["create", ["compensate create"]],
    ["reserve", ["compensate reserve", "compensate create"]],
    ["purchase:acme", ["compensate purchase:acme", "compensate reserve", "compensate create"]],
  ])("after %s undoes what was done, in reverse", ([step, undone], { expect }) => {
    const half = play(script({}), { stop: (s) => entryOf(s, step as StepName).state === "done" });
    const { state, calls } = play(script({}), { state: cancelled(half.state) });

    expect(whatOf(calls)).toEqual(["take_over", ...undone, "close Cancelled"]);
    expect(state).toMatchObject({
      status: "Cancelled",
      fence: 1,
      error: { step, code: "CANCELLED", reason: "not needed" },
    });
  });

  it("before anything began only closes", ({ expect }) => {
    const { calls } = play(script({}), { state: cancelled(startSaga("ord_1", 0, [])) });

    expect(whatOf(calls)).toEqual(["take_over", "close Cancelled"]);
  });

  it("wakes a saga that waits", ({ expect }) => {
    const waiting = play(script({ "run purchase:acme": [blocked] }), { stop: (s) => s.waitUntil > NOW }).state;

    expect(nextAction(waiting, NOW).do).toBe("sleep");
    expect(nextAction(cancelled(waiting), NOW).do).toBe("take_over");
  });

  it("after the stock has moved, during compensation and after the end changes nothing", ({ expect }) => {
    const moved = play(script({}), { stop: (s) => entryOf(s, "move").state === "done" }).state;
    const undoing = play(script({ "run move": [refused] }), { stop: (s) => s.phase === "compensating" }).state;
    const ended = play(script({})).state;

    for (const state of [moved, undoing, ended]) expect(applyAction(state, CANCEL).ok).toBe(false);
  });
});

it("scenario 17: a journal of another definition is put before a person, at the pace of the ladder, and never guessed at", ({
  expect,
}) => {
  const state = startSaga("ord_1", 0, ["acme"], SAGA_DEFINITIONS.current + 1);
  const { calls, state: end } = play(script({ "close NeedsAttention": [unknown, unknown, unknown, done] }), { state });

  expect(whatOf(calls)).toEqual(Array.from({ length: 4 }, () => "close NeedsAttention"));
  expect(gaps(calls, "close NeedsAttention")).toEqual([1_000, 2_000, 4_000]);
  expect(end).toMatchObject({ status: "NeedsAttention", error: { code: "UNKNOWN_DEFINITION" } });
});

describe("whatever the outcomes", () => {
  const failure: fc.Arbitrary<Outcome> = fc.oneof(
    fc.constantFrom(unknown, refused, busy, gone),
    fc.record({
      kind: fc.constant("unknown" as const),
      reason: fc.constant("429"),
      retryAfterMs: fc.integer({ min: 0, max: HOUR }),
    }),
    fc.record({ kind: fc.constant("blocked" as const), retryAfterMs: fc.integer({ min: 15_000, max: HOUR }) }),
  );
  const forward = fc.oneof({ weight: 3, arbitrary: fc.constant(done) }, { weight: 2, arbitrary: failure });
  const cancelAt = fc.option(fc.integer({ min: 0, max: 20 }), { nil: null });
  const deaths = fc.array(fc.boolean(), { maxLength: 30 });

  interface Chance {
    readonly outcomes: readonly Outcome[];
    readonly probes: readonly boolean[];
    readonly suppliers: number;
    readonly cancelAt: number | null;
    readonly deaths: readonly boolean[];
  }
  const chance: fc.Arbitrary<Chance> = fc.record({
    outcomes: fc.array(forward, { minLength: 1, maxLength: 60 }),
    probes: fc.array(fc.boolean(), { minLength: 1, maxLength: 10 }),
    suppliers: fc.integer({ min: 0, max: 3 }),
    cancelAt,
    deaths,
  });

  /** Plays by chance. The list of outcomes repeats for ever; only fence and close, which are ours, are answered in the end. */
  function playByChance({ outcomes, probes, suppliers, cancelAt: cancelTurn, deaths: dies }: Chance) {
    let state = startSaga(
      "ord_1",
      0,
      Array.from({ length: suppliers }, (_, n) => `s${n}`),
    );
    let now = NOW;
    let at = 0;
    const calls: (Call & { readonly outcome: Outcome | null })[] = [];
    for (let turn = 0; turn < 20_000; turn++) {
      if (turn === cancelTurn) state = cancelled(state, "cancelled by chance");
      const action = nextAction(state, now);
      if (action.do === "nothing") return { state, calls, now };
      if (action.do === "sleep") {
        now = action.until;
        continue;
      }
      state = begin(state, action);
      const call = { at: now, what: nameOf(action), action };
      if (dies[calls.length] && "step" in action) {
        calls.push({ ...call, outcome: null });
        continue;
      }
      let outcome = outcomes[at++ % outcomes.length] ?? done;
      if (action.do === "probe" && outcome.kind === "done" && probes[at % probes.length]) outcome = notDone;
      if (action.do === "compensate" && outcome.kind === "done" && probes[at % probes.length]) outcome = nothingFound;
      if (!("step" in action) && (outcome.kind !== "unknown" || at % 7 === 0)) outcome = done;
      calls.push({ ...call, outcome });
      state = settle(state, action, outcome, now, RULES);
    }
    throw new Error(
      `doesn't end: ${calls
        .slice(-10)
        .map(({ what }) => what)
        .join(", ")}`,
    );
  }

  it("the saga ends, in a bounded number of calls and a bounded time, in one of three ways", ({ expect }) => {
    fc.assert(
      fc.property(chance, (given) => {
        const { state, calls, now } = playByChance(given);
        expect(["Completed", "Cancelled", "NeedsAttention"]).toContain(state.status);
        expect(calls.length).toBeLessThan(8_000);
        expect(now - NOW).toBeLessThan(14 * 24 * HOUR);
        expect(nextAction(state, now + HOUR).do).toBe("nothing");
      }),
      { numRuns: 400 },
    );
  });

  it("no step runs after the fence, every begun step is undone or named, and undoing begins from the last", ({
    expect,
  }) => {
    fc.assert(
      fc.property(chance, (given) => {
        const { state, calls } = playByChance(given);
        const fenced = calls.findIndex(
          ({ what, outcome }) => ["fence", "take_over"].includes(what) && outcome?.kind === "done",
        );
        const first = (undo: StepName) => calls.findIndex(({ what }) => what === `compensate ${undo}`);
        const forwardCalls = calls.filter(({ action }) => action.do === "run" || action.do === "probe");
        if (fenced >= 0) {
          expect(calls.slice(fenced).filter(({ action }) => action.do === "run" || action.do === "probe")).toEqual([]);
          // An order called off before anything was begun may leave its mark Cancelled to a person: create was never undone.
          const wasBegun = (step: StepName) =>
            forwardCalls.some(({ action }) => "step" in action && action.step === step);
          const begun = state.steps.map(({ step }) => step).filter(wasBegun);
          const order = begun.map(first);
          expect(order.every((place) => place > fenced)).toBe(true);
          expect([...order].sort((a, b) => b - a)).toEqual(order);
          const left = state.steps.filter((entry) => entry.state !== "compensated");
          expect(state.status).toBe(left.length === 0 ? "Cancelled" : "NeedsAttention");
          expect(left.every((entry) => entry.state === "compensation_failed")).toBe(true);
        } else {
          expect(calls.filter(({ action }) => action.do === "compensate")).toEqual([]);
        }
        if (state.status === "Completed") {
          const isLeft = (step: StepName) => calls.some(({ what }) => what === `report ${step}`);
          const wanted = plannedUnder(state).map((step) => (isLeft(step) ? "compensation_failed" : "done"));
          expect(state.steps.map(({ state: is }) => is)).toEqual(wanted);
        }
        expect(forwardCalls.every(({ action }) => "key" in action && action.key.startsWith("ord_1:"))).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it("after a doubtful placement nothing is placed before a probe has said that there is none", ({ expect }) => {
    fc.assert(
      fc.property(chance, (given) => {
        const { calls } = playByChance(given);
        const doubt = new Map<string, boolean>();
        for (const { what, action, outcome } of calls) {
          if (!("step" in action) || !action.step.startsWith("purchase:")) continue;
          if (action.do === "run") {
            expect(doubt.get(action.step) ?? false, what).toBe(false);
            doubt.set(action.step, outcome === null || outcome.kind === "unknown");
          }
          if (action.do === "probe" && outcome?.kind === "not_done") doubt.set(action.step, false);
        }
      }),
      { numRuns: 400 },
    );
  });

  it("no step fails more than five times in one round, and no purchase has two keys", ({ expect }) => {
    fc.assert(
      fc.property(chance, (given) => {
        const { state, calls } = playByChance({ ...given, deaths: [] });
        for (const step of plannedUnder(state)) {
          if (step === "complete") continue;
          const own = calls.filter(
            ({ action }) => "step" in action && action.step === step && ["run", "probe"].includes(action.do),
          );
          const byKey = Map.groupBy(own, ({ action }) => ("key" in action ? action.key : ""));
          for (const [key, tries] of byKey) {
            const failed = tries.filter(({ outcome }) => outcome?.kind === "failed" || outcome?.kind === "unknown");
            expect(failed.length, key).toBeLessThanOrEqual(5);
          }
          if (step.startsWith("purchase:"))
            expect([...byKey.keys()]).toEqual(own.length > 0 ? [keyOf(state, entryOf(state, step))] : []);
        }
      }),
      { numRuns: 400 },
    );
  });
});
