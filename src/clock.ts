/** The system clock: the only place that reads the platform's time. */
import type { Clock } from "./domain/ports.ts";

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms) => scheduler.wait(ms),
};
