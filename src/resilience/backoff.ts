/**
 * How long to wait before the next attempt. A delay is never shorter than its step of the ladder, nor than what the
 * dependency asked for, and never longer than what a queue can hold back.
 */

/** Waits after the 1st, 2nd, 3rd and 4th failed attempt; the 5th is the last one. */
export const LADDER_MS: readonly number[] = [1_000, 2_000, 4_000, 8_000];
/** Each delay is drawn from [d, d × (1 + JITTER)], so that callers that failed together don't come back together. */
export const JITTER = 0.5;
/** Queues hold a message back for 12 h at most. */
export const MAX_DELAY_MS = 12 * 60 * 60 * 1000;

/**
 * Milliseconds until the next attempt, or null when this was the last one.
 * `attempt` is the number of the attempt that failed, from 1; `random` gives [0, 1). RangeError: no such attempt.
 */
export function nextDelayMs(
  attempt: number,
  random: () => number,
  ladder: readonly number[] = LADDER_MS,
  jitter: number = JITTER,
): number | null {
  if (!Number.isInteger(attempt) || attempt < 1) throw new RangeError(`attempts count from 1, not ${attempt}`);
  const step = ladder[attempt - 1];
  if (step === undefined) return null;
  return Math.min(MAX_DELAY_MS, step * (1 + jitter * unitInterval(random())));
}

/**
 * Milliseconds until what is never given up is tried again: by the ladder, from its end on doubling up to `longestMs`, each
 * with its jitter. `attempt` as above.
 */
export function repeatDelayMs(
  attempt: number,
  random: () => number,
  longestMs: number,
  ladder: readonly number[] = LADDER_MS,
): number {
  const onLadder = nextDelayMs(attempt, random, ladder);
  if (onLadder !== null) return onLadder;
  const last = ladder.at(-1) ?? longestMs;
  const doubled = Math.min(longestMs, last * 2 ** (attempt - ladder.length));
  return Math.min(MAX_DELAY_MS, doubled * (1 + JITTER * unitInterval(random())));
}

/**
 * The delay with the dependency's `Retry-After` (seconds) as its lower bound. The jitter is kept on top: a dependency
 * tells all its callers the same second.
 */
export function notBefore(delayMs: number, retryAfterSeconds: number | undefined, random: () => number): number {
  if (retryAfterSeconds === undefined || !(retryAfterSeconds > 0)) return delayMs;
  const asked = retryAfterSeconds * 1000;
  if (asked <= delayMs) return delayMs;
  return Math.min(MAX_DELAY_MS, asked + delayMs * JITTER * unitInterval(random()));
}

/** A wait that is drawn from [0, widthMs], to go on top of one that many callers were told alike. */
export function spreadMs(widthMs: number, random: () => number): number {
  return widthMs * unitInterval(random());
}

/** Whole seconds for a queue's `delaySeconds`: rounded up, so never shorter than the delay. */
export function toQueueSeconds(delayMs: number): number {
  return Math.ceil(Math.min(MAX_DELAY_MS, Math.max(0, delayMs)) / 1000);
}

/** A broken source of randomness must not shorten the ladder. */
function unitInterval(value: number): number {
  return value > 0 ? Math.min(1, value) : 0;
}
