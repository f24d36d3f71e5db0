/** The breaker's reducer against the model (test/support/breaker-model.ts). The object plays the same one in test/faults. */
import fc from "fast-check";
import { describe, it } from "vitest";
import { EVERYTHING, histories, MODEL_SETTINGS, startModel, type Subject } from "../../support/breaker-model.ts";
import {
  CLOSED,
  circuitStatus,
  forceOpen,
  healthChecked,
  reportOutcome,
  requestPermit,
  resetCircuit,
  type CircuitState,
  type CircuitStep,
  type Transition,
} from "../../../src/resilience/circuit-breaker.ts";

const settings = MODEL_SETTINGS;

/** The reducer as a breaker: what the object's shell does with it, and nothing of the shell. */
function reducer() {
  const kept: { state: CircuitState; now: number; readonly transitions: Transition[] } = {
    state: CLOSED,
    now: 1_000_000_000,
    transitions: [],
  };
  const take = async (step: CircuitStep) => {
    kept.state = step.state;
    if (step.transition) kept.transitions.push(step.transition);
  };
  const subject: Subject = {
    now: () => kept.now,
    moveClock: (ms) => void (kept.now += ms),
    permit: async () => {
      const asked = requestPermit(kept.state, kept.now, settings);
      kept.state = asked.state;
      return asked.answer;
    },
    report: (permit, outcome) => take(reportOutcome(kept.state, permit, outcome, kept.now, settings)),
    checkHealth: (healthy) => take(healthChecked(kept.state, kept.state.generation, healthy, kept.now, settings)),
    hold: () => take(forceOpen(kept.state, kept.now, settings)),
    reset: () => take(resetCircuit(kept.state)),
    restart: async () => void (kept.state = JSON.parse(JSON.stringify(kept.state)) as CircuitState),
    status: async () => circuitStatus(kept.state, kept.now, settings),
  };
  return { kept, subject };
}

const NAMES = { opened: "CircuitOpened", closed: "CircuitClosed" } as const;

describe("the breaker, under any history of calls, reports, checks, hands, restarts and clocks", () => {
  it("2.5-20 does what a model of the whole history does, and says opened and closed in turn, once each", async ({
    expect,
  }) => {
    const visited = new Set<string>();
    await fc.assert(
      fc.asyncProperty(histories(100), async (history) => {
        const model = startModel();
        const { kept, subject } = reducer();
        await fc.asyncModelRun(() => ({ model, real: subject }), history);
        const said = kept.transitions.flatMap((one) => (one === "opened" || one === "closed" ? [NAMES[one]] : []));
        expect(said).toEqual(model.outages);
        for (const one of model.visited) visited.add(one);
      }),
      { numRuns: 500 },
    );
    expect(EVERYTHING.filter((one) => !visited.has(one))).toEqual([]);
  });

  it("2.5-24 is never wedged: whatever happened, and wherever the clock went, a healthy dependency closes it", async ({
    expect,
  }) => {
    const clock = fc.integer({ min: -10_000_000, max: 10_000_000 });
    await fc.assert(
      fc.asyncProperty(histories(100), clock, async (history, shift) => {
        const { kept, subject } = reducer();
        await fc.asyncModelRun(() => ({ model: startModel(), real: subject }), history);
        subject.moveClock(shift);
        if ((await subject.status()).forced) await subject.reset();
        await subject.checkHealth(true);
        // At worst a lost probe's lease must end, and a clock that went back began it anew.
        subject.moveClock(2 * settings.probeLeaseMs);
        const answer = await subject.permit();
        if (!answer.ok) throw new Error("refused for longer than two leases");
        await subject.report(answer.permit, "success");
        expect(kept.state.kind).toBe("closed");
      }),
      { numRuns: 300 },
    );
  });
});
