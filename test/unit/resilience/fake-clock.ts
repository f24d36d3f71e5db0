/** A clock that only the test moves. A wait resolves when the clock has passed its end. */
export function fakeClock(start = 1_000_000) {
  let now = start;
  let waits: { readonly at: number; readonly wake: () => void }[] = [];
  return {
    now: () => now,
    after: (ms: number) =>
      new Promise<void>((wake) => {
        waits.push({ at: now + ms, wake });
      }),
    /** Moves the clock, wakes what is due, and lets what it woke run. */
    async advance(ms: number): Promise<void> {
      now += ms;
      const due = waits.filter((wait) => wait.at <= now);
      waits = waits.filter((wait) => wait.at > now);
      for (const wait of due) wait.wake();
      await settled();
    },
    waiting: () => waits.length,
  };
}

/** Lets every promise that can go on without time or I/O do so. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

/** A promise with its ends outside. */
export function deferred<T>() {
  return Promise.withResolvers<T>();
}
