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

/** What people's acts on an order are called in the trail: each is a batch that takes the order over. */
export const TAKEN_OVER = "'order.retried', 'order.skipped', 'order.resolved', 'order.resumed', 'order.called off'";

/** True of an order of which a person has left something as it was, with a reason. */
export const LEFT_AS_IT_WAS = `EXISTS (SELECT 1 FROM audit k WHERE k.subject = 'order/' || o.id
  AND k.action IN ('order.skipped', 'order.resolved') AND k.reason <> '')`;
