/**
 * What a rule of the invariant check is: SQL whose every row breaks it, over one range of keys. The ranges of a table tile
 * all keys, also those of no row, so that what refers to nothing is found too.
 */

/** Names its columns `subject`, `detail`, `expected` and `found`. Parameters are columns of `q`. */
export interface Rule {
  readonly rule: string;
  readonly sql: string;
}

/** One row of `q`: the range, and the times before or after which a rule looks. */
export interface RuleInput {
  /** Exclusive. */
  readonly after: string | number;
  /** Inclusive. */
  readonly up_to: string | number;
  /** What moves by itself has long moved if it began before this. */
  readonly stuck: string;
  /** What may wait for others for hours has long ended if it began before this. */
  readonly day_ago: string;
  /** Since when rules look at rows that are judged by what may change later, or that no key finds. */
  readonly recent: string;
  /** Before `recent`: a movement's time may lie before its command's. */
  readonly movements_since: string;
  /** Later than any lease that may be held now. */
  readonly lease_end: string;
  /** The subscriber that moves requests on. */
  readonly mover_bit: number;
}

export const after = "(SELECT after FROM q)";
export const upTo = "(SELECT up_to FROM q)";
export const stuck = "(SELECT stuck FROM q)";
export const dayAgo = "(SELECT day_ago FROM q)";
export const recent = "(SELECT recent FROM q)";
export const movementsSince = "(SELECT movements_since FROM q)";
const moverBit = "(SELECT mover_bit FROM q)";
export const leaseEnd = "(SELECT lease_end FROM q)";

/** True of a key of this call's range. `prefix`: what stands before the key in this column. */
export function inRange(column: string, prefix = ""): string {
  return prefix === ""
    ? `${column} > ${after} AND ${column} <= ${upTo}`
    : `${column} > '${prefix}' || ${after} AND ${column} <= '${prefix}' || ${upTo}`;
}

/**
 * Events and timers that will still come, by themselves or by a person who decides on a dead letter: `open_events(type,
 * subject, step_id, delivery_id, left)`, `left` the subscribers' bits.
 */
export const OPEN_EVENTS = `open_events AS MATERIALIZED (
  SELECT type, subject, event ->> '$.data.step_id' AS step_id, event ->> '$.data.delivery_id' AS delivery_id,
    want & ~done AS left
  FROM outbox WHERE (done | dead) <> want AND parked_at IS NULL
  UNION ALL
  SELECT o.type, o.subject, o.event ->> '$.data.step_id', o.event ->> '$.data.delivery_id', l.bit FROM dead_letters l
  JOIN outbox o ON o.seq = l.event_seq AND o.event_id = l.event_id WHERE l.state = 'open')`;

/** Subjects of events that will still move a request on. */
export const MOVERS = `(SELECT subject FROM open_events WHERE left & ${moverBit} <> 0)`;

/** Subjects of open timers of a type. */
export function timersOf(type: string): string {
  return `(SELECT subject FROM open_events WHERE type = '${type}')`;
}

export const RUNNING = "('Pending', 'Cancelling')";
export const ENDED = "('Completed', 'Cancelled', 'NeedsAttention')";
export const ANSWERED = "('completed', 'rejected', 'cancelled', 'expired', 'failed')";
