/** What an order costs when it lands and when it comes, from the request to the supplier and back, over the API. */
import { beforeAll, describe, it } from "vitest";
import { as, approveAll, env, requestIs, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { drive, giveSelfLimit, MANAGER, orderView, seedPart, settled } from "../support/saga-world.ts";
import { standInSupplier } from "../support/stand-in-supplier.ts";
import { uploadLines } from "../support/uploading.ts";
import { testClock } from "../support/world.ts";

const DAY_MS = 86_400_000;
const day = (after: number) => new Date(testClock.now() + after * DAY_MS).toISOString().slice(0, 10);
const run = (text: string, ...values: unknown[]) =>
  env.DB.prepare(text)
    .bind(...values)
    .run();

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
  const rate = { from: "EUR", to: "USD", as_of: "2026-02-01", rate: "1.085000001" };
  const set = await as("ops", "POST", "/api/exchange-rates", rate);
  if (set.status !== 200) throw new Error(JSON.stringify(set.body));
});

let numbers = 0;

/** A part at 10.00 that this supplier of its own sells, lead time 2 days. `terms`: columns of the supplier. */
async function soldPart(name: string, terms: Readonly<Record<string, number | string>> = {}, price = 1_000) {
  const supplier = `sup-${name.toLowerCase()}`;
  await seedPart(name, { price, offeredBy: [supplier] });
  for (const [column, value] of Object.entries(terms)) {
    await run(`UPDATE suppliers SET ${column} = ? WHERE id = ?`, value, supplier);
  }
  if (terms["currency"] !== undefined) {
    await run("UPDATE supplier_parts SET currency = ? WHERE supplier = ?", terms["currency"], supplier);
  }
  return { sku: name, supplier };
}

const order = (lines: readonly object[], more: object = {}, who = MANAGER) =>
  as(who, "POST", "/api/orders", { order_number: `PUR-${++numbers}`, device_id: "truck-001", lines, ...more });

const ask = (lines: readonly object[], more: object = {}) =>
  as("truck-001", "POST", "/api/requests", {
    request_number: `PUR-${++numbers}`,
    device_id: "truck-001",
    lines,
    ...more,
  });

async function completed(lines: readonly object[], more: object = {}) {
  const placed = await order(lines, more);
  if (placed.status !== 202) throw new Error(JSON.stringify(placed.body));
  await drive(placed.body.order_id);
  return orderView(placed.body.order_id);
}

const usd = (amount: number) => ({ amount, currency: "USD" });

describe("freight", () => {
  it("is in the order's total, on the supplier's first line and in its purchase order", async ({ expect }) => {
    const { sku, supplier } = await soldPart("FRT-1", { freight_flat: 1_500, freight_per_line: 50 });
    const view = await completed([
      { sku, quantity: 2 },
      { sku, quantity: 3 },
    ]);
    expect(view).toMatchObject({ status: "Completed", total: usd(5 * 1_000 + 1_550) });
    expect(view.lines).toMatchObject([
      { amount: usd(3_550), freight: usd(1_550), reason: expect.stringContaining("freight 15.50 USD for this part") },
      { amount: usd(3_000), freight: usd(0) },
    ]);
    const [bought] = view.purchase_orders;
    const po = (await as("ops", "GET", `/api/purchase-orders/${bought.id}`)).body;
    expect(po).toMatchObject({ total: usd(6_550), freight: usd(1_550), lines: [{ sku, quantity: 5 }] });
    const [there] = await standInSupplier(supplier).ordersUnder(`${view.order_id}:${supplier}`);
    expect(there?.lines).toEqual([{ sku, quantity: 5, unit_price: 1_000 }]);
  });

  it("counts for the own limit of a direct order, and for who must approve a request", async ({ expect }) => {
    const { sku } = await soldPart("FRT-2", { freight_flat: 95_000 });
    const over = await order([{ sku, quantity: 6 }]);
    expect([over.status, over.body.code]).toEqual([403, "OVER_LIMIT"]);
    expect(over.body.detail).toContain("the order costs 1010.00 USD");
    const { sku: small } = await soldPart("FRT-3", { freight_flat: 500 });
    const asked = await ask([{ sku: small, quantity: 9 }]);
    await approveAll(asked.body.request_id);
    expect(await requestIs(asked.body.request_id, "completed")).toMatchObject({ total: usd(9_500), approvals: [] });
    const more = await ask([{ sku: small, quantity: 10 }]);
    const waits = await requestIs(more.body.request_id, "awaiting_approval");
    expect(waits).toMatchObject({ total: usd(10_500), approvals: [{ rule: "amount-above-100" }] });
    await approveAll(more.body.request_id);
    await requestIs(more.body.request_id, "completed");
    const { body } = await as("truck-001", "GET", `/api/requests/${more.body.request_id}/response`);
    expect(body).toMatchObject({ total: usd(10_500), lines: [{ freight: usd(500) }] });
    await settled();
    expect(await violations(env.DB)).toEqual([]);
  });
});

describe("a supplier in another currency", () => {
  it("is counted in the order's, and is asked in its own currency at its own prices", async ({ expect }) => {
    const { sku, supplier } = await soldPart("EUR-1", { currency: "EUR", freight_flat: 250 }, 333);
    const view = await completed([{ sku, quantity: 7 }]);
    // 7 × 3.33 EUR = 25.29… USD, 2.50 EUR = 2.71… USD; both rounded up.
    expect(view).toMatchObject({ status: "Completed", total: usd(2_530 + 272) });
    expect(view.lines[0].reason).toContain("23.31 EUR, 25.30 USD at 1.085000001 of 2026-02-01, rounded up");
    const [bought] = view.purchase_orders;
    const po = (await as("ops", "GET", `/api/purchase-orders/${bought.id}`)).body;
    expect(po.total).toEqual({ amount: 7 * 333 + 250, currency: "EUR" });
    expect(po.lines).toMatchObject([{ unit_price: { amount: 333, currency: "EUR" } }]);
    const [there] = await standInSupplier(supplier).ordersUnder(`${view.order_id}:${supplier}`);
    expect(there).toMatchObject({ currency: "EUR", lines: [{ sku, quantity: 7, unit_price: 333 }] });
  });

  it("is converted by the newest rate that holds today; rates are set by operations, each once a day", async ({
    expect,
  }) => {
    const rate = (as_of: string, text: string) => ({ from: "GBP", to: "USD", as_of, rate: text });
    const typo = await as("ops", "POST", "/api/exchange-rates", rate(day(0), "1.1"));
    expect([typo.status, typo.body.detail]).toEqual([422, "no supplier sells in GBP"]);
    const { sku } = await soldPart("GBP-1", { currency: "GBP" }, 800);
    for (const one of [rate(day(-9), "1.1"), rate(day(-1), "1.2"), rate(day(-1), "1.25"), rate(day(1), "9")])
      expect((await as("ops", "POST", "/api/exchange-rates", one)).status).toBe(200);
    expect(await completed([{ sku, quantity: 1 }])).toMatchObject({ total: usd(1_000) });
    const { data } = (await as(MANAGER, "GET", "/api/exchange-rates")).body;
    expect(data.filter(({ from }: { from: string }) => from === "GBP")).toEqual([
      rate(day(1), "9"),
      rate(day(-1), "1.25"),
      rate(day(-9), "1.1"),
    ]);
    expect((await as(MANAGER, "POST", "/api/exchange-rates", rate(day(0), "1"))).status).toBe(403);
    for (const wrong of [{ ...rate(day(0), "0") }, { ...rate(day(0), "1"), to: "GBP" }, rate("someday", "1")])
      expect((await as("ops", "POST", "/api/exchange-rates", wrong)).status).toBe(422);
  });

  it("without a rate can't be ordered from, and the refusal says so", async ({ expect }) => {
    const { sku } = await soldPart("CHF-1", { currency: "CHF" });
    const refused = await order([{ sku, quantity: 1 }]);
    expect([refused.status, refused.body.code]).toEqual([422, "UNKNOWN_REFERENCE"]);
    expect(refused.body.errors[0].detail).toContain("sup-chf-1 sells in CHF, for which there is no rate to USD");
  });

  it("in an approved request is bound to its own terms: what is ordered hashes to what was approved", async ({
    expect,
  }) => {
    const { sku } = await soldPart("EUR-2", { currency: "EUR", freight_flat: 250 }, 9_999);
    const asked = await ask([{ sku, quantity: 3 }]);
    expect((await approveAll(asked.body.request_id)).length).toBeGreaterThan(0);
    await requestIs(asked.body.request_id, "completed");
    await settled();
    expect(await violations(env.DB)).toEqual([]);
  });
});

describe("the day on which it is needed", () => {
  it("goes from the line to the choice, its reason, the purchase order and the response", async ({ expect }) => {
    const { sku, supplier } = await soldPart("DUE-1");
    await run("INSERT INTO suppliers(id, name, url) VALUES ('sup-slow', 'Slow', ?)", standInSupplier("sup-slow").url);
    await run("INSERT INTO supplier_parts(supplier, sku, unit, lead_time_days) VALUES ('sup-slow', ?, 'each', 9)", sku);
    await run("INSERT INTO price_breaks VALUES ('sup-slow', ?, 1, 1)", sku);
    const asked = await ask([{ sku, quantity: 1, needed_by: day(4) }], { needed_by: day(30) });
    await requestIs(asked.body.request_id, "completed");
    const { body } = await as("truck-001", "GET", `/api/requests/${asked.body.request_id}/response`);
    expect(body.lines).toMatchObject([{ supplier, available_on: day(2), needed_by: day(4), late: false }]);
    expect(body.lines[0].reason).toContain(`in time for ${day(4)}`);
    expect(body.lines[0].reason).toContain(`too late: sup-slow 0.01 USD on ${day(9)}`);
    const view = await orderView(body.order_id);
    const po = (await as("ops", "GET", `/api/purchase-orders/${view.purchase_orders[0].id}`)).body;
    expect(po.lines).toMatchObject([{ due_at: day(2) }]);
    expect(view.lines).toMatchObject([{ needed_by: day(4), late: false }]);
  });

  it("that nobody can meet is said to be missed, by the earliest", async ({ expect }) => {
    const { sku } = await soldPart("DUE-2");
    const view = await completed([{ sku, quantity: 1 }], { needed_by: day(1) });
    expect(view.lines).toMatchObject([{ needed_by: day(1), available_on: day(2), late: true }]);
    expect(view.lines[0].reason).toContain(`late for ${day(1)}: no supplier covers it in time, this is the earliest`);
  });

  it("is held against the measured lead time once five receipts show it, with both figures", async ({ expect }) => {
    const { sku } = await soldPart("DUE-3");
    await run("UPDATE supplier_parts SET arrivals = '[6,6,7,8,6]' WHERE sku = ?", sku);
    const view = await completed([{ sku, quantity: 1 }], { needed_by: day(3) });
    expect(view.lines).toMatchObject([{ available_on: day(7), late: true }]);
    expect(view.lines[0].reason).toContain("(2 days stated, 7 measured over 5 receipts)");
  });

  it("in the past is refused by its field, in a body and in a file", async ({ expect }) => {
    const { sku } = await soldPart("DUE-4");
    const lines = [{ sku, quantity: 1, needed_by: day(-2) }];
    const refused = await ask(lines, { needed_by: "2020-01-01" });
    expect([refused.status, refused.body.code]).toEqual([422, "VALIDATION"]);
    expect(refused.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      "/needed_by",
      "/lines/0/needed_by",
    ]);
    const direct = await order([{ sku, quantity: 1 }], { needed_by: "2020-01-01" });
    expect([direct.status, direct.body.errors[0].pointer]).toEqual([422, "/needed_by"]);
    const file = await as(
      "truck-001",
      "POST",
      "/api/uploads?device_id=truck-001",
      `sku,quantity,needed_by\n${sku},1,2020-01-01`,
      { "content-type": "text/csv" },
    );
    const back = await requestIs(file.body.request_id, "needs_clarification");
    expect(back.problems).toMatchObject([{ line: 2, detail: expect.stringContaining("2020-01-01 is in the past") }]);
  });
});

describe("what can't be bought", () => {
  it("an order of no line or of 10,000 lines is refused", async ({ expect }) => {
    const { sku } = await soldPart("LIM-1");
    const many = Array.from({ length: 10_000 }, () => ({ sku, quantity: 1 }));
    for (const lines of [[], many]) {
      for (const answer of [await order(lines), await ask(lines)]) {
        expect([answer.status, answer.body.code]).toEqual([422, "VALIDATION"]);
        expect(answer.body.errors[0].pointer).toBe("/lines");
      }
    }
    const file = await uploadLines(
      "truck-001",
      "truck-001",
      many.map(() => [sku, 1] as const),
    );
    const back = await requestIs(file, "needs_clarification");
    expect(back.problems[0].detail).toContain("more than 1000 lines");
  });

  it.for([
    [
      "beyond the largest order",
      "UPDATE supplier_parts SET max_order_quantity = 9 WHERE sku = ?",
      "largest orders don't cover 10: ",
    ],
    ["without a price", "DELETE FROM price_breaks WHERE sku = ?", "has no price"],
    ["of an inactive supplier", "UPDATE suppliers SET active = 0 WHERE id = 'sup-' || lower(?)", "is inactive"],
    [
      "at an amount that can't be counted",
      "UPDATE price_breaks SET unit_price = 9007199254740991 WHERE sku = ?",
      "the amount is too large to handle",
    ],
  ] as const)("%s is refused with the reason", async ([, change, reason], { expect }) => {
    const { sku } = await soldPart(`BAD-${++numbers}`);
    await run(change, sku);
    const refused = await order([{ sku, quantity: 10 }]);
    expect([refused.status, refused.body.code]).toEqual([422, "UNKNOWN_REFERENCE"]);
    expect(refused.body.errors).toMatchObject([{ pointer: "/lines/0", detail: expect.stringContaining(reason) }]);
    const asked = await ask([{ sku, quantity: 10 }]);
    const back = await requestIs(asked.body.request_id, "needs_clarification");
    expect(back.problems).toMatchObject([{ line: 1, value: sku, detail: expect.stringContaining(reason) }]);
  });

  it.for([
    ["without an address", "url = NULL", "it has no address"],
    ["without TLS", "url = 'http://cheap.example'", "without TLS only this machine is called"],
    ["that names no secret", "adapter = 'http-supplier'", "it names no secret to sign with"],
    ["whose secret isn't there", "secret_name = 'gone'", "its secret gone isn't among SUPPLIER_SECRETS"],
  ] as const)("of the cheapest supplier, %s, is bought of the next one, and the reason says why", async (one, ctx) => {
    const { expect } = ctx;
    const [, change, why] = one;
    const { sku, supplier } = await soldPart(`CALL-${++numbers}`);
    const cheap = `cheap-${numbers}`;
    await run("INSERT INTO suppliers(id, name, url) VALUES (?1, ?1, ?2)", cheap, standInSupplier(cheap).url);
    await run("INSERT INTO supplier_parts(supplier, sku, unit, lead_time_days) VALUES (?, ?, 'each', 2)", cheap, sku);
    await run("INSERT INTO price_breaks VALUES (?, ?, 1, 1)", cheap, sku);
    await run(`UPDATE suppliers SET ${change} WHERE id = ?`, cheap);
    const reason = expect.stringContaining(`${cheap} can't be ordered from: `) as string;
    const view = await completed([{ sku, quantity: 1 }]);
    expect(view).toMatchObject({ status: "Completed", lines: [{ supplier, reason }] });
    expect(view.lines[0].reason).toContain(why);
    const asked = await ask([{ sku, quantity: 1 }]);
    await requestIs(asked.body.request_id, "completed");
    const { body } = await as("truck-001", "GET", `/api/requests/${asked.body.request_id}/response`);
    expect(body.lines).toMatchObject([{ supplier, reason }]);
  });

  it("of a supplier that became inactive after the approval isn't bought: the order ends with the reason", async ({
    expect,
  }) => {
    const { sku, supplier } = await soldPart("OFF-1", {}, 20_000);
    const asked = await ask([{ sku, quantity: 1 }]);
    await requestIs(asked.body.request_id, "awaiting_approval");
    await run("UPDATE suppliers SET active = 0 WHERE id = ?", supplier);
    await approveAll(asked.body.request_id);
    const ended = await requestIs(asked.body.request_id, "failed");
    expect(ended.reason).toContain(`${supplier} has become inactive: nothing is bought there any more`);
    expect(await standInSupplier(supplier).ordersUnder(`${ended.order_id}:${supplier}`)).toEqual([]);
  });

  it("a discontinued part is taken from stock, and nothing of it is bought", async ({ expect }) => {
    await soldPart("GONE-9");
    await run("UPDATE parts SET discontinued = 1 WHERE sku = 'GONE-9'");
    await seedPart("GONE-8", {
      shelves: [{ location: "warehouse-03", bin: "Bin-G", quantity: 2 }],
      offeredBy: ["sup-gone-9"],
    });
    await run("UPDATE parts SET discontinued = 1 WHERE sku = 'GONE-8'");
    expect((await completed([{ sku: "GONE-8", quantity: 2 }])).lines).toMatchObject([{ source: "stock" }]);
    for (const sku of ["GONE-8", "GONE-9"]) {
      const refused = await order([{ sku, quantity: 1 }]);
      expect(refused.status).toBe(422);
      expect(refused.body.errors[0].detail).toBe(
        `1 asked in all, 0 in stock in north; for the rest nothing is bought: ${sku} is discontinued.`,
      );
    }
  });

  it("a superseded part is ordered as its successor over any number of steps, and says so; a circle is refused", async ({
    expect,
  }) => {
    await soldPart("NEW-3");
    for (const [old, next] of [
      ["OLD-2", "NEW-3"],
      ["OLD-1", "OLD-2"],
    ] as const) {
      await seedPart(old);
      await run("UPDATE parts SET superseded_by = ?, discontinued = 1 WHERE sku = ?", next, old);
    }
    const view = await completed([{ sku: "OLD-1", quantity: 1 }]);
    expect(view.lines).toMatchObject([
      { sku: "NEW-3", reason: expect.stringMatching(/^OLD-1 is superseded by NEW-3; Bought from sup-new-3/) },
    ]);
    const asked = await ask([{ sku: "OLD-1", quantity: 1 }]);
    await requestIs(asked.body.request_id, "completed");
    const { body } = await as("truck-001", "GET", `/api/requests/${asked.body.request_id}/response`);
    expect(body.lines).toMatchObject([{ sku: "NEW-3" }]);
    await run("UPDATE parts SET superseded_by = 'OLD-1' WHERE sku = 'NEW-3'");
    const circle = await order([{ sku: "OLD-1", quantity: 1 }]);
    expect(circle.status).toBe(422);
    expect(circle.body.errors[0].detail).toBe(
      "The catalogue's replacements go round in a circle: OLD-1 → OLD-2 → NEW-3 → OLD-1.",
    );
    await settled();
    expect(await violations(env.DB)).toEqual([]);
  });
});
