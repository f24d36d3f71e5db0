import { Webhook } from "standardwebhooks";
import { it } from "vitest";
import { SECRET, standInSupplier } from "../support/stand-in-supplier.ts";

const { url } = standInSupplier("books");
const ORDER = { order_id: "ord_1", currency: "USD", lines: [{ sku: "FLT-204", quantity: 2, unit_price: 150 }] };

/** A POST with the signature of whoever knows the secret. */
function signed(body: unknown, headers: Record<string, string> = {}): RequestInit {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const now = new Date();
  return {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "webhook-id": "msg_1",
      "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
      "webhook-signature": new Webhook(SECRET).sign("msg_1", now, text),
      ...headers,
    },
    body: text,
  };
}

function place(body: unknown, headers: Record<string, string> = {}) {
  const key = headers["idempotency-key"] ?? "k";
  const keyed = Array.isArray(body) ? body : { idempotency_key: key, ...(body as object) };
  return fetch(`${url}/purchase-orders`, signed(keyed, { "idempotency-key": key, ...headers }));
}

const cancelling = (reference: string) => signed({ idempotency_key: "k", reference });

it("a new purchase order answers 201, the same again 200 with the same body", async ({ expect }) => {
  const first = await place(ORDER, { "idempotency-key": "twice" });
  const second = await place(ORDER, { "idempotency-key": "twice" });

  expect([first.status, second.status]).toEqual([201, 200]);
  expect(await second.json()).toEqual(await first.json());
});

it.for<[string, unknown, number]>([
  ["no lines", { ...ORDER, lines: [] }, 422],
  ["a quantity that isn't whole", { ...ORDER, lines: [{ sku: "A", quantity: 1.5, unit_price: 1 }] }, 422],
  ["an unknown field", { ...ORDER, note: "x" }, 422],
  ["a total beyond the safe integers", { ...ORDER, lines: [{ sku: "A", quantity: 2 ** 52, unit_price: 8 }] }, 422],
  ["a list in place of an order", [], 422],
])("a purchase order with %s is refused with a problem document", async ([, body, status], { expect }) => {
  const answer = await place(body);

  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(await answer.json()).toMatchObject({ status, errors: [{ pointer: expect.any(String) }] });
});

it.for<[string, string, RequestInit | undefined, number]>([
  ["a purchase order without a key", "purchase-orders", signed({}), 400],
  [
    "a purchase order whose key isn't the signed one",
    "purchase-orders",
    signed({ idempotency_key: "mine", ...ORDER }, { "idempotency-key": "another" }),
    400,
  ],
  ["a signed body that isn't JSON", "purchase-orders", signed("{"), 400],
  [
    "cancelling another order than the signed one",
    "purchase-orders/BOOKS-100001/cancel",
    cancelling("BOOKS-100002"),
    400,
  ],
  [
    "a body that isn't JSON",
    "switches",
    { method: "PUT", headers: { "content-type": "application/json" }, body: "{" },
    400,
  ],
  ["another media type", "switches", { method: "PUT", headers: { "content-type": "text/plain" }, body: "{}" }, 415],
  ["a look-up without a key", "purchase-orders", undefined, 400],
  ["cancelling what isn't there", "purchase-orders/BOOKS-100999/cancel", cancelling("BOOKS-100999"), 404],
  ["cancelling another supplier's number", "purchase-orders/ACME-100001/cancel", cancelling("ACME-100001"), 404],
  ["a wrong method", "health", { method: "DELETE" }, 405],
  ["an unknown address", "invoices", undefined, 404],
])("%s answers with a problem document", async ([, path, init, status], { expect }) => {
  const answer = await fetch(`${url}/${path}`, init);

  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject({ status, title: expect.any(String), detail: expect.any(String) });
});

it("a person sets switches by the page's form and sees orders and switches on the page, escaped", async ({
  expect,
}) => {
  await place({ ...ORDER, order_id: "<script>alert(1)</script>" }, { "idempotency-key": "shown" });
  const sent = await fetch(`${url}/switches`, {
    method: "POST",
    body: new URLSearchParams({ delay_ms: "5", refuse: "on" }),
    redirect: "manual",
  });
  expect([sent.status, sent.headers.get("location")]).toEqual([303, "./"]);
  expect(await (await fetch(`${url}/switches`)).json()).toMatchObject({ delay_ms: 5, refuse: true, down: false });

  const page = await (await fetch(`${url}/`)).text();
  expect(page).toContain('name="refuse" checked');
  expect(page).toContain("&lt;script&gt;alert(1)");
  expect(page).not.toContain("<script>");
  await standInSupplier("books").switchOn({});
});

it("counts the calls to its API by what they ask for, also those that it doesn't answer", async ({ expect }) => {
  const counted = standInSupplier("counted");
  await fetch(`${counted.url}/health`);
  await counted.switchOn({ down: true });
  await fetch(`${counted.url}/health`);
  await fetch(`${counted.url}/purchase-orders/COUNTED-100001/cancel`, cancelling("COUNTED-100001"));
  await fetch(`${counted.url}/invoices`);

  expect(await counted.calls()).toEqual({ "GET health": 2, "POST purchase-orders/cancel": 1, elsewhere: 1 });
  expect(await counted.calls(new Date(Date.now() + 60_000).toISOString())).toEqual({});
  const { calls } = await (await fetch(`${counted.url}/book`)).json<{ calls: { what: string; answered: number }[] }>();
  expect(calls.map(({ what, answered }) => `${what} ${answered}`)).toEqual([
    "elsewhere 503",
    "POST purchase-orders/cancel 503",
    "GET health 503",
    "GET health 200",
  ]);
});

it.for<[string, Record<string, string>]>([
  ["no signature", { "webhook-signature": "" }],
  ["a signature by another secret", { "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=" }],
  ["another id than the signed one", { "webhook-id": "msg_2" }],
  ["another time than the signed one", { "webhook-timestamp": "1" }],
])("a purchase order with %s is answered 401 and isn't booked", async ([, headers], { expect }) => {
  const key = `forged-${Object.values(headers).join("")}`;
  const answer = await place(ORDER, { "idempotency-key": key, ...headers });

  expect(answer.status).toBe(401);
  expect(await answer.json()).toMatchObject({
    status: 401,
    detail: expect.stringMatching(/^The signature is refused: /),
  });
  expect(await standInSupplier("books").ordersUnder(key)).toEqual([]);
});
