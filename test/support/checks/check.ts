/** What a check of the invariants is. */

/** A query whose every row is a violation, told in `what`. `?1`: now; `?2`: the end of the longest lease that may be held now. */
export interface Check {
  readonly rule: string;
  readonly sql: string;
  /** Holds only once everything has come to its end. */
  readonly whenFinished?: true;
}

/** States in which an order has ended. */
export const ENDED = "'Completed', 'Cancelled', 'NeedsAttention'";
