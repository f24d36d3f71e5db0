/** What the product reaches with the global `fetch` (suppliers, webhooks): each exchange is a call of whoever runs it. */
import { lives, through } from "./stage.ts";

const KEY = Symbol.for("waybill.test.sweep.fetch");
const shared = globalThis as unknown as Record<symbol, typeof fetch | undefined>;

/** Puts the stage before the global `fetch`, once. The test's own exchanges pass untouched. */
export function watchOutside(): void {
  if (shared[KEY]) return;
  const real = globalThis.fetch.bind(globalThis);
  shared[KEY] = real;
  globalThis.fetch = async (input: RequestInfo | URL, init?: RequestInit) => {
    const who = lives.getStore();
    if (!who) return real(input, init);
    const url = new URL(input instanceof Request ? input.url : input);
    const { signal: _, ...plain } = init ?? {};
    return through(who, {
      what: `fetch ${init?.method ?? "GET"} ${url.host}${url.pathname}`,
      perform: () => real(input, init),
      later: () => real(url.href, plain).then((answer) => answer.body?.cancel()),
    });
  };
}
