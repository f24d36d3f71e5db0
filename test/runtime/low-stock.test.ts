import { afterEach, beforeAll, it } from "vitest";
import { command } from "../support/commands.ts";
import { faultyD1 } from "../support/faulty-d1.ts";
import { as, env, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import {
  drive,
  giveSelfLimit,
  MANAGER,
  mixedOrder,
  sagaOf,
  seedMixedParts,
  seedPart,
  settled,
} from "../support/saga-world.ts";
import { openSocket } from "../support/socket.ts";
import { sent, updateInventory } from "../support/stock.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
});

afterEach(async ({ expect }) => {
  wrapBindings({});
  await settled();
  expect(await violations(env.DB)).toEqual([]);
  expect((await as("ops", "GET", "/api/ops/recount")).body.data).toEqual([]);
});

let parts = 0;

/** 10 pieces in one bin of warehouse-03. */
async function newPart(): Promise<string> {
  const sku = `LOW-${++parts}`;
  await seedPart(sku, { price: 100, shelves: [{ location: "warehouse-03", bin: "Bin-1", quantity: 10 }] });
  return sku;
}

function setMinimum(sku: string, minimum: number, device = "warehouse-03") {
  return sent(device, command("SetMinimum", { device_id: device, sku, minimum }));
}

const change = (sku: string, by: number) => sent("warehouse-03", updateInventory("warehouse-03", sku, by, "Bin-1"));

/** The figures of each crossing that was told, in order. */
async function crossings(sku: string, location = "warehouse-03") {
  const { results } = await env.DB.prepare(
    `SELECT event ->> '$.data.on_hand' AS on_hand, event ->> '$.data.reserved' AS reserved,
       event ->> '$.data.incoming' AS incoming, event ->> '$.data.minimum' AS minimum
     FROM outbox WHERE type = 'StockBelowMinimum' AND subject = ? ORDER BY seq`,
  )
    .bind(`stock/${sku}@${location}`)
    .all<{ on_hand: number; reserved: number; incoming: number; minimum: number }>();
  return results;
}

const isLow = async (sku: string, location = "warehouse-03") =>
  (await as("ops", "GET", `/api/stock?sku=${sku}&location=${location}&low=true`)).body.data.length === 1;

it("is told once when a place falls below its minimum, not again while it stays low, and again after it recovered", async ({
  expect,
}) => {
  const socket = await openSocket("truck-001");
  await socket.frame("welcome");
  const sku = await newPart();
  const set = await setMinimum(sku, 5);
  expect(set.result).toMatchObject({ minimum: 5, maximum: null, on_hand: 10, low: false });
  await change(sku, -5);
  expect([await crossings(sku), await isLow(sku)]).toEqual([[], false]);
  await change(sku, -1);
  expect(await crossings(sku)).toEqual([{ on_hand: 4, reserved: 0, incoming: 0, minimum: 5 }]);
  const heard = await socket.event("StockBelowMinimum", ({ type }) => type === "StockBelowMinimum");
  expect(heard).toMatchObject({ subject: `stock/${sku}@warehouse-03`, data: { sku, on_hand: 4, minimum: 5 } });
  await change(sku, -1);
  await change(sku, 1);
  expect([(await crossings(sku)).length, await isLow(sku)]).toEqual([1, true]);
  await change(sku, 1);
  expect(await isLow(sku)).toBe(false);
  await change(sku, -2);
  expect(await crossings(sku)).toEqual([
    { on_hand: 4, reserved: 0, incoming: 0, minimum: 5 },
    { on_hand: 3, reserved: 0, incoming: 0, minimum: 5 },
  ]);
  await until("the keeper and the region's managers are told of each crossing once", async () => {
    const lists = await Promise.all(
      ["keeper-03", "manager-north", "manager-national"].map((who) => as(who, "GET", "/api/notifications")),
    );
    const about = lists.map(({ body }) =>
      body.data
        .map(({ title }: { title: string }) => title)
        .filter((title: string) => title.startsWith(`${sku} is low`)),
    );
    return about.every(
      (titles) =>
        titles.length === 2 && titles.includes(`${sku} is low at warehouse-03: 4 available, the minimum is 5`),
    );
  });
  socket.close();
});

it("is told by the minimum itself, and taken back by it", async ({ expect }) => {
  const sku = await newPart();
  expect((await setMinimum(sku, 11)).result).toMatchObject({ low: true });
  expect((await setMinimum(sku, 12)).result).toMatchObject({ low: true });
  expect(await crossings(sku)).toEqual([{ on_hand: 10, reserved: 0, incoming: 0, minimum: 11 }]);
  expect((await setMinimum(sku, 10)).result).toMatchObject({ low: false });
  expect((await setMinimum(sku, 0)).result).toMatchObject({ low: false });
});

it("of twenty that take the last pieces side by side is told by one", async ({ expect }) => {
  const sku = await newPart();
  await setMinimum(sku, 5);
  const all = await Promise.all(Array.from({ length: 20 }, () => change(sku, -1)));
  expect(all.filter(({ state }) => state === "applied")).toHaveLength(10);
  expect(await crossings(sku)).toHaveLength(1);
});

it("by a reservation is told as well, and the pieces that come back when it expires end it", async ({ expect }) => {
  const name = await seedMixedParts("LOWR");
  const order = await mixedOrder(name);
  const { stocked } = name;
  await setMinimum(stocked, 10);
  await name.supplier.switchOn({ down: true });
  await order.place();
  await drive(order.orderId, {
    stop: (state) => state.steps.some(({ step, state: is }) => step.startsWith("purchase") && is !== "done"),
  });
  await until("the reservation is told", async () => (await crossings(stocked)).length === 1);
  expect(await crossings(stocked)).toEqual([{ on_hand: 30, reserved: 25, incoming: 0, minimum: 10 }]);
  moveClock(73 * 60 * 60 * 1000);
  await settled();
  expect(await isLow(stocked)).toBe(false);
  await name.supplier.switchOn({});
  await drive(order.orderId);
});

it("is muted while what was bought covers it, and told at once when that falls away", async ({ expect }) => {
  const order = await mixedOrder(await seedMixedParts("LOWB"));
  const { bought } = order.parts;
  await setMinimum(bought, 3, "truck-001");
  expect(await crossings(bought, "truck-001")).toEqual([{ on_hand: 0, reserved: 0, incoming: 0, minimum: 3 }]);
  wrapBindings({ DB: faultyD1({ marker: order.keys.move, kind: "after" }).wrap });
  await order.place();
  const moved = (state: { steps: readonly { step: string; state: string }[] }) =>
    state.steps.some((entry) => entry.step === "move" && entry.state === "unknown");
  await drive(order.orderId, { stop: moved });
  expect(await isLow(bought, "truck-001")).toBe(false);
  await setMinimum(bought, 4, "truck-001");
  expect((await crossings(bought, "truck-001")).length).toBe(1);
  await sagaOf(order.orderId).cancel("no longer needed");
  await drive(order.orderId);
  expect(await crossings(bought, "truck-001")).toEqual([
    { on_hand: 0, reserved: 0, incoming: 0, minimum: 3 },
    { on_hand: 0, reserved: 0, incoming: 0, minimum: 4 },
  ]);
});

it("stays muted when what was bought arrives, and is told when a part of it is rejected", async ({ expect }) => {
  const order = await mixedOrder(await seedMixedParts("LOWC"));
  const { bought } = order.parts;
  await order.place();
  await drive(order.orderId);
  await setMinimum(bought, 4, "truck-001");
  const [po] = (await as("truck-001", "GET", "/api/purchase-orders")).body.data;
  const receive = (received: number, rejected = 0) =>
    sent(
      "truck-001",
      command("ReceivePurchaseOrder", {
        device_id: "truck-001",
        purchase_order_id: po.id,
        bin: "Bin-T",
        lines: [{ line: 1, received, rejected }],
        reason: "as it came",
      }),
    );
  await receive(2);
  expect(await crossings(bought, "truck-001")).toEqual([]);
  await receive(1, 1);
  expect(await crossings(bought, "truck-001")).toEqual([{ on_hand: 3, reserved: 0, incoming: 0, minimum: 4 }]);
});

it("is told by a shipment, a count and an import too", async ({ expect }) => {
  const [shipped, counted, imported] = [await newPart(), await newPart(), await newPart()];
  for (const sku of [shipped, counted, imported]) await setMinimum(sku, 5);
  const lines = [{ sku: shipped, quantity: 6 }];
  await sent("warehouse-03", command("ShipTransfer", { device_id: "warehouse-03", to_location: "truck-001", lines }));
  const count = { device_id: "warehouse-03", sku: counted, location: "Bin-1", counted: 4 };
  await sent("warehouse-03", command("CountStock", count));
  const importBin = (pieces: number) =>
    as(
      "admin",
      "POST",
      "/api/imports/stock",
      `sku,warehouse_id,bin,quantity\n${imported},warehouse-03,Bin-1,${pieces}\n`,
      {
        "content-type": "text/csv",
      },
    );
  expect((await importBin(4)).status).toBe(200);
  for (const sku of [shipped, counted, imported]) {
    expect(await crossings(sku)).toEqual([{ on_hand: 4, reserved: 0, incoming: 0, minimum: 5 }]);
  }
  expect((await importBin(5)).status).toBe(200);
  expect(await isLow(imported)).toBe(false);
});
