/** Any binding with some of its methods replaced: to count calls, to fail some, or to keep what was sent. */

export function bend<T extends object>(real: T, methods: { [K in keyof T]?: unknown }): T {
  return new Proxy(real, {
    get(target, name: keyof T & string) {
      const method = methods[name] ?? target[name];
      // Native bindings refuse to be called on anything but themselves.
      return typeof method === "function" ? (method as (...args: unknown[]) => unknown).bind(target) : method;
    },
  });
}

/** Fails the first `times` calls, before they reach anything; counts all. */
export function failing(times: number, what: string) {
  let calls = 0;
  return {
    calls: () => calls,
    async pass<T>(call: () => Promise<T>): Promise<T> {
      calls++;
      if (calls <= times) throw new Error(`${what} is down`);
      return call();
    },
  };
}
