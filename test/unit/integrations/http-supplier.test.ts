import { Webhook } from "standardwebhooks";
import { expect, it, onTestFinished, vi } from "vitest";
import { AppError } from "../../../src/domain/errors.ts";
import type { PurchaseOrderDraft } from "../../../src/domain/ports.ts";
import { httpSupplier, type HttpSupplierDeps } from "../../../src/integrations/http-supplier.ts";
import { stoppedClock } from "../../support/stopped-clock.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const draft: PurchaseOrderDraft = {
  supplier: "acme",
  url: "https://suppliers.waybill.example/acme",
  secrets: [SECRET],
  idempotencyKey: "ord_1:acme",
  orderId: "ord_1",
  currency: "USD",
  lines: [{ sku: "FLT-204", quantity: 12, unitPrice: 1_850 }],
};

function gateway(more: Pick<HttpSupplierDeps, "fetch"> & Partial<HttpSupplierDeps>) {
  return httpSupplier({ clock: stoppedClock(), environment: "production", ...more });
}

/** An order as a supplier tells it. */
const told = (more: object = {}) => ({
  reference: "A-1",
  status: "accepted",
  idempotency_key: "ord_1:acme",
  order_id: "ord_1",
  currency: "USD",
  total: 22_200,
  lines: [{ sku: "FLT-204", quantity: 12, unit_price: 1_850 }],
  ...more,
});

/** A gateway whose every call gets this answer; `calls` are the requests that it made. */
function answering(make: (url: string) => Response) {
  const calls: { url: string; init: RequestInit }[] = [];
  const answered = async (url: string, init: RequestInit) => {
    calls.push({ url, init });
    return make(url);
  };
  return { calls, gateway: gateway({ fetch: answered }) };
}

const faultFields = { name: "AppError", code: "DEPENDENCY_FAILED", retryable: true };
const unknown = expect.objectContaining(faultFields);

it("an answer that never ends is cut off at the size cap", async ({ expect }) => {
  let sent = 0;
  let cancelled = false;
  const endless = new ReadableStream({
    pull: (controller) => (sent++, controller.enqueue(new Uint8Array(64 * 1024).fill(0x20))),
    cancel: () => void (cancelled = true),
  });
  const { gateway } = answering(() => new Response(endless, { headers: { "content-type": "application/json" } }));

  await expect(gateway.placePurchaseOrder(draft)).rejects.toThrow("the answer is larger than 1048576 bytes");
  expect(cancelled).toBe(true);
  expect(sent).toBeLessThan(20);
});

it("every call that writes is signed by Standard Webhooks over the body as it is sent, and looking up is not", async ({
  expect,
}) => {
  const { calls, gateway } = answering((url) => {
    if (url.endsWith("/purchase-orders")) return Response.json(told());
    if (url.includes("?")) return Response.json({ orders: [told({ reference: "A.1" })] });
    return Response.json({ reference: "A.1", status: "cancelled" });
  });
  await gateway.placePurchaseOrder(draft);
  await gateway.cancelPurchaseOrder(draft, draft.idempotencyKey);

  const [place, look, cancel] = calls.map(({ init }) => new Headers(init.headers));
  const verify = (call: number, headers: Headers | undefined) =>
    new Webhook(SECRET).verify(calls[call]?.init.body as string, Object.fromEntries(headers ?? []));
  vi.useFakeTimers({ now: Number(place?.get("webhook-timestamp")) * 1000 });
  onTestFinished(() => void vi.useRealTimers());
  expect(verify(0, place)).toMatchObject({ idempotency_key: "ord_1:acme", order_id: "ord_1" });
  expect(verify(2, cancel)).toEqual({ idempotency_key: "ord_1:acme", reference: "A.1" });
  expect(place?.get("webhook-id")).toBe("place%3Aord_1%3Aacme");
  expect(cancel?.get("webhook-id")).toBe("cancel%3AA%2E1");
  expect([...(look ?? [])].map(([name]) => name)).toEqual(["accept"]);
  expect(() => verify(0, cancel)).toThrow("No matching signature found");
});

it("while one secret replaces another both sign, and without any nothing is sent", async ({ expect }) => {
  const { calls, gateway } = answering(() => Response.json(told()));
  const other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
  await gateway.placePurchaseOrder({ ...draft, secrets: [SECRET, other] });
  const headers = Object.fromEntries(new Headers(calls[0]?.init.headers));
  vi.useFakeTimers({ now: Number(headers["webhook-timestamp"]) * 1000 });
  onTestFinished(() => void vi.useRealTimers());
  for (const secret of [SECRET, other]) {
    expect(new Webhook(secret).verify(calls[0]?.init.body as string, headers)).toMatchObject({ order_id: "ord_1" });
  }

  await expect(gateway.placePurchaseOrder({ ...draft, secrets: [] })).rejects.toThrow("no secret to sign with");
  expect(calls).toHaveLength(1);
});

it("a cancellation may keep one order of those under the key", async ({ expect }) => {
  const { calls, gateway } = answering((url) =>
    url.includes("?")
      ? Response.json({ orders: [told(), told({ reference: "A-2" })] })
      : Response.json({ reference: "A-2", status: "cancelled" }),
  );

  expect(await gateway.cancelPurchaseOrder(draft, draft.idempotencyKey, "A-1")).toEqual({ ok: true });
  expect(calls.map((call) => call.url).filter((url) => url.endsWith("/cancel"))).toEqual([
    "https://suppliers.waybill.example/acme/purchase-orders/A-2/cancel",
  ]);
});

it.for([
  "http://suppliers.waybill.example/acme",
  "http://localhost:8788/acme",
  "ftp://a.example",
  "https://u:p@a.example/",
  "acme",
])("%s is never called in production", async (url, { expect }) => {
  const { calls, gateway } = answering(() => Response.json({}));

  await expect(gateway.placePurchaseOrder({ ...draft, url })).rejects.toMatchObject({
    code: "DEPENDENCY_FAILED",
    retryable: false,
  });
  expect(calls).toEqual([]);
});

it("in development http reaches this machine and no other", async ({ expect }) => {
  const asked: string[] = [];
  const local = gateway({
    environment: "development",
    fetch: async (url) => (asked.push(url), Response.json({ orders: [] })),
  });
  await local.findPurchaseOrder({ ...draft, url: "http://127.0.0.1:8788/acme/" }, "ord_1:acme");
  await expect(local.findPurchaseOrder({ ...draft, url: "http://192.0.2.7/acme" }, "k")).rejects.toBeInstanceOf(
    AppError,
  );

  expect(asked).toEqual(["http://127.0.0.1:8788/acme/purchase-orders?idempotency_key=ord_1%3Aacme"]);
});

it.for([
  ["an order of another key", { orders: [told({ idempotency_key: "ord_2:acme" })] }],
  ["a state that we don't know", { orders: [told({ status: "lost" })] }],
  ["a reference that leads to another address", { orders: [told({ reference: ".." })] }],
  ["a reference with a line break", { orders: [told({ reference: "A-1\r\nx: y" })] }],
  ["a price that is no number", { orders: [told({ total: "22200" })] }],
  ["a price beyond the safe integers", { orders: [told({ total: 2 ** 53 })] }],
  ["more orders than anyone can have meant", { orders: Array.from({ length: 21 }, () => told()) }],
  ["no list", []],
] as const)("a look-up that answers %s is a fault, and nothing is cancelled", async ([, body], { expect }) => {
  const { calls, gateway } = answering(() => Response.json(body));

  await expect(gateway.findPurchaseOrder(draft, "ord_1:acme")).rejects.toEqual(unknown);
  await expect(gateway.cancelPurchaseOrder(draft, "ord_1:acme")).rejects.toEqual(unknown);
  expect(calls.map((call) => call.init.method)).toEqual(["GET", "GET"]);
});

it("a look-up that is refused never counts as 'there is no order'", async ({ expect }) => {
  const { gateway } = answering(() => Response.json({ title: "Not found" }, { status: 404 }));

  await expect(gateway.findPurchaseOrder(draft, "k")).rejects.toMatchObject({
    code: "SUPPLIER_REFUSED",
    retryable: false,
  });
});

it("one order that can't be cancelled now doesn't keep the others from being cancelled", async ({ expect }) => {
  const order = (reference: string) => told({ reference, idempotency_key: "k" });
  const { calls, gateway } = answering((url) => {
    if (url.includes("idempotency_key")) return Response.json({ orders: [order("A-1"), order("A-2")] });
    return url.includes("A-1")
      ? new Response(null, { status: 503 })
      : Response.json({ reference: "A-2", status: "cancelled" });
  });

  await expect(gateway.cancelPurchaseOrder(draft, "k")).rejects.toEqual(unknown);
  expect(calls.map((call) => call.url).filter((url) => url.endsWith("/cancel"))).toHaveLength(2);
});

it("a connection that fails before or within the answer is retryable, with its cause", async ({ expect }) => {
  const lost = new TypeError("connection lost");
  const broken = new ReadableStream({ pull: (controller) => controller.error(lost) });
  const before = gateway({ fetch: () => Promise.reject(lost) });
  const within = answering(() => new Response(broken, { headers: { "content-type": "application/json" } })).gateway;

  await expect(before.placePurchaseOrder(draft)).rejects.toMatchObject({ ...faultFields, cause: lost });
  await expect(within.placePurchaseOrder(draft)).rejects.toMatchObject({ ...faultFields, cause: lost });
});

it.for([302, 408, 429, 500, 599])("status %d is retryable", async (status, { expect }) => {
  const { gateway } = answering(() => new Response(null, { status }));

  await expect(gateway.placePurchaseOrder(draft)).rejects.toEqual(unknown);
});

it.for(["text/html", "text/plain", "application/jsonp", ""])(
  "good JSON sent as %j is a fault",
  async (type, { expect }) => {
    const order = told();
    const as = (contentType: string) =>
      answering(
        () =>
          new Response(new TextEncoder().encode(JSON.stringify(order)), { headers: { "content-type": contentType } }),
      );

    await expect(as(type).gateway.placePurchaseOrder(draft)).rejects.toEqual(unknown);
    expect(await as("application/json; charset=utf-8").gateway.placePurchaseOrder(draft)).toMatchObject({ ok: true });
  },
);

it("a refusal's reason is one short line whatever the supplier sent", async ({ expect }) => {
  const detail = `no\r\nstock\u0000${"!".repeat(5_000)}`;
  const { gateway } = answering(() => Response.json({ detail }, { status: 409 }));

  const refused = await gateway.placePurchaseOrder(draft);
  expect(refused).toMatchObject({ ok: false, reason: expect.stringMatching(/^no stock !{291}$/) });
});
