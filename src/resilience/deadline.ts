/**
 * Absolute deadlines: down the ladder each one is earlier than the one above, and nothing starts with too little left.
 */
declare const brand: unique symbol;

/** The moment, in ms since the epoch, at which the answer is no longer wanted. */
export type Deadline = number & { readonly [brand]: "Deadline" };

/** What a wait needs of a clock: ms since the epoch, and a promise that resolves after `ms`. */
export interface DeadlineClock {
  now(): number;
  after(ms: number): Promise<void>;
}

export function startDeadline(now: number, budgetMs: number): Deadline {
  return (now + budgetMs) as Deadline;
}

/**
 * The deadline of the next hop: `min(own, remaining − margin)` from now. The margin, at least 1 ms, is what the caller
 * keeps to answer with; when less is left, the result lies in the past and nothing starts under it.
 */
export function tighten(deadline: Deadline, now: number, ownMs: number, marginMs: number): Deadline {
  return Math.min(now + ownMs, deadline - Math.max(1, marginMs)) as Deadline;
}

/** Milliseconds left, never below 0. */
export function remainingMs(deadline: Deadline, now: number): number {
  return Math.max(0, deadline - now);
}

const TIMED_OUT = Symbol("timed out");

/**
 * The result of `work`, or the error of `onTimeout` once the deadline has passed. With less than `leastMs` left the
 * work isn't started. Work that was started isn't stopped: its late result, or late failure, is dropped.
 */
export async function withinDeadline<T>(
  work: () => Promise<T>,
  deadline: Deadline,
  clock: DeadlineClock,
  onTimeout: () => Error,
  leastMs = 1,
): Promise<T> {
  const left = remainingMs(deadline, clock.now());
  if (left < leastMs) throw onTimeout();
  // The race subscribes to both, so that the loser's rejection is never an unhandled one.
  const first = await Promise.race([work(), clock.after(left).then(() => TIMED_OUT)]);
  if (first === TIMED_OUT) throw onTimeout();
  return first as T;
}
