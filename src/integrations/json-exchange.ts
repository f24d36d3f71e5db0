/**
 * One exchange with another system over HTTP that is answered with JSON: a deadline over the whole of it, no redirects, and
 * no more of the answer is ever held than the cap. Whatever isn't a complete JSON answer is a retryable fault.
 */
import { ORDER_MAX_WAIT_MS } from "../config.ts";
import { AppError, messageOf } from "../domain/errors.ts";
import type { Clock } from "../domain/ports.ts";

export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

export interface ExchangeDeps {
  readonly fetch: Fetch;
  readonly clock: Clock;
}

export interface Exchange {
  /** Names the other system in error messages. */
  readonly dependency: string;
  readonly url: URL;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** More headers, made of the body as it is sent and of the time when it is. */
  readonly sign?: (body: string, nowMs: number) => Promise<Readonly<Record<string, string>>>;
  /** Sent as it is, in place of `body`; its type is among the headers. */
  readonly content?: Uint8Array<ArrayBuffer> | string;
  /** The JSON may come under any type, as a file server gives it. */
  readonly anyType?: boolean;
  /** Where the other system puts its words about a fault; default: a problem document's, of refusals only. */
  readonly wordsOf?: (answer: unknown) => unknown;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
}

/** A fault that the other system answered with, so that nothing was lost on the way: 3xx, 408, 429, 5xx. */
export class StatusFault extends AppError {}

/** A 2xx answer with its JSON (null when it has no content), or a 4xx that no repetition will change, with the reason as the other system gave it. */
export type ExchangeAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly status: number; readonly reason: string };

const REASON_CHARACTERS = 300;

/**
 * Throws a retryable AppError DEPENDENCY_FAILED on time-out, network failure, 3xx, 408, 429, 5xx, and an answer that
 * isn't JSON or is larger than the cap. `Retry-After` (RFC 9110, section 10.2.3) is passed on with the error.
 */
export async function exchangeJson(deps: ExchangeDeps, exchange: Exchange): Promise<ExchangeAnswer> {
  const controller = new AbortController();
  const timedOut = deps.clock.after(exchange.timeoutMs).then((): never => {
    controller.abort();
    throw failed(exchange, `no answer within ${exchange.timeoutMs} ms`);
  });
  return Promise.race([attempt(deps, exchange, controller.signal), timedOut]);
}

async function attempt(deps: ExchangeDeps, exchange: Exchange, signal: AbortSignal): Promise<ExchangeAnswer> {
  const { fetch } = deps; // the platform's fetch refuses to be called as a method of something else
  const body = exchange.body === undefined ? undefined : JSON.stringify(exchange.body);
  try {
    const response = await fetch(exchange.url.href, {
      method: exchange.method,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...exchange.headers,
        ...(await exchange.sign?.(body ?? "", deps.clock.now())),
      },
      ...(body === undefined ? {} : { body }),
      ...(exchange.content === undefined ? {} : { body: exchange.content }),
      redirect: "manual",
      signal,
    });
    return await read(response, exchange, deps.clock.now());
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw failed(exchange, messageOf(error), { cause: error });
  }
}

async function read(response: Response, exchange: Exchange, nowMs: number): Promise<ExchangeAnswer> {
  const { status } = response;
  if (status === 204) return { ok: true, value: null };
  if (response.ok) {
    if (!isJson(response) && !exchange.anyType) return discard(response, failed(exchange, "the answer isn't JSON"));
    return { ok: true, value: parseJson(await cappedText(response, exchange), exchange) };
  }
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return { ok: false, status, reason: await reasonOf(response, exchange) };
  }
  const retryAfterSeconds = parseRetryAfter(response.headers.get("retry-after"), nowMs);
  const fault = (said: string) => failed(exchange, said, { retryAfterSeconds, answered: true });
  if (!exchange.wordsOf) return discard(response, fault(plainly(status)));
  throw fault(await wordsOfFault(response, exchange));
}

/** What is said of an outage needn't be readable: the status stands for it. */
async function wordsOfFault(response: Response, exchange: Exchange): Promise<string> {
  const plain = plainly(response.status);
  const said = await reasonOf(response, exchange).catch(() => plain);
  return said === plain ? plain : `${plain}: ${said}`;
}

function plainly(status: number): string {
  return `answered with status ${status}`;
}

/** Lets go of a body that nobody will read, so that the connection is free, and throws `error`. */
async function discard(response: Response, error: AppError): Promise<never> {
  await response.body?.cancel();
  throw error;
}

/** The answer's text. The bytes are counted while they arrive: a declared length is only a claim. */
async function cappedText(response: Response, exchange: Exchange): Promise<string> {
  if (!response.body) return "";
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the body.
    if (bytes > exchange.maxAnswerBytes)
      throw failed(exchange, `the answer is larger than ${exchange.maxAnswerBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parseJson(text: string, exchange: Exchange): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw failed(exchange, "the answer isn't JSON", { cause: error });
  }
}

/** What a refusal says: a problem document's detail or title (RFC 9457), else the status. One short line at most. */
async function reasonOf(response: Response, exchange: Exchange): Promise<string> {
  const plain = plainly(response.status);
  if (!isJson(response)) {
    await response.body?.cancel();
    return plain;
  }
  const value = parseJson(await cappedText(response, exchange), exchange);
  const said = (exchange.wordsOf ?? wordsOfProblem)(value);
  if (typeof said !== "string") return plain;
  const line = said.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, " ").trim();
  return line.slice(0, REASON_CHARACTERS) || plain;
}

function wordsOfProblem(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const { detail, title } = value as { detail?: unknown; title?: unknown };
  return [detail, title].find((text) => typeof text === "string");
}

function isJson(response: Response): boolean {
  const type = response.headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return /^application\/(?:[\w.-]+\+)?json$/.test(type);
}

/** Seconds to wait, from a number of seconds or an HTTP date, at most as long as an order may wait; or undefined. */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  const seconds = /^\d+$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - nowMs) / 1000);
  if (Number.isNaN(seconds)) return undefined;
  return Math.min(Math.max(seconds, 0), ORDER_MAX_WAIT_MS / 1000);
}

function failed(
  exchange: Exchange,
  what: string,
  more: { cause?: unknown; retryAfterSeconds?: number | undefined; answered?: boolean } = {},
): AppError {
  const { retryAfterSeconds, answered = false, ...rest } = more;
  const Fault = answered ? StatusFault : AppError;
  return new Fault("DEPENDENCY_FAILED", `${exchange.dependency}: ${what}`, {
    retryable: true,
    ...rest,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}
