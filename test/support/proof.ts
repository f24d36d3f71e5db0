/**
 * How large a proof is and by which seed it draws: a slice in `npm test`, the full size where SWEEP_FULL=1. What it found
 * is printed on one line with the seed; SWEEP_SEED sets the seed, so that a run can be repeated.
 */
import { figure } from "./figures.ts";

const set = globalThis as unknown as { process?: { env: Record<string, string | undefined> } };

function variable(name: string): string | undefined {
  const value = set.process?.env[name];
  return value === "" ? undefined : value;
}

export const isFull = variable("SWEEP_FULL") === "1";

export function sizeOf(slice: number, full: number): number {
  return isFull ? full : slice;
}

/** The seed of this run: of the environment, or drawn by chance. Whoever draws by it prints it. */
export const seed = Number(variable("SWEEP_SEED") ?? Math.floor(Math.random() * 2 ** 31));

/** The one line of a proof. */
export function proved(name: string, values: Readonly<Record<string, number | string>>): void {
  figure(name, { ...values, seed, size: isFull ? "full" : "slice" });
}
