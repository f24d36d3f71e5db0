import { expect, it as base, vi } from "vitest";
import { SUPPLIER_ANSWER_BYTES, SUPPLIER_TIMEOUT_MS } from "../../src/config.ts";
import type { PurchaseOrderDraft } from "../../src/domain/ports.ts";
import { httpSupplier, type HttpSupplierDeps } from "../../src/integrations/http-supplier.ts";
import { standInSupplier } from "../support/stand-in-supplier.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

function gateway(more: Partial<HttpSupplierDeps> = {}) {
  return httpSupplier({
    fetch: (url, init) => fetch(url, init),
    clock: stoppedClock(),
    environment: "production",
    ...more,
  });
}

let made = 0;
const it = base
  .extend("acme", async () => standInSupplier(`acme-${++made}`))
  .extend("draft", ({ acme }): PurchaseOrderDraft => ({
    supplier: acme.supplier,
    url: acme.url,
    secrets: acme.secrets,
    idempotencyKey: `ord_1:${acme.supplier}`,
    orderId: "ord_1",
    currency: "USD",
    lines: [{ sku: "FLT-204", quantity: 12, unitPrice: 1_850 }],
  }));

const unknown = expect.objectContaining({ name: "AppError", code: "DEPENDENCY_FAILED", retryable: true });
const confirmed = { currency: "USD", total: 22_200, lines: [{ sku: "FLT-204", quantity: 12, unitPrice: 1_850 }] };
const accepted = (reference: unknown = expect.any(String)) => ({
  ok: true,
  order: { reference, status: "accepted", confirmed },
});

it("a purchase order is placed with its lines, its total and its key", async ({ expect, acme, draft }) => {
  const placed = await gateway().placePurchaseOrder(draft);

  expect(placed).toEqual(accepted(`${acme.supplier.toUpperCase()}-100001`));
  expect(await acme.ordersUnder(draft.idempotencyKey)).toEqual([
    {
      reference: `${acme.supplier.toUpperCase()}-100001`,
      status: "accepted",
      idempotency_key: draft.idempotencyKey,
      order_id: "ord_1",
      total: 22_200,
      currency: "USD",
      lines: [{ sku: "FLT-204", quantity: 12, unit_price: 1_850 }],
    },
  ]);
});

it("the same key again makes no second purchase order", async ({ expect, acme, draft }) => {
  const first = await gateway().placePurchaseOrder(draft);
  const second = await gateway().placePurchaseOrder(draft);

  expect(second).toEqual(first);
  expect(await acme.ordersUnder(draft.idempotencyKey)).toHaveLength(1);
});

it("the same key with other lines is refused", async ({ expect, acme, draft }) => {
  await gateway().placePurchaseOrder(draft);
  const changed = await gateway().placePurchaseOrder({
    ...draft,
    lines: [{ sku: "FLT-204", quantity: 13, unitPrice: 1 }],
  });

  expect(changed).toEqual({ ok: false, reason: "This Idempotency-Key was used for another body." });
  expect(await acme.ordersUnder(draft.idempotencyKey)).toHaveLength(1);
});

it("twenty placements at once under one key make one purchase order", async ({ expect, acme, draft }) => {
  const all = await Promise.all(Array.from({ length: 20 }, () => gateway().placePurchaseOrder(draft)));

  expect(new Set(all.map((one) => one.ok && one.order.reference)).size).toBe(1);
  expect(await acme.ordersUnder(draft.idempotencyKey)).toHaveLength(1);
});

it("a lost reply is unknown, and the order is then found and not made twice", async ({ expect, acme, draft }) => {
  await acme.switchOn({ lost_reply_next: 1 });

  await expect(gateway().placePurchaseOrder(draft)).rejects.toEqual(unknown);
  const found = await gateway().findPurchaseOrder(acme, draft.idempotencyKey);
  expect(found).toEqual(accepted().order);
  expect(await gateway().placePurchaseOrder(draft)).toEqual(accepted(found?.reference));
  expect(await acme.ordersUnder(draft.idempotencyKey)).toHaveLength(1);
});

it("the order that was never placed is found to be none", async ({ expect, acme }) => {
  expect(await gateway().findPurchaseOrder(acme, "ord_9:acme")).toBeNull();
});

it("failures before acceptance are retryable and the third attempt succeeds", async ({ expect, acme, draft }) => {
  await acme.switchOn({ fail_next: 2 });

  await expect(gateway().placePurchaseOrder(draft)).rejects.toEqual(unknown);
  await expect(gateway().placePurchaseOrder(draft)).rejects.toEqual(unknown);
  expect(await acme.ordersUnder(draft.idempotencyKey)).toEqual([]);
  expect(await gateway().placePurchaseOrder(draft)).toEqual(accepted());
});

it("an order accepted late, after it was cancelled as never placed, is found and cancelled", async ({
  expect,
  acme,
  draft,
}) => {
  await acme.switchOn({ accept_late_ms: 60_000 });

  await expect(gateway().placePurchaseOrder(draft)).rejects.toEqual(unknown);
  expect(await gateway().cancelPurchaseOrder(acme, draft.idempotencyKey)).toEqual({ ok: true });
  expect(await gateway().findPurchaseOrder(acme, draft.idempotencyKey)).toBeNull();

  expect(await acme.acceptLateNow()).toBe(1);
  expect(await gateway().findPurchaseOrder(acme, draft.idempotencyKey)).toMatchObject({ status: "accepted" });
  expect(await gateway().cancelPurchaseOrder(acme, draft.idempotencyKey)).toEqual({ ok: true });
  expect(await gateway().findPurchaseOrder(acme, draft.idempotencyKey)).toMatchObject({ status: "cancelled" });
});

it("the supplier's alarm accepts late without anybody asking", async ({ expect, acme, draft }) => {
  await acme.switchOn({ accept_late_ms: 1 });

  await expect(gateway().placePurchaseOrder(draft)).rejects.toEqual(unknown);
  await vi.waitUntil(async () => (await acme.ordersUnder(draft.idempotencyKey)).length === 1, { timeout: 10_000 });
});

it("a retry that overtakes its own late acceptance makes one purchase order", async ({ expect, acme, draft }) => {
  await acme.switchOn({ accept_late_ms: 60_000 });
  await expect(gateway().placePurchaseOrder(draft)).rejects.toEqual(unknown);
  await acme.switchOn({});
  expect(await gateway().placePurchaseOrder(draft)).toEqual(accepted());

  expect(await acme.acceptLateNow()).toBe(1);
  expect(await acme.ordersUnder(draft.idempotencyKey)).toHaveLength(1);
});

it("scenario 20: a supplier that accepted twice has both orders cancelled", async ({ expect, acme, draft }) => {
  await acme.switchOn({ double_accept: true });
  const first = await gateway().placePurchaseOrder(draft);
  const second = await gateway().placePurchaseOrder(draft);
  expect(second).not.toEqual(first);
  expect({ ok: true, order: await gateway().findPurchaseOrder(acme, draft.idempotencyKey) }).toEqual(first);

  expect(await gateway().cancelPurchaseOrder(acme, draft.idempotencyKey)).toEqual({ ok: true });
  const states = (await acme.ordersUnder(draft.idempotencyKey)).map((order) => order.status);
  expect(states).toEqual(["cancelled", "cancelled"]);
});

it("of a cancelled and a live order under one key the live one is found", async ({ expect, acme, draft }) => {
  await gateway().placePurchaseOrder(draft);
  await gateway().cancelPurchaseOrder(acme, draft.idempotencyKey);
  await acme.switchOn({ double_accept: true });
  const live = await gateway().placePurchaseOrder(draft);

  expect({ ok: true, order: await gateway().findPurchaseOrder(acme, draft.idempotencyKey) }).toEqual(live);
});

it("a placement repeated after its cancelling says that the order is cancelled", async ({ expect, acme, draft }) => {
  await gateway().placePurchaseOrder(draft);
  await gateway().cancelPurchaseOrder(acme, draft.idempotencyKey);

  expect(await gateway().placePurchaseOrder(draft)).toMatchObject({ ok: true, order: { status: "cancelled" } });
  expect(await gateway().cancelPurchaseOrder(acme, draft.idempotencyKey)).toEqual({ ok: true });
});

it("a refusal is a value with the supplier's reason", async ({ expect, acme, draft }) => {
  await acme.switchOn({ refuse: true });

  expect(await gateway().placePurchaseOrder(draft)).toEqual({
    ok: false,
    reason: "We don't deliver to this account at present.",
  });
  expect(await acme.ordersUnder(draft.idempotencyKey)).toEqual([]);
});

it("a refusal to cancel is a value and the order stays live", async ({ expect, acme, draft }) => {
  await gateway().placePurchaseOrder(draft);
  await acme.switchOn({ refuse_to_cancel: true });

  expect(await gateway().cancelPurchaseOrder(acme, draft.idempotencyKey)).toEqual({
    ok: false,
    reason: expect.stringContaining("100001: The goods have left"),
  });
  expect(await gateway().findPurchaseOrder(acme, draft.idempotencyKey)).toMatchObject({ status: "accepted" });
});

it("an answer with another order's number is unknown, and the look-up finds ours", async ({ expect, acme, draft }) => {
  await acme.switchOn({ wrong_order: true });

  await expect(gateway().placePurchaseOrder(draft)).rejects.toEqual(unknown);
  expect(await gateway().findPurchaseOrder(acme, draft.idempotencyKey)).toMatchObject({ status: "accepted" });
});

it.for([
  ["an HTML page", { html: true }],
  ["204 without a body", { no_content: true }],
  ["an answer above the size cap", { too_big: true }],
  ["a redirect", { redirect: true }],
  ["a supplier that is down", { down: true }],
] as const)("%s is a retryable fault for each call, and unhealthy", async ([, switches], { expect, acme, draft }) => {
  await acme.switchOn(switches);

  await expect(gateway().placePurchaseOrder(draft)).rejects.toEqual(unknown);
  await expect(gateway().findPurchaseOrder(acme, draft.idempotencyKey)).rejects.toEqual(unknown);
  await expect(gateway().cancelPurchaseOrder(acme, draft.idempotencyKey)).rejects.toEqual(unknown);
  expect(await gateway().health(acme)).toBe(false);
  await acme.switchOn({});
  expect(await gateway().health(acme)).toBe(true);
});

it("a redirect is not followed", async ({ expect, acme, draft }) => {
  await acme.switchOn({ redirect: true });
  const asked: string[] = [];
  const recording = gateway({ fetch: (url, init) => (asked.push(url), fetch(url, init)) });

  await expect(recording.placePurchaseOrder(draft)).rejects.toThrow("answered with status 307");
  expect(asked).toEqual([`${acme.url}/purchase-orders`]);
});

it("of 10 MB no more is taken than the cap, and the rest is let go", async ({ expect, acme, draft }) => {
  await acme.switchOn({ too_big: true });
  let taken = 0;
  let letGo = false;
  const counting = (body: ReadableStream<Uint8Array>) => {
    const reader = body.getReader();
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const { value, done } = await reader.read();
          taken += value?.byteLength ?? 0;
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => ((letGo = true), reader.cancel(reason)),
      },
      { highWaterMark: 0 },
    );
  };
  const counted = gateway({
    fetch: async (url, init) => {
      const answer = await fetch(url, init);
      return new Response(answer.body && counting(answer.body), answer);
    },
  });

  await expect(counted.placePurchaseOrder(draft)).rejects.toThrow("the answer is larger than 1048576 bytes");
  expect(taken).toBeGreaterThan(SUPPLIER_ANSWER_BYTES);
  expect(taken).toBeLessThan(SUPPLIER_ANSWER_BYTES + 128 * 1024);
  expect(letGo).toBe(true);
});

it("a supplier that asks for fewer requests says when to come again", async ({ expect, acme, draft }) => {
  await acme.switchOn({ rate_limited_s: 17 });

  await expect(gateway().placePurchaseOrder(draft)).rejects.toMatchObject({ retryable: true, retryAfterSeconds: 17 });
});

it("no answer within the time-out is unknown, and the call is abandoned", async ({ expect, acme, draft }) => {
  await acme.switchOn({ delay_ms: 60_000 });
  const clock = stoppedClock();
  let signal: AbortSignal | null | undefined;
  const slow = gateway({ clock, fetch: (url, init) => ((signal = init.signal), fetch(url, init)) });

  const placing = slow.placePurchaseOrder(draft);
  placing.catch(() => undefined); // it is awaited below, after the clock has moved
  clock.move(SUPPLIER_TIMEOUT_MS - 1);
  await acme.switchOn({});
  expect(signal?.aborted).toBe(false);
  clock.move(1);

  await expect(placing).rejects.toEqual(unknown);
  expect(signal?.aborted).toBe(true);
});

it("a slow supplier did the work before its answer was given up", async ({ expect, acme, draft }) => {
  await acme.switchOn({ delay_ms: 60_000 });
  const clock = stoppedClock();
  const placing = gateway({ clock }).placePurchaseOrder(draft);
  placing.catch(() => undefined); // it is awaited below, after the clock has moved
  const page = async () => (await fetch(`${acme.url}/`)).text();
  await vi.waitUntil(async () => (await page()).includes(draft.idempotencyKey), { timeout: 10_000 });
  clock.move(SUPPLIER_TIMEOUT_MS);

  await expect(placing).rejects.toThrow("no answer within 10000 ms");
  await acme.switchOn({});
  expect(await gateway().findPurchaseOrder(acme, draft.idempotencyKey)).toMatchObject({ status: "accepted" });
});
