/**
 * The circuit breaker as a pure state machine: each function is one step, from a state to the next one. A state holds
 * plain JSON, so it survives eviction; a step that changes nothing returns the very same object, so that the shell
 * writes only what changed.
 */

/** Every change to what a permit means raises the generation: a report that carries an older one is stale. */
export type CircuitState =
  | {
      readonly kind: "closed";
      readonly generation: number;
      /** When each failed attempt of the window was reported, in ms since the epoch. */
      readonly failures: readonly number[];
    }
  | {
      readonly kind: "open";
      readonly generation: number;
      /** `healthy`: until a health check passes. `reset`: opened by hand, and only a hand closes it. */
      readonly until: "healthy" | "reset";
      readonly nextCheckAt: number;
    }
  | {
      readonly kind: "half_open";
      readonly generation: number;
      /** The one call that may try. A probe that doesn't report loses its place when the lease ends. */
      readonly probe: { readonly leaseUntil: number } | null;
    };

export interface CircuitSettings {
  /** Failed attempts within `windowMs` that open the circuit. */
  readonly failures: number;
  readonly windowMs: number;
  /** From one health check to the next while open. */
  readonly healthCheckMs: number;
  /** Longer than any call takes: a second probe starts only when the first must be lost. */
  readonly probeLeaseMs: number;
  /** What those are told to wait at most who come while a probe is under way: it takes far less than its lease. */
  readonly probeWaitMs: number;
}

/** Plain JSON: it travels to the caller and back. */
export interface Permit {
  readonly generation: number;
  readonly kind: "call" | "probe";
}

export type PermitAnswer =
  | { readonly ok: true; readonly permit: Permit }
  | { readonly ok: false; readonly retryAfterMs: number };

/** `ignored`: it says nothing about the dependency (cancelled, a mistake of ours) and gives the permit back. */
export type Outcome = "success" | "failure" | "ignored";

/** `opened` and `closed` alternate: a probe that fails reopens what never closed. */
export type Transition = "opened" | "half_opened" | "reopened" | "closed";

export interface CircuitStep {
  readonly state: CircuitState;
  readonly transition: Transition | null;
}

export const CLOSED: CircuitState = { kind: "closed", generation: 1, failures: [] };

/** May a call go out? Open: no. Half open: one at a time, as the probe. */
export function requestPermit(
  state: CircuitState,
  now: number,
  settings: CircuitSettings,
): { readonly state: CircuitState; readonly answer: PermitAnswer } {
  if (state.kind === "closed") {
    return { state, answer: { ok: true, permit: { generation: state.generation, kind: "call" } } };
  }
  if (state.kind === "open") {
    // One that is held has no next check to wait for: it is asked again at the pace of the checks.
    const retryAfterMs = needsHealthCheck(state)
      ? waitMs(state.nextCheckAt, now, settings.healthCheckMs)
      : settings.healthCheckMs;
    return { state, answer: { ok: false, retryAfterMs } };
  }
  const leaseMs = state.probe ? state.probe.leaseUntil - now : 0;
  // A lease that seems longer than leases are was given before the clock went back: it is over, or it might never be.
  if (leaseMs > 0 && leaseMs <= settings.probeLeaseMs) {
    return { state, answer: { ok: false, retryAfterMs: Math.min(leaseMs, settings.probeWaitMs) } };
  }
  const generation = state.generation + 1;
  return {
    state: { kind: "half_open", generation, probe: { leaseUntil: now + settings.probeLeaseMs } },
    answer: { ok: true, permit: { generation, kind: "probe" } },
  };
}

/** How a permitted call ended. Reports of an older generation change nothing, whatever they say. */
export function reportOutcome(
  state: CircuitState,
  permit: Permit,
  outcome: Outcome,
  now: number,
  settings: CircuitSettings,
): CircuitStep {
  if (permit.generation !== state.generation) return unchanged(state);
  if (state.kind === "closed") {
    if (outcome !== "failure") return unchanged(state);
    const failures = [...recentFailures(state.failures, now, settings.windowMs), now];
    if (failures.length < settings.failures) return { state: { ...state, failures }, transition: null };
    return { state: openUntilHealthy(state, now, settings), transition: "opened" };
  }
  if (state.kind === "open" || state.probe === null) return unchanged(state);
  if (outcome === "success") return { state: closedAfter(state), transition: "closed" };
  if (outcome === "failure") return { state: openUntilHealthy(state, now, settings), transition: "reopened" };
  return { state: { kind: "half_open", generation: state.generation + 1, probe: null }, transition: null };
}

/** What the health check said that was begun in `generation`. Healthy lets one probe through; it closes nothing yet. */
export function healthChecked(
  state: CircuitState,
  generation: number,
  healthy: boolean,
  now: number,
  settings: CircuitSettings,
): CircuitStep {
  if (!needsHealthCheck(state) || state.generation !== generation) return unchanged(state);
  if (!healthy) return { state: { ...state, nextCheckAt: now + settings.healthCheckMs }, transition: null };
  return { state: { kind: "half_open", generation: generation + 1, probe: null }, transition: "half_opened" };
}

/** Opens by hand: no health check closes it, only `resetCircuit`. */
export function forceOpen(state: CircuitState, now: number, settings: CircuitSettings): CircuitStep {
  if (state.kind === "open" && state.until === "reset") return unchanged(state);
  const { generation } = state;
  return {
    state: { kind: "open", generation: generation + 1, until: "reset", nextCheckAt: now + settings.healthCheckMs },
    transition: state.kind === "closed" ? "opened" : null,
  };
}

/** Closes by hand and forgets the failures; calls that are under way no longer count. */
export function resetCircuit(state: CircuitState): CircuitStep {
  return { state: closedAfter(state), transition: state.kind === "closed" ? null : "closed" };
}

export function needsHealthCheck(state: CircuitState): state is Extract<CircuitState, { kind: "open" }> {
  return state.kind === "open" && state.until === "healthy";
}

export interface CircuitStatus {
  readonly state: CircuitState["kind"];
  /** Opened by hand. */
  readonly forced: boolean;
  /** Failed attempts that count at this moment. */
  readonly failures: number;
  /** Milliseconds until a call may be let through; 0: now. */
  readonly retryAfterMs: number;
}

export function circuitStatus(state: CircuitState, now: number, settings: CircuitSettings): CircuitStatus {
  const { answer } = requestPermit(state, now, settings);
  return {
    state: state.kind,
    forced: state.kind === "open" && state.until === "reset",
    failures: state.kind === "closed" ? recentFailures(state.failures, now, settings.windowMs).length : 0,
    retryAfterMs: answer.ok ? 0 : answer.retryAfterMs,
  };
}

function unchanged(state: CircuitState): CircuitStep {
  return { state, transition: null };
}

function closedAfter(state: CircuitState): CircuitState {
  return { kind: "closed", generation: state.generation + 1, failures: [] };
}

function openUntilHealthy(state: CircuitState, now: number, settings: CircuitSettings): CircuitState {
  return {
    kind: "open",
    generation: state.generation + 1,
    until: "healthy",
    nextCheckAt: now + settings.healthCheckMs,
  };
}

/** The failures that haven't aged out. One from "the future" (the clock went back) counts as of now, so it ages too. */
function recentFailures(failures: readonly number[], now: number, windowMs: number): number[] {
  return failures.map((at) => Math.min(at, now)).filter((at) => now - at < windowMs);
}

/** Between 1 ms and one interval: an overdue check is about to run, and a clock that went back delays nobody more. */
function waitMs(until: number, now: number, intervalMs: number): number {
  return Math.min(intervalMs, Math.max(1, until - now));
}
