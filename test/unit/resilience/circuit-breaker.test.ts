import { describe, it } from "vitest";
import {
  CLOSED,
  circuitStatus,
  forceOpen,
  healthChecked,
  reportOutcome,
  requestPermit,
  resetCircuit,
  type CircuitSettings,
  type CircuitState,
  type CircuitStep,
  type Outcome,
  type Permit,
} from "../../../src/resilience/circuit-breaker.ts";

const settings: CircuitSettings = {
  failures: 5,
  windowMs: 60_000,
  healthCheckMs: 30_000,
  probeLeaseMs: 30_000,
  probeWaitMs: 2_000,
};
const T = 1_000_000;

function permitOf(state: CircuitState, now: number): { state: CircuitState; permit: Permit } {
  const asked = requestPermit(state, now, settings);
  if (!asked.answer.ok) throw new Error("refused");
  return { state: asked.state, permit: asked.answer.permit };
}

function report(state: CircuitState, permit: Permit, outcome: Outcome, now: number): CircuitStep {
  return reportOutcome(state, permit, outcome, now, settings);
}

/** Calls that fail at these moments, one after the other. */
function failAt(state: CircuitState, ...moments: number[]): CircuitState {
  return moments.reduce((s, now) => report(s, permitOf(s, now).permit, "failure", now).state, state);
}

const opened = () => failAt(CLOSED, T, T, T, T, T);
const halfOpened = () => {
  const open = opened();
  return healthChecked(open, open.generation, true, T + 30_000, settings).state;
};
const probing = () => permitOf(halfOpened(), T + 30_000);

describe("closed", () => {
  it("2.5-01 starts closed: lets calls through", ({ expect }) => {
    expect(requestPermit(CLOSED, T, settings).answer).toMatchObject({ ok: true, permit: { kind: "call" } });
  });

  it.for([
    ["5 failures at once", [0, 0, 0, 0, 0], "open"],
    ["4 failures", [0, 0, 0, 0], "closed"],
    ["5 failures within 59.999 s", [0, 1, 2, 3, 59_999], "open"],
    ["5 failures of which the first has aged out at 60 s", [0, 1, 2, 3, 60_000], "closed"],
    ["10 failures, never 5 in one minute", [0, 1, 2, 3, 60_003, 60_004, 60_005, 60_006, 120_006, 120_007], "closed"],
    ["failures that slide into a full window", [0, 50_000, 60_000, 60_001, 60_002, 60_003], "open"],
  ] as const)("2.5-02, 2.5-03, 2.5-04 %s → %s", ([, offsets, kind], { expect }) => {
    expect(failAt(CLOSED, ...offsets.map((offset) => T + offset)).kind).toBe(kind);
  });

  it.for(["success", "ignored"] as const)(
    "2.5-12, 2.5-23 writes nothing and counts nothing for %s (a 4xx is one)",
    (outcome, { expect }) => {
      const state = failAt(CLOSED, T, T, T, T);
      const step = report(state, permitOf(state, T).permit, outcome, T);
      expect(step.state).toBe(state);
      expect(failAt(step.state, T).kind).toBe("open");
    },
  );

  it("2.5-20 says that it opened once, at the failure that opened it", ({ expect }) => {
    const state = failAt(CLOSED, T, T, T, T);
    const { permit } = permitOf(state, T);
    const fifth = report(state, permit, "failure", T);
    expect(fifth.transition).toBe("opened");
    expect(report(fifth.state, permit, "failure", T)).toEqual({ state: fifth.state, transition: null });
  });
});

describe("open", () => {
  it("2.5-05, 2.5-06 refuses at once, with the time until the next health check", ({ expect }) => {
    expect(requestPermit(opened(), T + 10_000, settings).answer).toEqual({ ok: false, retryAfterMs: 20_000 });
  });

  it("doesn't let time alone through: the health check decides", ({ expect }) => {
    expect(requestPermit(opened(), T + 3_600_000, settings).answer).toEqual({ ok: false, retryAfterMs: 1 });
  });

  it.for(["success", "failure", "ignored"] as const)(
    "2.5-16, 2.5-17 isn't moved by the late %s of an old call",
    (outcome, { expect }) => {
      const { permit } = permitOf(CLOSED, T);
      const open = opened();
      expect(report(open, permit, outcome, T + 20_000)).toEqual({ state: open, transition: null });
    },
  );

  it("stays open for 30 s more after an unhealthy check", ({ expect }) => {
    const open = opened();
    const step = healthChecked(open, open.generation, false, T + 30_000, settings);
    expect(step.transition).toBeNull();
    expect(requestPermit(step.state, T + 30_000, settings).answer).toEqual({ ok: false, retryAfterMs: 30_000 });
  });

  it("ignores a health check that was begun before a reset by hand and a new outage", ({ expect }) => {
    const before = opened();
    const again = failAt(resetCircuit(before).state, T, T, T, T, T);
    expect(healthChecked(again, before.generation, true, T, settings).state).toBe(again);
  });
});

describe("half open", () => {
  it("2.5-07 follows a healthy check, and has closed nothing yet", ({ expect }) => {
    const open = opened();
    const step = healthChecked(open, open.generation, true, T + 30_000, settings);
    expect(step).toMatchObject({ state: { kind: "half_open", probe: null }, transition: "half_opened" });
  });

  it("2.5-08 lets exactly one of 50 calls of the same instant through", ({ expect }) => {
    let state = halfOpened();
    let letThrough = 0;
    for (let n = 0; n < 50; n += 1) {
      const asked = requestPermit(state, T + 30_000, settings);
      state = asked.state;
      if (asked.answer.ok) letThrough += 1;
      else expect(asked.answer.retryAfterMs).toBe(settings.probeWaitMs);
    }
    expect(letThrough).toBe(1);
  });

  it("2.5-09 closes on the probe's success, with fresh metrics", ({ expect }) => {
    const { state, permit } = probing();
    const step = report(state, permit, "success", T + 31_000);
    expect(step.transition).toBe("closed");
    expect(failAt(step.state, T + 31_000, T + 31_000, T + 31_000, T + 31_000).kind).toBe("closed");
  });

  it("2.5-10 opens again on the probe's failure, with a fresh wait, and doesn't say opened twice", ({ expect }) => {
    const { state, permit } = probing();
    const step = report(state, permit, "failure", T + 31_000);
    expect(step.transition).toBe("reopened");
    expect(requestPermit(step.state, T + 31_000, settings).answer).toEqual({ ok: false, retryAfterMs: 30_000 });
  });

  it("2.5-12, 2.5-19 gives the place of a probe that says nothing (cancelled) to the next call", ({ expect }) => {
    const { state, permit } = probing();
    const released = report(state, permit, "ignored", T + 31_000);
    expect(released.transition).toBeNull();
    expect(permitOf(released.state, T + 31_000).permit.kind).toBe("probe");
  });

  it("2.5-08 counts a probe's report once: its duplicate moves nothing", ({ expect }) => {
    const { state, permit } = probing();
    const released = report(state, permit, "ignored", T + 31_000).state;
    const next = permitOf(released, T + 31_000);
    expect(report(next.state, permit, "success", T + 31_000).state).toBe(next.state);
  });

  it.for(["success", "failure"] as const)(
    "isn't moved by the late %s of a call from before the outage",
    (outcome, { expect }) => {
      const old = permitOf(CLOSED, T).permit;
      const { state } = probing();
      expect(report(state, old, outcome, T + 31_000)).toEqual({ state, transition: null });
    },
  );

  it("2.5-11 can't hang on a probe that never reports: after its lease another takes its place", ({ expect }) => {
    const { state, permit: lost } = probing();
    expect(requestPermit(state, T + 59_999, settings).answer).toEqual({ ok: false, retryAfterMs: 1 });
    const second = permitOf(state, T + 60_000);
    expect(second.permit.kind).toBe("probe");
    expect(report(second.state, lost, "failure", T + 60_001).state).toBe(second.state);
    expect(report(second.state, second.permit, "success", T + 60_002).transition).toBe("closed");
  });

  it("believes a probe that reports after its lease, as long as no other has begun", ({ expect }) => {
    const { state, permit } = probing();
    expect(report(state, permit, "success", T + 300_000).transition).toBe("closed");
  });
});

describe("by hand", () => {
  it("2.5-14 stays open through healthy checks until it is reset", ({ expect }) => {
    const { state, transition } = forceOpen(CLOSED, T, settings);
    expect(transition).toBe("opened");
    const checked = healthChecked(state, state.generation, true, T + 30_000, settings).state;
    expect(checked).toBe(state);
    expect(requestPermit(checked, T + 600_000, settings).answer.ok).toBe(false);
    expect(resetCircuit(checked)).toMatchObject({ state: { kind: "closed", failures: [] }, transition: "closed" });
  });

  it.for([0, 1_000, 31_000, 3_600_000, -3_600_000])(
    "asks those who come %i ms later to come again at the pace of the health checks, however long it holds",
    (later, { expect }) => {
      const { state } = forceOpen(CLOSED, T, settings);
      expect(requestPermit(state, T + later, settings).answer).toEqual({ ok: false, retryAfterMs: 30_000 });
      expect(circuitStatus(state, T + later, settings).retryAfterMs).toBe(30_000);
    },
  );

  it("turns an outage into a hold without saying opened twice", ({ expect }) => {
    const held = forceOpen(opened(), T, settings);
    expect(held).toMatchObject({ state: { kind: "open", until: "reset" }, transition: null });
    expect(forceOpen(held.state, T, settings)).toEqual({ state: held.state, transition: null });
  });

  it("isn't closed by a probe that was under way", ({ expect }) => {
    const { state, permit } = probing();
    const held = forceOpen(state, T, settings).state;
    expect(report(held, permit, "success", T)).toEqual({ state: held, transition: null });
  });

  it("2.5-15 forgets the failures on a reset, and those of calls that are under way", ({ expect }) => {
    const four = failAt(CLOSED, T, T, T, T);
    const underWay = permitOf(four, T).permit;
    const reset = resetCircuit(four);
    expect(reset.transition).toBeNull();
    expect(report(reset.state, underWay, "failure", T).state).toBe(reset.state);
  });
});

describe("the clock going back an hour", () => {
  const back = T - 3_600_000;

  it("2.5-24 doesn't keep failures in the window for an hour", ({ expect }) => {
    const afterwards = failAt(CLOSED, T, T, T, T, back + 1).kind;
    expect(afterwards).toBe("open"); // they still count for a minute…
    const moved = failAt(failAt(CLOSED, T, T), back);
    expect(circuitStatus(failAt(moved, back + 60_000), back + 60_000, settings).failures).toBe(1); // …and not longer
  });

  it("2.5-24 never asks anyone to wait longer than one health check", ({ expect }) => {
    expect(requestPermit(opened(), back, settings).answer).toEqual({ ok: false, retryAfterMs: 30_000 });
  });

  it("2.5-24 doesn't stretch a probe's lease", ({ expect }) => {
    expect(requestPermit(probing().state, back, settings).answer.ok).toBe(true);
  });
});

describe("the state", () => {
  it.for([
    ["closed with failures", () => failAt(CLOSED, T, T)],
    ["open", opened],
    ["held open", () => forceOpen(CLOSED, T, settings).state],
    ["half open", halfOpened],
    ["probing", () => probing().state],
  ] as const)("2.5-01, 2.5-18 %s survives JSON and goes on as if nothing had happened", ([, make], { expect }) => {
    const state = make();
    const restored = JSON.parse(JSON.stringify(state)) as CircuitState;
    expect(restored).toEqual(state);
    expect(requestPermit(restored, T + 40_000, settings)).toEqual(requestPermit(state, T + 40_000, settings));
  });

  it("2.5-21 keeps the same wait after 10,000 failed probes", ({ expect }) => {
    let state = opened();
    for (let n = 0; n < 10_000; n += 1) {
      const half = healthChecked(state, state.generation, true, T, settings).state;
      const probe = permitOf(half, T);
      state = report(probe.state, probe.permit, "failure", T).state;
    }
    expect(requestPermit(state, T, settings).answer).toEqual({ ok: false, retryAfterMs: 30_000 });
  });

  it("is reported in figures for operations", ({ expect }) => {
    expect(circuitStatus(failAt(CLOSED, T, T), T + 1, settings)).toEqual({
      state: "closed",
      forced: false,
      failures: 2,
      retryAfterMs: 0,
    });
    expect(circuitStatus(opened(), T + 10_000, settings)).toMatchObject({ state: "open", retryAfterMs: 20_000 });
    expect(circuitStatus(forceOpen(CLOSED, T, settings).state, T, settings)).toMatchObject({ forced: true });
  });
});
