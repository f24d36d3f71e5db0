/**
 * A model of the circuit breaker that keeps the whole history and decides by looking at all of it, and the commands that play
 * it against a breaker. The model has no generations and no states that follow from states, so that it can't share the
 * reducer's mistakes.
 */
import fc from "fast-check";
import type {
  CircuitSettings,
  CircuitStatus,
  Outcome,
  Permit,
  PermitAnswer,
} from "../../src/resilience/circuit-breaker.ts";

export const MODEL_SETTINGS: CircuitSettings = {
  failures: 5,
  windowMs: 60_000,
  healthCheckMs: 30_000,
  probeLeaseMs: 30_000,
  probeWaitMs: 2_000,
};

/** A breaker on a clock of the test's: the reducer, or the object. */
export interface Subject {
  now(): number;
  /** Back, too. */
  moveClock(ms: number): void;
  permit(): Promise<PermitAnswer>;
  report(permit: Permit, outcome: Outcome): Promise<void>;
  /** Its next health check is due, and answers so; nothing happens where none is wanted. */
  checkHealth(healthy: boolean): Promise<void>;
  hold(): Promise<void>;
  reset(): Promise<void>;
  /** Forgets whatever isn't kept. */
  restart(how: "evicted" | "aborted"): Promise<void>;
  status(): Promise<Pick<CircuitStatus, "state" | "forced" | "failures">>;
}

/** A call that went out. `epoch` counts how often the model has changed its mind about who may call. */
interface Call {
  readonly permit: Permit;
  readonly epoch: number;
}

type Mode = "closed" | "open" | "held" | "half_open";

export interface Model {
  mode: Mode;
  epoch: number;
  failures: number[];
  probe: { readonly at: number } | null;
  readonly calls: Call[];
  /** Every outage's beginning and end, in order. */
  readonly outages: ("CircuitOpened" | "CircuitClosed")[];
  readonly visited: Set<string>;
}

export function startModel(): Model {
  return { mode: "closed", epoch: 0, failures: [], probe: null, calls: [], outages: [], visited: new Set(["closed"]) };
}

type BreakerCommand = fc.AsyncCommand<Model, Subject>;

function enter(model: Model, mode: Mode): void {
  if (model.mode === "closed" && mode !== "closed") model.outages.push("CircuitOpened");
  if (model.mode !== "closed" && mode === "closed") model.outages.push("CircuitClosed");
  model.visited.add(mode).add(`${model.mode} → ${mode}`);
  Object.assign(model, { mode, epoch: model.epoch + 1, failures: [], probe: null });
}

/** What went wrong before the clock went back counts as of now: it can't be in the future. */
const recent = (failures: readonly number[], now: number) =>
  failures.map((at) => Math.min(at, now)).filter((at) => now - at < MODEL_SETTINGS.windowMs);

async function check(model: Model, subject: Subject): Promise<void> {
  const { state, forced, failures } = await subject.status();
  const mode = state === "open" && forced ? "held" : state;
  if (mode !== model.mode) throw new Error(`the model is ${model.mode}, the breaker ${mode}`);
  const counted = recent(model.failures, subject.now()).length;
  if (failures !== counted) throw new Error(`the model counts ${counted} failures, the breaker ${failures}`);
}

function command(name: string, run: (model: Model, subject: Subject) => Promise<void> | void): BreakerCommand {
  return {
    check: () => true,
    run: async (model, subject) => {
      await run(model, subject);
      await check(model, subject);
    },
    toString: () => name,
  };
}

async function call(model: Model, subject: Subject): Promise<Call | null> {
  const answer = await subject.permit();
  const now = subject.now();
  const { probe } = model;
  const leased = probe !== null && now >= probe.at && now - probe.at < MODEL_SETTINGS.probeLeaseMs;
  const allowed = model.mode === "closed" || (model.mode === "half_open" && !leased);
  if (answer.ok !== allowed) throw new Error(`${model.mode}: ${allowed ? "refused" : "let through"}`);
  if (!answer.ok) {
    const longest = model.mode === "half_open" ? MODEL_SETTINGS.probeWaitMs : MODEL_SETTINGS.healthCheckMs;
    const shortest = model.mode === "held" ? longest : 1;
    if (!(answer.retryAfterMs >= shortest && answer.retryAfterMs <= longest)) {
      throw new Error(`${model.mode}: asks to wait ${answer.retryAfterMs} ms`);
    }
    return null;
  }
  if (model.mode === "half_open") {
    model.epoch += 1; // only the newest probe's word counts
    model.probe = { at: now };
  }
  const made = { permit: answer.permit, epoch: model.epoch };
  model.calls.push(made);
  return made;
}

async function report(model: Model, subject: Subject, made: Call, outcome: Outcome): Promise<void> {
  await subject.report(made.permit, outcome);
  if (made.epoch !== model.epoch) return;
  const now = subject.now();
  if (model.mode === "closed" && outcome === "failure") {
    model.failures = [...recent(model.failures, now), now];
    if (model.failures.length >= MODEL_SETTINGS.failures) enter(model, "open");
  } else if (model.mode === "half_open" && model.probe) {
    enter(model, outcome === "success" ? "closed" : outcome === "failure" ? "open" : "half_open");
  }
}

const wait = (ms: number) => command(`wait(${ms})`, (_, subject) => subject.moveClock(ms));

const callAlone = command("call", async (model, subject) => void (await call(model, subject)));

const callAndReport = (outcome: Outcome) =>
  command(`callAndReport(${outcome})`, async (model, subject) => {
    const made = await call(model, subject);
    if (made) await report(model, subject, made, outcome);
  });

/** Reports of any call, old or new, once or again. */
const reportAny = (which: number, outcome: Outcome) =>
  command(`report(${which}, ${outcome})`, async (model, subject) => {
    const made = model.calls[which % Math.max(1, model.calls.length)];
    if (made) await report(model, subject, made, outcome);
  });

/** Five calls that fail at once. */
const outage = command("outage", async (model, subject) => {
  for (let n = 0; n < MODEL_SETTINGS.failures; n += 1) {
    const made = await call(model, subject);
    if (made) await report(model, subject, made, "failure");
  }
});

/** Isolates that ask at the same instant: of a half-open circuit one is let through. */
const rush = command("rush", async (model, subject) => {
  if (model.mode !== "half_open") return;
  const leased = model.probe !== null;
  const answers = await Promise.all(Array.from({ length: 4 }, () => subject.permit()));
  const probes = answers.flatMap((answer) => (answer.ok ? [answer.permit] : []));
  const now = subject.now();
  const free = !leased || now < (model.probe?.at ?? 0) || now - (model.probe?.at ?? 0) >= MODEL_SETTINGS.probeLeaseMs;
  if (probes.length !== (free ? 1 : 0)) throw new Error(`${probes.length} probes at once`);
  for (const permit of probes) {
    model.epoch += 1;
    model.probe = { at: now };
    model.calls.push({ permit, epoch: model.epoch });
  }
});

const health = (healthy: boolean) =>
  command(`health(${healthy})`, async (model, subject) => {
    await subject.checkHealth(healthy);
    if (model.mode === "open" && healthy) enter(model, "half_open");
  });

const hold = command("hold", async (model, subject) => {
  await subject.hold();
  if (model.mode !== "held") enter(model, "held");
});

const reset = command("reset", async (model, subject) => {
  await subject.reset();
  enter(model, "closed");
});

const restart = (how: "evicted" | "aborted") => command(how, (_, subject) => subject.restart(how));

const outcomes = fc.constantFrom<Outcome>("success", "failure", "failure", "failure", "ignored");
const oneOf = (weight: number, made: fc.Arbitrary<BreakerCommand>) => Array.from({ length: weight }, () => made);

/** Histories of at most so many commands. */
export function histories(maxCommands: number) {
  const waits = fc.oneof(fc.nat(40_000), fc.constantFrom(1, 10_000, 29_999, 30_000, 59_999, 60_000));
  const back = fc.constantFrom(-1, -30_000, -61_000, -3_600_000);
  return fc.commands(
    [
      ...oneOf(3, waits.map(wait)),
      back.map(wait),
      ...oneOf(4, fc.constant(callAlone)),
      ...oneOf(6, outcomes.map(callAndReport)),
      ...oneOf(
        6,
        fc.tuple(fc.nat(60), outcomes).map(([which, outcome]) => reportAny(which, outcome)),
      ),
      ...oneOf(4, fc.constant(outage)),
      ...oneOf(2, fc.constant(rush)),
      ...oneOf(4, fc.boolean().map(health)),
      ...oneOf(2, fc.constantFrom("evicted" as const, "aborted" as const).map(restart)),
      fc.constant(hold),
      fc.constant(reset),
    ],
    { maxCommands, size: "max" },
  );
}

/** What the histories together must have reached: a property over one mode would prove little. */
export const MODES: readonly string[] = ["closed", "open", "held", "half_open"];
export const EVERYTHING: readonly string[] = [
  ...MODES,
  "closed → open",
  "open → half_open",
  "half_open → closed",
  "half_open → open",
  "half_open → half_open",
  "open → held",
  "held → closed",
];
