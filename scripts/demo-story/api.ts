/** HTTP as a persona: the only way in which the demo's processes learn or change anything beside their sockets. */

const CALL_MS = 10_000;

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

export type Api = ReturnType<typeof apiOf>;

/** Calls to the app at `base`. Every call rejects with an Error of one line when no answer comes within 10 s. */
export function apiOf(base: string) {
  const tokens = new Map<string, Promise<string>>();

  async function send<T>(method: string, path: string, init: RequestInit = {}): Promise<Answer<T>> {
    try {
      const answer = await fetch(new URL(path, base), { ...init, method, signal: AbortSignal.timeout(CALL_MS) });
      const text = await answer.text();
      const isJson = /\bjson\b/.test(answer.headers.get("content-type") ?? "");
      return { status: answer.status, body: (isJson ? JSON.parse(text) : text) as T };
    } catch (error) {
      throw new Error(`${method} ${path}: no answer from ${base} (${causeOf(error)})`, { cause: error });
    }
  }

  /** A token lives 15 minutes, longer than any demo. */
  function tokenOf(subject: string): Promise<string> {
    const known = tokens.get(subject);
    if (known) return known;
    const token = send<{ access_token: string }>("POST", "/dev/token", json({ subject })).then((answer) => {
      return expectStatus(answer, 200, `POST /dev/token as ${subject}`).access_token;
    });
    tokens.set(subject, token);
    return token;
  }

  /** The persona's call, whatever its answer. The body goes as JSON; a write brings the key of its intent. */
  async function as<T>(
    subject: string,
    method: string,
    path: string,
    body?: unknown,
    key?: string,
  ): Promise<Answer<T>> {
    const sent = json(body);
    const authorization = `Bearer ${await tokenOf(subject)}`;
    const idempotency: Record<string, string> = key === undefined ? {} : { "idempotency-key": key };
    return send<T>(method, path, { ...sent, headers: { ...sent.headers, ...idempotency, authorization } });
  }

  /** The body of a GET that must answer 200. */
  async function read<T>(subject: string, path: string): Promise<T> {
    return expectStatus(await as<T>(subject, "GET", path), 200, `GET ${path} as ${subject}`);
  }

  return { base, send, as, read, tokenOf };
}

/** The body, or an Error that names the call, the status and the beginning of the answer. */
export function expectStatus<T>({ status, body }: Answer<T>, wanted: number, call: string): T {
  if (status === wanted) return body;
  throw new Error(`${call} answered ${status} instead of ${wanted}: ${JSON.stringify(body).slice(0, 300)}`);
}

/** `ECONNREFUSED` and the like rather than fetch's "fetch failed". */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error) return "code" in cause ? String(cause.code) : cause.message;
  return error.message;
}

function json(body: unknown): { body?: string; headers?: Record<string, string> } {
  if (body === undefined) return {};
  return { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}
