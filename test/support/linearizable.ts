/**
 * Is a history of concurrent calls linearizable: can each be given one moment between its begin and its end, such that in
 * that order a sequential model gives the same answers? Search by Wing & Gong (1993), with the memo of Lowe (2017).
 */

export interface Call<S> {
  /** Places on one line of time, in any unit. */
  readonly began: number;
  /** Infinity: its caller never heard of it, so it took effect at any time later, or never. */
  readonly ended: number;
  /** The model's state if it took effect here and was answered as it was; null: it can't have been. */
  readonly after: (state: S) => S | null;
}

const MOST_CALLS = 31;

/** `keyOf` tells states apart. At most 31 calls. */
export function isLinearizable<S>(initial: S, calls: readonly Call<S>[], keyOf: (state: S) => string): boolean {
  if (calls.length > MOST_CALLS) throw new Error(`${calls.length} calls are more than ${MOST_CALLS}`);
  const answered = calls.reduce(
    (mask, call, at) => (call.ended === Number.POSITIVE_INFINITY ? mask : mask | (1 << at)),
    0,
  );
  const seen = new Set<string>();

  const search = (placed: number, state: S): boolean => {
    if ((placed & answered) === answered) return true;
    const key = `${placed} ${keyOf(state)}`;
    if (seen.has(key)) return false;
    seen.add(key);
    const open = calls.filter((_, at) => (placed & (1 << at)) === 0);
    const firstEnd = Math.min(...open.map(({ ended }) => ended));
    return calls.some((call, at) => {
      if ((placed & (1 << at)) !== 0 || call.began > firstEnd) return false;
      const next = call.after(state);
      return next !== null && search(placed | (1 << at), next);
    });
  };
  return search(0, initial);
}
