/** A clock for tests: it stands until the test moves it, so that nothing waits for real time. */
import type { Clock } from "../../src/domain/ports.ts";

export function stoppedClock(): Clock & { move(ms: number): void } {
  let now = Date.parse("2026-10-23T08:00:00Z");
  const waiting: { at: number; wake: () => void }[] = [];
  return {
    now: () => now,
    after: (ms) => new Promise((wake) => void waiting.push({ at: now + ms, wake })),
    move(ms) {
      now += ms;
      for (const one of waiting) if (one.at <= now) one.wake();
    },
  };
}
