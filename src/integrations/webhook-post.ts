/**
 * One POST of a webhook: a deadline over the whole of it, no redirects, and of the answer nothing but its status and
 * `Retry-After`: the body is let go unread, so neither its size nor its speed can hurt, and nothing of it is shown to anyone.
 */
import { messageOf } from "../domain/errors.ts";
import { ReceiverFault } from "../domain/receiver-fault.ts";
import { signatureHeaders, type Hmac, type SignedContent } from "../domain/webhook-signature.ts";
import { isRetryableStatus } from "../resilience/retry.ts";
import { parseRetryAfter, type ExchangeDeps } from "./json-exchange.ts";

export interface WebhookPost extends SignedContent {
  readonly url: string;
  readonly secrets: readonly string[];
  readonly timeoutMs: number;
}

export const hmacSha256: Hmac = async (key, text) => {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text)));
};

/**
 * The status of an answer that shows the receiver alive: 2xx, a redirect (not followed) or a 4xx. Throws a
 * ReceiverFault for 408, 429, 5xx, for no answer within the time-out and for a network failure.
 */
export async function postWebhook(deps: ExchangeDeps, post: WebhookPost): Promise<number> {
  const controller = new AbortController();
  const timedOut = deps.clock.after(post.timeoutMs).then((): never => {
    controller.abort();
    throw new ReceiverFault(`no answer within ${post.timeoutMs} ms`);
  });
  return Promise.race([attempt(deps, post, controller.signal), timedOut]);
}

async function attempt(deps: ExchangeDeps, post: WebhookPost, signal: AbortSignal): Promise<number> {
  const { fetch } = deps; // the platform's fetch refuses to be called as a method of something else
  const headers = {
    ...(await signatureHeaders(post, post.secrets, hmacSha256)),
    "content-type": "application/json",
    "user-agent": "Waybill-Webhooks/1.0",
  };
  let answer: Response;
  try {
    answer = await fetch(post.url, { method: "POST", headers, body: post.body, redirect: "manual", signal });
  } catch (error) {
    throw new ReceiverFault(`no answer: ${messageOf(error)}`, { cause: error });
  }
  await Promise.allSettled([answer.body?.cancel()]); // that it breaks off changes nothing about the status
  const { status } = answer;
  if (!isRetryableStatus(status)) return status;
  const retryAfterSeconds = parseRetryAfter(answer.headers.get("retry-after"), deps.clock.now());
  throw new ReceiverFault(`answered with status ${status}`, {
    status,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}
