/**
 * The breaker against a model that keeps the whole history and decides by looking at all of it. The model has no
 * generations and no states that follow from states, so that it can't share the reducer's mistakes.
 */
import fc from "fast-check";
import { describe, it } from "vitest";
import {
  CLOSED,
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
  type Transition,
} from "../../../src/resilience/circuit-breaker.ts";

const settings: CircuitSettings = { failures: 5, windowMs: 60_000, healthCheckMs: 30_000, probeLeaseMs: 30_000 };

/** A call that went out. `epoch` counts how often the model has changed its mind about who may call. */
interface Call {
  readonly permit: Permit;
  readonly epoch: number;
}

interface Model {
  mode: "closed" | "open" | "held" | "half_open";
  epoch: number;
  failures: number[];
  probe: { readonly at: number } | null;
}

interface Real {
  state: CircuitState;
  now: number;
  readonly calls: Call[];
  readonly transitions: Transition[];
}

function enter(model: Model, mode: Model["mode"]): void {
  Object.assign(model, { mode, epoch: model.epoch + 1, failures: [], probe: null });
}

function take(real: Real, step: CircuitStep): void {
  real.state = step.state;
  if (step.transition) real.transitions.push(step.transition);
}

function check(model: Model, real: Real): void {
  const kind = model.mode === "held" ? "open" : model.mode;
  if (real.state.kind !== kind) throw new Error(`the model is ${model.mode}, the breaker ${real.state.kind}`);
  if (real.state.kind === "open" && (real.state.until === "reset") !== (model.mode === "held")) {
    throw new Error("held and open are mixed up");
  }
  const outage = real.transitions.filter((t) => t === "opened" || t === "closed");
  outage.forEach((t, n) => {
    if (t !== (n % 2 === 0 ? "opened" : "closed")) throw new Error(`not alternating: ${outage.join()}`);
  });
  if (outage.length % 2 !== (model.mode === "closed" ? 0 : 1)) throw new Error("an event is missing");
}

type BreakerCommand = fc.Command<Model, Real>;

function command(name: string, run: (model: Model, real: Real) => void): BreakerCommand {
  return {
    check: () => true,
    run: (model, real) => {
      run(model, real);
      check(model, real);
    },
    toString: () => name,
  };
}

const wait = (ms: number) => command(`wait(${ms})`, (_model, real) => void (real.now += ms));

const call = () =>
  command("call", (model, real) => {
    const asked = requestPermit(real.state, real.now, settings);
    real.state = asked.state;
    const leased = model.probe !== null && real.now - model.probe.at < settings.probeLeaseMs;
    const allowed = model.mode === "closed" || (model.mode === "half_open" && !leased);
    if (asked.answer.ok !== allowed) throw new Error(`${model.mode}: ${allowed ? "refused" : "let through"}`);
    if (!asked.answer.ok) {
      const wait = asked.answer.retryAfterMs;
      if (!(wait >= 1 && wait <= settings.healthCheckMs)) throw new Error(`asks to wait ${wait} ms`);
      return;
    }
    if (model.mode === "half_open") {
      model.epoch += 1; // only the newest probe's word counts
      model.probe = { at: real.now };
    }
    real.calls.push({ permit: asked.answer.permit, epoch: model.epoch });
  });

/** Reports of any call, old or new, once or again. */
const report = (which: number, outcome: Outcome) =>
  command(`report(${which}, ${outcome})`, (model, real) => {
    const made = real.calls[which % Math.max(1, real.calls.length)];
    if (!made) return;
    take(real, reportOutcome(real.state, made.permit, outcome, real.now, settings));
    if (made.epoch !== model.epoch) return;
    if (model.mode === "closed" && outcome === "failure") {
      model.failures.push(real.now);
      if (model.failures.filter((at) => real.now - at < settings.windowMs).length >= settings.failures)
        enter(model, "open");
    } else if (model.mode === "half_open" && model.probe) {
      if (outcome === "success") enter(model, "closed");
      else if (outcome === "failure") enter(model, "open");
      else enter(model, "half_open");
    }
  });

const health = (healthy: boolean) =>
  command(`health(${healthy})`, (model, real) => {
    take(real, healthChecked(real.state, real.state.generation, healthy, real.now, settings));
    if (model.mode === "open" && healthy) enter(model, "half_open");
  });

const hold = () =>
  command("hold", (model, real) => {
    take(real, forceOpen(real.state, real.now, settings));
    if (model.mode !== "held") enter(model, "held");
  });

const reset = () =>
  command("reset", (model, real) => {
    take(real, resetCircuit(real.state));
    enter(model, "closed");
  });

const restart = () =>
  command("restart", (_model, real) => void (real.state = JSON.parse(JSON.stringify(real.state)) as CircuitState));

/** A call that goes out and ends at once. */
function callAndReport(outcome: Outcome): BreakerCommand {
  return command(`callAndReport(${outcome})`, (model, real) => {
    const before = real.calls.length;
    call().run(model, real);
    if (real.calls.length > before) report(real.calls.length - 1, outcome).run(model, real);
  });
}

/** Five calls that fail at once. */
function outage(): BreakerCommand {
  return command("outage", (model, real) => {
    for (let n = 0; n < settings.failures; n += 1) callAndReport("failure").run(model, real);
  });
}

const outcomes = fc.constantFrom<Outcome>("success", "failure", "failure", "failure", "ignored");
const oneOf = (weight: number, made: fc.Arbitrary<BreakerCommand>) => Array.from({ length: weight }, () => made);
const commands = fc.commands(
  [
    ...oneOf(3, fc.oneof(fc.nat(40_000), fc.constantFrom(1, 10_000, 29_999, 30_000, 59_999, 60_000)).map(wait)),
    ...oneOf(4, fc.constant(call())),
    ...oneOf(6, outcomes.map(callAndReport)),
    ...oneOf(
      6,
      fc.tuple(fc.nat(60), outcomes).map(([which, outcome]) => report(which, outcome)),
    ),
    ...oneOf(4, fc.constant(outage())),
    ...oneOf(4, fc.boolean().map(health)),
    ...oneOf(2, fc.constant(restart())),
    fc.constant(hold()),
    fc.constant(reset()),
  ],
  { maxCommands: 100, size: "max" },
);

function start(): { model: Model; real: Real } {
  return {
    model: { mode: "closed", epoch: 0, failures: [], probe: null },
    real: { state: CLOSED, now: 1_000_000, calls: [], transitions: [] },
  };
}

describe("the breaker, under any history of calls, reports, checks, hands and restarts", () => {
  it("does what a model of the whole history does, and says opened and closed in turn", ({ expect }) => {
    const visited = new Set<string>();
    fc.assert(
      fc.property(commands, (history) => {
        const setup = start();
        fc.modelRun(() => setup, history);
        visited.add(setup.model.mode);
        for (const transition of setup.real.transitions) visited.add(transition);
      }),
      { numRuns: 500 },
    );
    // The histories reached every state and every transition: a property over one mode would prove little.
    expect([...visited].toSorted()).toEqual(
      ["closed", "half_open", "half_opened", "held", "open", "opened", "reopened"].toSorted(),
    );
  });

  it("is never wedged: whatever happened, and wherever the clock went, a healthy dependency closes it", ({
    expect,
  }) => {
    const clock = fc.integer({ min: -10_000_000, max: 10_000_000 });
    fc.assert(
      fc.property(commands, clock, (history, shift) => {
        const setup = start();
        fc.modelRun(() => setup, history);
        let { state } = setup.real;
        let now = setup.real.now + shift;
        if (state.kind === "open" && state.until === "reset") state = resetCircuit(state).state;
        state = healthChecked(state, state.generation, true, now, settings).state;
        // At worst a lost probe's lease must end, and a clock that went back began it anew.
        now += 2 * settings.probeLeaseMs;
        const asked = requestPermit(state, now, settings);
        if (!asked.answer.ok) throw new Error("refused for longer than two leases");
        const after = reportOutcome(asked.state, asked.answer.permit, "success", now, settings).state;
        expect(after.kind).toBe("closed");
      }),
      { numRuns: 300 },
    );
  });
});
