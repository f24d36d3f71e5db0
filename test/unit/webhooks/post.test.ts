/** One POST: what its answer says, that no redirect is followed, and that nothing of the answer is read. */
import { describe, expect, it } from "vitest";
import { WEBHOOK_TIMEOUT_MS } from "../../../src/config.ts";
import type { ReceiverFault } from "../../../src/domain/receiver-fault.ts";
import { secretOf } from "../../../src/domain/webhook-signature.ts";
import { postWebhook } from "../../../src/integrations/webhook-post.ts";
import { stoppedClock } from "../../support/stopped-clock.ts";

const post = {
  url: "https://hooks.example.com/in",
  id: "evt_1",
  timestampS: 1_767_225_600,
  body: "{}",
  secrets: [secretOf(new Uint8Array(32))],
  timeoutMs: WEBHOOK_TIMEOUT_MS,
};

type Fetch = (url: string, init: RequestInit) => Promise<Response>;
const send = (fetch: Fetch, clock = stoppedClock()) => postWebhook({ fetch, clock }, post);
const answering = (status: number, headers: Record<string, string> = {}) =>
  send(() => Promise.resolve(new Response(null, { status, headers })));
const fault = (status: number | null, retryAfterSeconds?: number) =>
  expect.objectContaining({ name: "AppError", code: "DEPENDENCY_FAILED", retryable: true, status, retryAfterSeconds });

describe("the request", () => {
  it("is a signed POST of the body that follows no redirect", async ({ expect }) => {
    const seen: [string, RequestInit][] = [];
    await send((url, init) => {
      seen.push([url, init]);
      return Promise.resolve(new Response(null, { status: 204 }));
    });
    expect(seen).toEqual([
      [
        post.url,
        expect.objectContaining({
          method: "POST",
          body: "{}",
          redirect: "manual",
          headers: {
            "content-type": "application/json",
            "user-agent": "Waybill-Webhooks/1.0",
            "webhook-id": "evt_1",
            "webhook-timestamp": "1767225600",
            "webhook-signature": expect.stringMatching(/^v1,/),
          },
        }),
      ],
    ]);
  });
});

describe("the answer", () => {
  it.for([200, 204, 299, 301, 307, 400, 404, 410, 422])("%d is the receiver's word", async (status, { expect }) => {
    expect(await answering(status)).toBe(status);
  });

  it.for([408, 429, 500, 502, 503, 504, 599])("%d is a fault", async (status, { expect }) => {
    await expect(answering(status)).rejects.toEqual(fault(status));
  });

  it("says when to come back, in seconds or as a date, at most four hours ahead", async ({ expect }) => {
    await expect(answering(503, { "retry-after": "120" })).rejects.toEqual(fault(503, 120));
    const date = "Fri, 23 Oct 2026 08:01:00 GMT"; // the stopped clock stands at 08:00
    await expect(answering(429, { "retry-after": date })).rejects.toEqual(fault(429, 60));
    await expect(answering(503, { "retry-after": "99999999" })).rejects.toEqual(fault(503, 14_400));
    await expect(answering(503, { "retry-after": "soon" })).rejects.toEqual(fault(503));
  });

  it("is let go unread, however large, and a connection that breaks off after the status changes nothing", async ({
    expect,
  }) => {
    let pulled = 0;
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(1024));
      },
      cancel: () => void (cancelled = true),
    });
    expect(await send(() => Promise.resolve(new Response(endless)))).toBe(200);
    expect([pulled <= 1, cancelled]).toEqual([true, true]);
    const broken = new ReadableStream({ start: (controller) => controller.error(new Error("reset")) });
    expect(await send(() => Promise.resolve(new Response(broken)))).toBe(200);
  });
});

describe("no answer", () => {
  it("is a fault once the time-out has passed, and the call is given up", async ({ expect }) => {
    const clock = stoppedClock();
    let signal: AbortSignal | null | undefined;
    const sending = send((_, init) => {
      signal = init.signal;
      return new Promise(() => {});
    }, clock);
    const ended = sending.catch((error: unknown) => error as ReceiverFault);
    await expect.poll(() => signal).toBeDefined();
    clock.move(WEBHOOK_TIMEOUT_MS);
    expect(await ended).toEqual(fault(null));
    expect(signal?.aborted).toBe(true);
  });

  it("is a fault when the connection fails", async ({ expect }) => {
    await expect(send(() => Promise.reject(new TypeError("connection refused")))).rejects.toEqual(fault(null));
  });
});
