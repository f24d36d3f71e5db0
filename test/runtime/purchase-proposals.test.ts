/** What waiting requests could buy together: seen by a buyer of the region, exact, and acted on by a direct order. */
import { beforeAll, it } from "vitest";
import { aroundDatabase } from "../support/bindings.ts";
import { approveAll, as, env, requestIs, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { expectProblem } from "../support/problem.ts";
import { drive, giveSelfLimit, MANAGER, orderView, seedPart, settled } from "../support/saga-world.ts";
import { testClock, wrapBindings } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await seedPart("BULK-1", { price: 2_000, offeredBy: ["sup-bulk"] });
  await env.DB.batch([
    env.DB.prepare("UPDATE supplier_parts SET moq = 10, pack = 5 WHERE sku = 'BULK-1'"),
    env.DB.prepare("INSERT INTO price_breaks VALUES ('sup-bulk', 'BULK-1', 15, 1500)"),
    env.DB.prepare("UPDATE suppliers SET freight_flat = 4000 WHERE id = 'sup-bulk'"),
  ]);
});

const proposalsOf = async (who: string) => (await as(who, "GET", "/api/purchase-proposals")).body;
const usd = (amount: number) => ({ amount, currency: "USD" });

async function askFor(device: string, quantity: number): Promise<string> {
  const body = { request_number: `BUN-${device}-${quantity}`, device_id: device, lines: [{ sku: "BULK-1", quantity }] };
  const { request_id: id } = (await as(device, "POST", "/api/requests", body)).body;
  await requestIs(id, "awaiting_approval");
  return id;
}

it("two requests for one part are proposed as one purchase for the shelf, which is then one order, once", async ({
  expect,
}) => {
  expect(await proposalsOf(MANAGER)).toEqual({ data: [], meta: { count: 0, requests: 0, more_wait: false } });
  const first = await askFor("truck-001", 7);
  expect((await proposalsOf(MANAGER)).data).toEqual([]);
  const second = await askFor("truck-002", 8);

  const { data, meta } = await proposalsOf(MANAGER);
  expect(meta).toEqual({ count: 1, requests: 2, more_wait: false });
  // Apart: 10 at 20.00 and 40.00 freight, twice. Together: 15 at 15.00, the price from 15 on, and 40.00 freight.
  const [proposal] = data;
  expect(proposal).toMatchObject({
    region: "north",
    requests: [
      { request_id: first, destination: "truck-001" },
      { request_id: second, destination: "truck-002" },
    ],
    separately: usd(2 * (20_000 + 4_000)),
    together: usd(15 * 1_500 + 4_000),
    saved: usd(48_000 - 26_500),
    freight: { separately: usd(8_000), together: usd(4_000), saved: usd(4_000) },
    parts: [
      {
        sku: "BULK-1",
        quantity: 15,
        requests: [first, second],
        separately: { order_quantity: 20, waste: 5, amount: usd(40_000) },
        together: { order_quantity: 15, waste: 0, amount: usd(22_500) },
        waste_saved: 5,
        purchases: [{ supplier: "sup-bulk", order_quantity: 15, unit_price: usd(1_500), price_from: 15 }],
      },
    ],
    act: {
      method: "POST",
      path: "/api/orders",
      body: { device_id: "warehouse-01", source: "purchase", lines: [{ sku: "BULK-1", quantity: 15 }] },
    },
  });
  expect(await proposalsOf(MANAGER)).toEqual({ data, meta });
  for (const id of [first, second]) await requestIs(id, "awaiting_approval");

  const { body } = proposal.act;
  expectProblem(expect, await as(MANAGER, "POST", "/api/orders", body), 403, "OVER_LIMIT");
  await giveSelfLimit(MANAGER, 26_500);
  const placed = await as(MANAGER, "POST", "/api/orders", body);
  expect(placed.status).toBe(202);
  await drive(placed.body.order_id);
  const order = await orderView(placed.body.order_id);
  expect(order).toMatchObject({ status: "Completed", destination: "warehouse-01", total: proposal.together });
  expect(order.purchase_orders).toHaveLength(1);
  expectProblem(expect, await as(MANAGER, "POST", "/api/orders", body), 409, "DUPLICATE");

  await approveAll(first, "reject");
  expect((await proposalsOf(MANAGER)).data).toEqual([]);
  await approveAll(second);
  await requestIs(second, "completed");
  await settled();
  expect(await violations(env.DB)).toEqual([]);
});

it("different days are each line's own: what is ordered costs what was proposed", async ({ expect }) => {
  await seedPart("SOON-1", { price: 2_000, offeredBy: ["sup-days"] });
  await seedPart("LATER-1", { price: 9_000, offeredBy: ["sup-days"] });
  await seedPart("LATER-2", { price: 1_000, offeredBy: ["sup-patient"] });
  const days = (after: number) => new Date(testClock.now() + after * 86_400_000).toISOString().slice(0, 10);
  // The cheap offer of LATER-1 comes in nine days: late for what SOON-1 is needed for, not for LATER-1.
  await env.DB.batch([
    env.DB.prepare("UPDATE suppliers SET freight_flat = 1000 WHERE id IN ('sup-days', 'sup-patient')"),
    env.DB.prepare(
      "INSERT INTO supplier_parts(supplier, sku, unit, lead_time_days) VALUES ('sup-patient', ?, 'each', 9)",
    ).bind("LATER-1"),
    env.DB.prepare(
      "INSERT INTO price_breaks(supplier, sku, min_quantity, unit_price) VALUES ('sup-patient', ?, 1, 100)",
    ).bind("LATER-1"),
  ]);
  const asks: readonly (readonly [string, readonly (readonly [string, number])[]])[] = [
    [
      "truck-001",
      [
        ["SOON-1", 4],
        ["LATER-1", 20],
      ],
    ],
    [
      "truck-002",
      [
        ["SOON-1", 20],
        ["LATER-1", 12],
        ["LATER-2", 12],
      ],
    ],
  ];
  const asked: string[] = [];
  for (const [device, lines] of asks) {
    const answer = await as(device, "POST", "/api/requests", {
      request_number: `DAYS-${device}`,
      device_id: device,
      lines: lines.map(([sku, quantity]) => ({ sku, quantity, needed_by: days(sku === "SOON-1" ? 3 : 15) })),
    });
    asked.push(answer.body.request_id);
    await requestIs(answer.body.request_id, "awaiting_approval");
  }
  const [proposal, ...rest] = (await proposalsOf(MANAGER)).data;
  expect(rest).toEqual([]);
  expect(proposal).toMatchObject({
    needed_by: days(3),
    together: usd(24 * 2_000 + 1_000 + 32 * 100 + 12 * 1_000 + 1_000),
    parts: [
      { sku: "SOON-1", needed_by: days(3) },
      { sku: "LATER-1", needed_by: days(15), purchases: [{ supplier: "sup-patient" }] },
      { sku: "LATER-2", needed_by: days(15) },
    ],
  });
  await giveSelfLimit(MANAGER, 100_000);
  const placed = await as(MANAGER, "POST", "/api/orders", proposal.act.body);
  expect(placed.status).toBe(202);
  await drive(placed.body.order_id);
  expect(await orderView(placed.body.order_id)).toMatchObject({
    status: "Completed",
    total: proposal.together,
    lines: [
      { sku: "SOON-1", needed_by: days(3), late: false },
      { sku: "LATER-1", needed_by: days(15), late: false },
      { sku: "LATER-2", needed_by: days(15), late: false },
    ],
  });
  for (const id of asked) await approveAll(id, "reject");
});

it("is seen by buyers of the region only, and by nobody who doesn't buy", async ({ expect }) => {
  await askFor("truck-003", 7);
  const more = { request_number: "BUN-4", device_id: "truck-001", lines: [{ sku: "BULK-1", quantity: 9 }] };
  await requestIs((await as("truck-001", "POST", "/api/requests", more)).body.request_id, "awaiting_approval");
  for (const who of [MANAGER, "manager-national", "ops", "admin"])
    expect((await proposalsOf(who)).data).toHaveLength(1);
  await env.DB.prepare("UPDATE requests SET region = 'south' WHERE request_number = 'BUN-4'").run();
  expect((await proposalsOf(MANAGER)).data).toEqual([]);
  expect((await proposalsOf("manager-national")).meta.requests).toBe(2);
  await env.DB.prepare("UPDATE requests SET region = 'north' WHERE request_number = 'BUN-4'").run();
  for (const who of ["truck-001", "tech-north", "keeper-03", "integrator"])
    expectProblem(expect, await as(who, "GET", "/api/purchase-proposals"), 403, "FORBIDDEN");
});

it("the rates of the day are read once, however many regions wait", async ({ expect }) => {
  await env.DB.prepare("UPDATE requests SET region = 'south' WHERE request_number = 'BUN-4'").run();
  let reads = 0;
  wrapBindings({
    DB: (real) =>
      aroundDatabase(real, (call, sql) => {
        reads += sql.filter((one) => one.includes("exchange_rates")).length;
        return call();
      }),
  });
  expect((await proposalsOf("ops")).meta.requests).toBe(2); // one of each region
  wrapBindings({});
  await env.DB.prepare("UPDATE requests SET region = 'north' WHERE request_number = 'BUN-4'").run();
  expect(reads).toBe(1);
});

it("no further request is looked at once the older ones hold 2,000 allocations, and the answer says so", async ({
  expect,
}) => {
  // Two requests of one allocation each wait already.
  const ids = [await askFor("truck-001", 71), await askFor("truck-002", 72), await askFor("truck-003", 73)];
  const hold = (id: string | undefined, copies: number) =>
    env.DB.prepare(
      `UPDATE requests SET context = json_set(context, '$.trusted.sources.allocations', json('[' || substr(replace(
         hex(zeroblob(?)), '00', ',' || json_extract(context, '$.trusted.sources.allocations[0]')), 2) || ']')) WHERE id = ?`,
    ).bind(copies, id);
  await env.DB.batch([hold(ids[0], 1_000), hold(ids[1], 997)]);
  expect((await proposalsOf(MANAGER)).meta).toMatchObject({ requests: 5, more_wait: false });
  await hold(ids[1], 998).run();
  const { data, meta } = await proposalsOf(MANAGER);
  expect(meta).toMatchObject({ requests: 4, more_wait: true });
  expect(JSON.stringify(data)).not.toContain(ids[2]);
});
