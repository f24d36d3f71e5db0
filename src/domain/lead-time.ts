/** How long a supplier takes: what it states, and what its receipts show once there are enough of them. */

/** The latest of a supplier and part that are kept. */
export const LEAD_TIME_RECEIPTS = 20;
/** Fewer say too little: the stated lead time is counted with. */
export const LEAD_TIME_MIN_RECEIPTS = 5;
/** This share of the receipts came within the measured time. */
export const LEAD_TIME_SHARE = 0.8;

export interface LeadTime {
  /** Days from placing the order to its arrival that are counted with. */
  readonly days: number;
  readonly stated: number;
  /** Days within which LEAD_TIME_SHARE of the receipts came; null: no receipt yet. */
  readonly measured: number | null;
  /** How many receipts that rests on. */
  readonly receipts: number;
}

/** `arrivals`: days from placed to received of the latest receipts, in any order. */
export function leadTimeOf(stated: number, arrivals: readonly number[]): LeadTime {
  const sorted = arrivals.toSorted((a, b) => a - b);
  const measured = sorted[Math.ceil(sorted.length * LEAD_TIME_SHARE) - 1] ?? null;
  const enough = measured !== null && sorted.length >= LEAD_TIME_MIN_RECEIPTS;
  return { days: enough ? Math.max(0, measured) : stated, stated, measured, receipts: sorted.length };
}

/** `5 days stated, 7 measured over 8 receipts`. */
export function leadTimeInWords({ stated, measured, receipts }: LeadTime): string {
  if (measured === null) return `${stated} days stated`;
  const over = `${stated} days stated, ${measured} measured over ${receipts} ${receipts === 1 ? "receipt" : "receipts"}`;
  return receipts >= LEAD_TIME_MIN_RECEIPTS ? over : `${over}, too few to count with`;
}
