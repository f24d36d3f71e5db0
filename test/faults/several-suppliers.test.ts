import { beforeAll, it } from "vitest";
import { as, env, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { drive, giveSelfLimit, journalOf, MANAGER, orderView, seedPart, settled } from "../support/saga-world.ts";
import { standInSupplier, type StandInSupplier } from "../support/stand-in-supplier.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});

let names = 0;

/** An order of two parts of each of three suppliers, which no stock covers. */
async function orderOfThree() {
  const name = `three-${++names}`;
  const suppliers = ["a", "b", "c"].map((letter) => standInSupplier(`${name}-${letter}`));
  const skus = suppliers.flatMap(({ supplier }) => [`${supplier}-1`, `${supplier}-2`]);
  for (const [index, sku] of skus.entries()) {
    await seedPart(sku, { offeredBy: [suppliers[Math.floor(index / 2)]?.supplier ?? ""], price: 100 * (index + 1) });
  }
  const place = async (): Promise<string> => {
    const lines = skus.map((sku, index) => ({ sku, quantity: index + 1 }));
    const placed = await as(MANAGER, "POST", "/api/orders", { order_number: name, device_id: "truck-001", lines });
    return placed.body.order_id;
  };
  return { suppliers: suppliers as [StandInSupplier, StandInSupplier, StandInSupplier], place };
}

const booked = (orderId: string, suppliers: readonly StandInSupplier[]) =>
  Promise.all(
    suppliers.map(async (at) =>
      (await at.ordersUnder(`${orderId}:${at.supplier}`)).map(({ status, total, lines }) => ({
        status,
        total,
        skus: lines.map(({ sku }) => sku),
      })),
    ),
  );

it("an order of three suppliers places one purchase order with each, of its own lines", async ({ expect }) => {
  const { suppliers, place } = await orderOfThree();
  const orderId = await place();
  expect((await drive(orderId)).status).toBe("Completed");

  const skusOf = ({ supplier }: StandInSupplier) => [`${supplier}-1`, `${supplier}-2`];
  expect(await booked(orderId, suppliers)).toEqual([
    [{ status: "accepted", total: 1 * 100 + 2 * 200, skus: skusOf(suppliers[0]) }],
    [{ status: "accepted", total: 3 * 300 + 4 * 400, skus: skusOf(suppliers[1]) }],
    [{ status: "accepted", total: 5 * 500 + 6 * 600, skus: skusOf(suppliers[2]) }],
  ]);
  for (const at of suppliers) expect(await at.calls()).toMatchObject({ "POST purchase-orders": 1 });
  const { results } = await env.DB.prepare(
    "SELECT supplier, total FROM purchase_orders WHERE order_id = ? ORDER BY supplier",
  )
    .bind(orderId)
    .all();
  expect(results).toEqual([
    { supplier: suppliers[0].supplier, total: 500 },
    { supplier: suppliers[1].supplier, total: 2_500 },
    { supplier: suppliers[2].supplier, total: 6_100 },
  ]);
  await settled();
  expect(await violations(env.DB)).toEqual([]);
});

it.for([0, 1, 2] as const)(
  "when supplier %i of three refuses, what the others accepted is cancelled there, and the order says who refused",
  async (refusing, { expect }) => {
    const { suppliers, place } = await orderOfThree();
    await suppliers[refusing].switchOn({ refuse: true });
    const orderId = await place();
    await drive(orderId);

    const name = suppliers[refusing].supplier;
    expect(await orderView(orderId)).toMatchObject({
      status: "Cancelled",
      error: {
        step: `purchase:${name}`,
        code: "SUPPLIER_REFUSED",
        reason: `${name}: We don't deliver to this account at present.`,
      },
    });
    const statuses = (await booked(orderId, suppliers)).map((orders) => orders.map(({ status }) => status));
    expect(statuses).toEqual([0, 1, 2].map((at) => (at < refusing ? ["cancelled"] : [])));
    const last = new Map((await journalOf(orderId)).map(({ step, state }) => [step, state]));
    for (const [at, { supplier }] of suppliers.entries()) {
      expect(last.get(`purchase:${supplier}`)).toBe(at <= refusing ? "compensated" : undefined);
    }
    await settled();
    expect(await violations(env.DB)).toEqual([]);
  },
);

it("when one of the others won't take its order back, the third is cancelled all the same, and a person is told which is left", async ({
  expect,
}) => {
  const { suppliers, place } = await orderOfThree();
  await suppliers[1].switchOn({ refuse_to_cancel: true });
  await suppliers[2].switchOn({ wrong_price: true });
  const orderId = await place();
  await drive(orderId);

  expect(await orderView(orderId)).toMatchObject({
    status: "NeedsAttention",
    error: { step: `purchase:${suppliers[2].supplier}`, reason: expect.stringContaining("confirmed") },
  });
  const statuses = (await booked(orderId, suppliers)).map((orders) => orders.map(({ status }) => status));
  expect(statuses).toEqual([["cancelled"], ["accepted"], ["cancelled"]]);
  const left = (await journalOf(orderId)).filter(({ state }) => state === "compensation_failed");
  expect(left).toMatchObject([
    { step: `purchase:${suppliers[1].supplier}`, detail: expect.stringContaining("The goods have left") },
  ]);
  await settled();
  expect(await violations(env.DB)).toEqual([]);
});
