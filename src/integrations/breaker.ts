/**
 * The callers' side of a circuit breaker: one dependency, one object that all isolates share. The breaker never makes
 * things worse: when it can't be reached, the call goes out as if it weren't there.
 */
import { proxyDurable } from "itty-durable/proxy-durable";
import { BREAKER_HINT_MS, BREAKER_TIMEOUT_MS } from "../config.ts";
import { AppError, messageOf } from "../domain/errors.ts";
import type { Clock } from "../domain/ports.ts";
import type { CircuitStatus, Outcome, Permit, PermitAnswer } from "../resilience/circuit-breaker.ts";
import type { CircuitNow, Hand } from "../resilience/circuit-record.ts";
import { startDeadline, withinDeadline } from "../resilience/deadline.ts";

/** What this isolate was last told about closed circuits: dependency → a permit, and until when it may be used. */
export type BreakerHints = Map<string, { readonly permit: Permit; readonly until: number }>;

export interface BreakerDeps {
  readonly clock: Clock;
  readonly log: (level: "warn", event: string, facts: Readonly<Record<string, unknown>>) => void;
  /** By default those of the isolate; a test gives each of its "isolates" its own. */
  readonly hints?: BreakerHints;
}

export interface Breaker {
  readonly dependency: string;
  readonly deps: BreakerDeps & { readonly hints: BreakerHints };
  /** Each rejects with a retryable AppError when the object can't be reached in time. */
  permit(): Promise<PermitAnswer>;
  report(permit: Permit, outcome: Outcome): Promise<void>;
  status(): Promise<CircuitStatus>;
  /** `shown`: the revision that the list shows; a list that shows another one than it has is put right. */
  inspect(shown: number): Promise<CircuitNow>;
  /** Opens until `closeByHand`, for operations. */
  openByHand(hand: Hand): Promise<CircuitNow>;
  closeByHand(hand: Hand): Promise<CircuitNow>;
}

const isolateHints: BreakerHints = new Map();

/** `dependency`: `archive`, `supplier:{id}`, …; one breaker each. */
export function breakerFor(namespace: DurableObjectNamespace, dependency: string, deps: BreakerDeps): Breaker {
  // The name travels in a header, which holds ASCII only; the object decodes it.
  const proxied = proxyDurable(namespace, { name: "BREAKER", parse: true }).get(encodeURI(dependency));
  const hop = <T>(call: () => Promise<T>): Promise<T> =>
    withinDeadline(
      call,
      startDeadline(deps.clock.now(), BREAKER_TIMEOUT_MS),
      deps.clock,
      () => new AppError("DEPENDENCY_FAILED", `the breaker of ${dependency} didn't answer`, { retryable: true }),
    );
  return {
    dependency,
    deps: { ...deps, hints: deps.hints ?? isolateHints },
    permit: () => hop(() => proxied.permit() as Promise<PermitAnswer>),
    report: async (permit, outcome) => {
      await hop(() => proxied.report(permit, outcome) as Promise<unknown>);
    },
    status: () => hop(() => proxied.status() as Promise<CircuitStatus>),
    inspect: (shown) => hop(() => proxied.inspect(shown) as Promise<CircuitNow>),
    openByHand: (hand) => hop(() => proxied.openByHand(asciiJson(hand)) as Promise<CircuitNow>),
    closeByHand: (hand) => hop(() => proxied.closeByHand(asciiJson(hand)) as Promise<CircuitNow>),
  };
}

/** Arguments travel in a header: a reason in any script becomes escapes of JSON. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * The result of `call`, or CIRCUIT_OPEN (retryable, with the seconds to wait) without calling. `call` throws on a
 * fault; an answer that refuses, such as a 4xx, is a success for the breaker: the dependency is alive.
 */
export async function throughBreaker<T>(breaker: Breaker, call: () => Promise<T>): Promise<T> {
  const permit = await admit(breaker);
  try {
    const result = await call();
    // A closed circuit learns nothing from a success, so only the probe's is worth a hop.
    if (permit?.kind === "probe") await tell(breaker, permit, "success");
    return result;
  } catch (error) {
    const outcome = outcomeOf(error);
    if (permit && (permit.kind === "probe" || outcome === "failure")) await tell(breaker, permit, outcome);
    throw error;
  }
}

/** What a thrown error says of the dependency. Anything unknown is held against it, as network errors have no class. */
export function outcomeOf(error: unknown): Outcome {
  if (error instanceof AppError) {
    // Another breaker refused, or a mistake of ours: either way the dependency said nothing.
    if (error.code === "CIRCUIT_OPEN" || error.code === "INTERNAL") return "ignored";
    return error.retryable ? "failure" : "success";
  }
  return error instanceof Error && error.name === "AbortError" ? "ignored" : "failure";
}

/** A permit; null when the breaker can't be reached. Throws CIRCUIT_OPEN. */
async function admit(breaker: Breaker): Promise<Permit | null> {
  const { clock, log, hints } = breaker.deps;
  const hint = hints.get(breaker.dependency);
  const hintMs = hint ? hint.until - clock.now() : 0;
  // More than a hint's life is left only when the clock went back: such a hint could last for hours.
  if (hint && hintMs > 0 && hintMs <= BREAKER_HINT_MS) return hint.permit;
  hints.delete(breaker.dependency);
  let answer: PermitAnswer;
  try {
    answer = await breaker.permit();
  } catch (error) {
    log("warn", "breaker.unreachable", { dependency: breaker.dependency, error: messageOf(error) });
    return null;
  }
  if (!answer.ok) {
    throw new AppError("CIRCUIT_OPEN", `${breaker.dependency} is unavailable; calls to it are on hold`, {
      retryable: true,
      retryAfterSeconds: Math.max(1, Math.ceil(answer.retryAfterMs / 1000)),
    });
  }
  if (answer.permit.kind === "call") {
    hints.set(breaker.dependency, { permit: answer.permit, until: clock.now() + BREAKER_HINT_MS });
  }
  return answer.permit;
}

/** Reports, and ends the hint, so that the next call asks. A report that is lost must not hide the result. */
async function tell(breaker: Breaker, permit: Permit, outcome: Outcome): Promise<void> {
  breaker.deps.hints.delete(breaker.dependency);
  try {
    await breaker.report(permit, outcome);
  } catch (error) {
    breaker.deps.log("warn", "breaker.report_lost", {
      dependency: breaker.dependency,
      outcome,
      error: messageOf(error),
    });
  }
}
