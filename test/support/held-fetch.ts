/** Outgoing calls that break off: whoever makes them hears of a lost connection, and they arrive when the test says so. */

interface Call {
  readonly url: string;
  readonly init: RequestInit;
}

export interface HeldCalls {
  /** How many have broken off. */
  readonly count: () => number;
  /** They reach the other side now, in order; how each was answered, though nobody hears it. */
  readonly arrive: () => Promise<number[]>;
  /** Calls go through again. */
  readonly end: () => void;
}

/** Holds every call of this method whose path ends so, of whoever makes it, until `end`. */
export function holdCalls(method: string, pathEnd: string): HeldCalls {
  const real = globalThis.fetch;
  const held: Call[] = [];
  let count = 0;
  globalThis.fetch = async (input: RequestInfo | URL, init: RequestInit = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    if (init.method !== method || !new URL(url).pathname.endsWith(pathEnd)) return real(input, init);
    count++;
    const { headers, body } = init;
    held.push({ url, init: { method, ...(headers ? { headers } : {}), ...(body ? { body } : {}) } });
    throw new TypeError("Network connection lost.");
  };
  return {
    count: () => count,
    arrive: async () => {
      const answers: number[] = [];
      for (const { url, init } of held.splice(0)) {
        const answer = await real(url, init);
        await answer.body?.cancel();
        answers.push(answer.status);
      }
      return answers;
    },
    end: () => void (globalThis.fetch = real),
  };
}
