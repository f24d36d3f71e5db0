/**
 * The client as the product's users write it: it sends, and sends the same again after an error or no answer, until it has a
 * definite one. It looks at the product in between; looks are no part of the flow that is swept.
 */
import type { Env } from "../../../src/env.ts";
import product from "../../../src/worker.ts";
import { environmentOf } from "./bindings.ts";
import { incarnate, lives, stage, track, type Incarnation } from "./stage.ts";

// eslint-disable-next-line -- the caller says what it expects of a JSON answer
type Json = any;

export interface ClientAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

export interface Send {
  readonly as: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Attempt {
  readonly at: number;
  readonly run: () => Promise<void>;
}

const RETRY_MS = 2_000;
const LOOK_MS = 5_000;
const MAX_TRIES = 30;

export class Client {
  /** What the clients mean to do, and when. */
  attempts: Attempt[] = [];
  private keys = 0;
  private readonly tokens = new Map<string, { token: string; until: number }>();

  private readonly env: Env;

  constructor(env: Env) {
    this.env = env;
  }

  /** Sends until there is a definite answer: below 500. */
  send(intent: Send): Promise<ClientAnswer> {
    const what = this.withKey(intent);
    return new Promise((resolve, reject) => {
      const plan = (at: number, nth: number) => {
        this.attempts.push({
          at,
          run: async () => {
            const answer = await this.ask(what, true);
            if (answer && answer.status < 500 && answer.status !== 429) return resolve(answer);
            if (nth >= MAX_TRIES) return reject(new Error(`${what.method} ${what.path} was never answered`));
            plan(stage.now + RETRY_MS, nth + 1);
          },
        });
      };
      plan(stage.now, 1);
    });
  }

  /** Does what isn't an exchange over HTTP, until it succeeds. */
  act(work: () => Promise<unknown>, afterMs: number): Promise<void> {
    return new Promise((resolve) => {
      const plan = (at: number) => {
        this.attempts.push({
          at,
          run: () =>
            work().then(
              () => resolve(),
              () => plan(stage.now + RETRY_MS),
            ),
        });
      };
      plan(stage.now + afterMs);
    });
  }

  /** Looks every five seconds until it sees what it waits for. */
  look<T>(probe: () => Promise<T | null>, lookMs = LOOK_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      const plan = (at: number) => {
        this.attempts.push({
          at,
          run: async () => {
            const found = await probe().catch((error: unknown) => {
              reject(error instanceof Error ? error : new Error(String(error)));
              return null;
            });
            if (found === null) plan(stage.now + lookMs);
            else resolve(found);
          },
        });
      };
      plan(stage.now);
    });
  }

  /** One answer now, past the stage. */
  async see(what: Send): Promise<ClientAnswer> {
    const answer = await this.ask(what, false);
    if (!answer) throw new Error(`${what.path} can't be seen`);
    return answer;
  }

  /** A key names the intent: whatever is sent again carries the same one. */
  private withKey(what: Send): Send {
    if (what.method === "GET") return what;
    return { ...what, headers: { "idempotency-key": `key-${stage.tag}-${++this.keys}`, ...what.headers } };
  }

  /** One try; null: no answer came. */
  private async ask(what: Send, watched: boolean): Promise<ClientAnswer | null> {
    const token = await this.tokenOf(what.as);

    const path = what.path.split("?")[0]?.replaceAll(/\/(?:req|ord|cmd|stp)_[^/]+/g, "/*");
    const who = incarnate(`${what.method} ${path}`, watched);
    const request = new Request(`https://waybill.test${what.path}`, {
      method: what.method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(what.body === undefined || typeof what.body === "string" ? {} : { "content-type": "application/json" }),
        ...what.headers,
      },
      ...(what.body === undefined
        ? {}
        : { body: typeof what.body === "string" ? what.body : JSON.stringify(what.body) }),
    });
    const answer = await this.fetch(request, who);
    return who.dead ? null : answer;
  }

  private async fetch(request: Request, who: Incarnation): Promise<ClientAnswer> {
    const answer = await lives.run(who, () =>
      product.fetch(request as Parameters<typeof product.fetch>[0], environmentOf(this.env, who), lifetimeOf()),
    );
    const text = await answer.text();
    const json = (answer.headers.get("content-type") ?? "").includes("json") && text !== "";
    return { status: answer.status, headers: answer.headers, body: json ? JSON.parse(text) : text };
  }

  private async tokenOf(subject: string): Promise<string> {
    const known = this.tokens.get(subject);
    if (known && known.until > stage.now) return known.token;
    const request = new Request("https://waybill.test/dev/token", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ subject }),
    });
    const { status, body } = await this.fetch(request, incarnate("token", false));
    if (status !== 200) throw new Error(`no token for ${subject}: ${status}`);
    this.tokens.set(subject, { token: body.access_token, until: stage.now + body.expires_in * 1000 - 60_000 });
    return body.access_token;
  }
}

/** An execution context whose background work the driver waits for. */
export function lifetimeOf(): ExecutionContext {
  return {
    waitUntil: (work: Promise<unknown>) => track(work),
    passThroughOnException: () => undefined,
    props: {},
  } as unknown as ExecutionContext;
}
