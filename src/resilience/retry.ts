/**
 * Decides what follows a failed attempt. It never waits: the caller puts the delay on an alarm or a queue message,
 * since the 15 s of the whole ladder don't fit into a request.
 */
import { nextDelayMs, notBefore } from "./backoff.ts";

/** What the decision needs of a fault; an `AppError` has this shape. */
export interface Fault {
  readonly retryable: boolean;
  /** Seconds, when the dependency said so. */
  readonly retryAfterSeconds?: number | undefined;
}

export type RetryDecision =
  | { readonly do: "retry"; readonly delayMs: number }
  | { readonly do: "give_up"; readonly reason: "not_retryable" | "attempts_exhausted" };

/** `attempt`: the number of the attempt that failed, from 1. `give_up` comes once: at a 4xx, or after the 5th. */
export function decideRetry(failed: {
  readonly attempt: number;
  readonly error: Fault;
  readonly random: () => number;
}): RetryDecision {
  if (!failed.error.retryable) return { do: "give_up", reason: "not_retryable" };
  const delayMs = nextDelayMs(failed.attempt, failed.random);
  if (delayMs === null) return { do: "give_up", reason: "attempts_exhausted" };
  return { do: "retry", delayMs: notBefore(delayMs, failed.error.retryAfterSeconds, failed.random) };
}

/**
 * The fault in whatever was thrown. What doesn't say of itself whether it is retryable counts as such: the platform's
 * network errors are bare `TypeError`s, and a mistake of ours costs four more attempts at most.
 */
export function faultOf(error: unknown): Fault {
  if (typeof error !== "object" || error === null) return { retryable: true };
  if (!("retryable" in error) || typeof error.retryable !== "boolean") return { retryable: true };
  const after = "retryAfterSeconds" in error ? error.retryAfterSeconds : undefined;
  return typeof after === "number"
    ? { retryable: error.retryable, retryAfterSeconds: after }
    : { retryable: error.retryable };
}

/** Whether the same call may succeed later: 5xx, 408 (time-out) and 429 (too many). Any other 4xx never. */
export function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status <= 599);
}
