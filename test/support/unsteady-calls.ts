/**
 * Outgoing calls to suppliers over connections that fail by chance: each call has the same chance of a fault. What
 * happens to it hangs on the seed, the call and how often it was made before, not on what else runs at the time.
 */
import { randomFrom, type Random } from "../../scripts/demo/random.ts";
import { SUPPLIER_TIMEOUT_MS } from "../../src/config.ts";
import type { Planned } from "./many-sagas.ts";
import { testClock } from "./world.ts";

/** What may become of a call. Every one of them passes: the next call is drawn anew. */
export const FAULTS = {
  "answers 503": "never reaches the supplier, a proxy answers 503",
  "rate limited": "the same with 429 and a Retry-After",
  "html page": "the same with a page of HTML and status 200",
  "connection refused": "never reaches the supplier, the connection breaks",
  "time-out before": "never reaches the supplier, no answer until the caller gives up",
  "time-out after": "is carried out, no answer until the caller gives up",
  "reply lost": "is carried out, the connection breaks before the answer",
  "reply cut": "is carried out, the answer breaks off half-way",
  twice: "is delivered twice, the second answer comes back",
  late: "a proxy answers 504, and delivers it later",
} as const;

export type Fault = keyof typeof FAULTS;

export interface UnsteadyCalls {
  /** Calls made, by `{method} {what}`. */
  readonly calls: () => Readonly<Record<string, number>>;
  /** Faults that struck, by kind. */
  readonly faults: () => Readonly<Record<Fault, number>>;
  /** Calls that are delivered late. */
  readonly late: Planned;
  /** When each call that hangs is given up, in ms since the epoch. */
  readonly hanging: () => readonly number[];
  /** Calls go through again; what is still to be delivered late is not. */
  readonly end: () => void;
}

const RETRY_AFTER_MAX_S = 20;
/** Longer than a saga waits between two tries, so that most arrive after the next one. */
const LATE_MAX_MS = 60_000;
const LOOK_MS = 20;

interface LateCall {
  readonly at: number;
  readonly url: string;
  readonly init: RequestInit;
}

/**
 * `share` of all calls fail, drawn from `seed`. Only a purchase order can come late. `keepsNoKeys`: suppliers that take a
 * repeated key for a new purchase order; a call to them isn't delivered twice, since nobody could tell.
 */
export function unsteadyCalls(options: {
  readonly share: number;
  readonly seed: number;
  readonly keepsNoKeys?: ReadonlySet<string>;
}): UnsteadyCalls {
  const real = globalThis.fetch;
  const made = new Map<string, number>();
  const calls: Record<string, number> = {};
  const faults = Object.fromEntries(Object.keys(FAULTS).map((fault) => [fault, 0])) as Record<Fault, number>;
  const hanging = new Set<{ readonly until: number }>();
  let late: LateCall[] = [];

  const chanceFor = (call: string): Random => {
    const times = (made.get(call) ?? 0) + 1;
    made.set(call, times);
    return randomFrom(hashOf(`${options.seed} ${call} ${times}`));
  };
  /** The wait is the caller's own, so its abort ends it. */
  const hang = async (signal: AbortSignal | null | undefined): Promise<never> => {
    const one = { until: testClock.now() + SUPPLIER_TIMEOUT_MS };
    const isGivenUp = () => signal?.aborted === true;
    hanging.add(one);
    try {
      while (!isGivenUp()) await scheduler.wait(LOOK_MS);
    } finally {
      hanging.delete(one);
    }
    throw new DOMException("The operation was aborted.", "AbortError");
  };

  globalThis.fetch = async (input: RequestInfo | URL, init: RequestInit = {}) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    const what = whatOf(init.method ?? "GET", url);
    calls[what] = (calls[what] ?? 0) + 1;
    const key = new Headers(init.headers).get("idempotency-key") ?? "";
    const random = chanceFor(`${init.method} ${url.pathname}${url.search} ${key}`);
    if (!random.chance(options.share)) return real(input, init);
    const keyless = options.keepsNoKeys?.has(url.pathname.split("/")[1] ?? "") === true;
    const fault = random.pick(faultsOf(what, keyless));
    faults[fault]++;
    const arrive = async () => {
      const answer = await real(url.href, withoutSignal(init));
      return new Response(await answer.text(), answer);
    };
    switch (fault) {
      case "answers 503":
        return new Response("Service unavailable", { status: 503 });
      case "rate limited": {
        const seconds = random.int(1, RETRY_AFTER_MAX_S);
        return Response.json({ detail: "Slow down." }, { status: 429, headers: { "retry-after": String(seconds) } });
      }
      case "html page":
        return new Response("<!doctype html><p>Back soon.</p>", { headers: { "content-type": "text/html" } });
      case "connection refused":
        throw new TypeError("Network connection lost.");
      case "time-out before":
        return hang(init.signal);
      case "time-out after":
        await arrive();
        return hang(init.signal);
      case "reply lost":
        await arrive();
        throw new TypeError("Network connection lost.");
      case "reply cut": {
        const answer = await arrive();
        const text = await answer.text();
        return new Response(text.slice(0, text.length / 2), answer);
      }
      case "twice":
        await arrive();
        return arrive();
      case "late":
        late.push({ at: testClock.now() + random.int(1, LATE_MAX_MS), url: url.href, init: withoutSignal(init) });
        return Response.json({ detail: "No answer in time." }, { status: 504 });
    }
  };

  return {
    calls: () => calls,
    faults: () => faults,
    hanging: () => [...hanging].map(({ until }) => until),
    late: {
      nextAt: () => (late.length === 0 ? null : Math.min(...late.map(({ at }) => at))),
      happen: async () => {
        const now = testClock.now();
        const due = late.filter(({ at }) => at <= now);
        late = late.filter(({ at }) => at > now);
        for (const { url, init } of due) await (await real(url, init)).body?.cancel();
      },
    },
    end: () => void (globalThis.fetch = real),
  };
}

/** `POST purchase-orders`, `GET purchase-orders`, `POST cancel`, `GET health`. */
function whatOf(method: string, url: URL): string {
  return `${method} ${url.pathname.slice(url.pathname.lastIndexOf("/") + 1)}`;
}

function faultsOf(what: string, keyless: boolean): readonly Fault[] {
  const all = Object.keys(FAULTS) as Fault[];
  return all.filter(
    (fault) => (fault !== "late" || what === "POST purchase-orders") && (fault !== "twice" || !keyless),
  );
}

function withoutSignal({ method, headers, body }: RequestInit): RequestInit {
  return { ...(method ? { method } : {}), ...(headers ? { headers } : {}), ...(body ? { body } : {}) };
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
