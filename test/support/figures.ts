/** Measured figures of one run, printed one a line. Machines differ: what is compared is a ratio within the same run. */

export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Milliseconds that the work took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const HOP_MS = 10;

/**
 * How many times slower than a machine at rest this run was, by its bare hops to an object (ms): bounds are for such a
 * machine, where the p95 of a hop is below 10 ms. At least 1, so that no bound is ever tighter.
 */
export function slownessOf(bareHops: readonly number[]): number {
  return Math.max(1, percentile(bareHops, 0.95) / HOP_MS);
}

export function figure(name: string, values: Readonly<Record<string, number | string>>): void {
  const parts = Object.entries(values).map(
    ([key, value]) => `${key}=${typeof value === "number" ? Number(value.toFixed(2)) : value}`,
  );
  console.log(`figure: ${name} ${parts.join(" ")}`);
}
