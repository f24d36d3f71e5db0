import { afterEach, beforeAll, describe, it } from "vitest";
import { command, expectRefused, sentOften } from "../support/commands.ts";
import { faultyD1 } from "../support/faulty-d1.ts";
import { as, env, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import {
  drive,
  giveSelfLimit,
  MANAGER,
  mixedOrder,
  sagaOf,
  seedMixedParts,
  settled,
  type MixedOrder,
} from "../support/saga-world.ts";
import { levelOf, sent } from "../support/stock.ts";
import { wrapBindings } from "../support/world.ts";

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

let names = 0;

/** An order for truck-001: 25 of a stocked part on their way, 4 of a bought one awaited. */
async function newOrder(): Promise<MixedOrder> {
  return mixedOrder(await seedMixedParts(`PO${++names}`));
}

async function completed() {
  const order = await newOrder();
  await order.place();
  await drive(order.orderId);
  return { order, sku: order.parts.bought, id: await purchaseOrderOf(order) };
}

async function purchaseOrderOf({ orderId }: MixedOrder): Promise<string> {
  return (await as("ops", "GET", `/api/orders/${orderId}`)).body.purchase_orders[0].id;
}

async function transferOf({ orderId }: MixedOrder): Promise<string> {
  const { results } = await env.DB.prepare("SELECT id FROM transfers WHERE order_id = ?")
    .bind(orderId)
    .all<{ id: string }>();
  return results[0]?.id ?? "";
}

const receive = (id: string, lines: readonly object[], more: object = {}) =>
  command("ReceivePurchaseOrder", { device_id: "truck-001", purchase_order_id: id, bin: "Bin-T", lines, ...more });

async function incoming(sku: string): Promise<number> {
  return (await as("ops", "GET", `/api/stock?sku=${sku}&location=truck-001`)).body.data[0].incoming;
}

describe("ReceivePurchaseOrder", () => {
  it("takes in a part, rejects a part, keeps the back-order incoming, and ends with the rest, each once", async ({
    expect,
  }) => {
    const { sku, id, order } = await completed();
    expect(await incoming(sku)).toBe(4);
    const once = receive(id, [{ line: 1, received: 2, rejected: 1 }], { reason: "cracked" });
    const { ended, after, moved, movedAgain } = await sentOften("truck-001", once);
    expect(ended).toMatchObject({
      state: "applied",
      result: { purchase_order_id: id, status: "placed", received: 2, rejected: 1 },
    });
    expect(after).toEqual(ended);
    expect([moved, movedAgain, await incoming(sku)]).toEqual([1, 0, 1]);
    expect(await levelOf(sku, "truck-001")).toMatchObject({ on_hand: 2, bins: { "Bin-T": 2 } });
    const rest = await sent("truck-001", receive(id, [{ line: 1, received: 1 }]));
    expect(rest.result).toMatchObject({ status: "completed", received: 3, rejected: 1 });
    expect([(await levelOf(sku, "truck-001")).on_hand, await incoming(sku)]).toEqual([3, 0]);

    const { body } = await as("truck-001", "GET", `/api/purchase-orders/${id}`);
    expect(body).toMatchObject({ status: "completed", destination: "truck-001", order_id: order.orderId });
    expect(body.lines).toEqual([
      expect.objectContaining({ line: 1, sku, quantity: 4, received: 3, rejected: 1, open: 0 }),
    ]);
    expect(body.receipts).toEqual([
      expect.objectContaining({ command_id: once.id, line: 1, received: 2, rejected: 1, reason: "cracked" }),
      expect.objectContaining({ command_id: rest.id, received: 1, rejected: 0, reason: null }),
    ]);
    const { results: told } = await env.DB.prepare(
      "SELECT event ->> '$.data.status' AS status, sequence FROM outbox WHERE type = 'PurchaseOrderReceived' AND subject = ? ORDER BY seq",
    )
      .bind(`purchase-order/${id}`)
      .all();
    expect(told).toEqual([
      { status: "placed", sequence: 3 },
      { status: "completed", sequence: 4 },
    ]);
    const late = await sent("truck-001", receive(id, [{ line: 1, received: 1 }]));
    expect(late).toMatchObject({ state: "rejected", reason: `${id} was received already` });
  });

  it("refuses more than is open with the figures, unless a person takes it with a reason", async ({ expect }) => {
    const { sku, id } = await completed();
    const more = await sent("truck-001", receive(id, [{ line: 1, received: 5 }]));
    expect(more).toMatchObject({
      state: "rejected",
      reason: `line 1: 4 of ${sku} are open, 5 came (4 ordered, 0 received and 0 rejected before)`,
      result: { code: "CONFLICT", pointer: "/data/lines/0", ordered: 4, open: 4, received: 5 },
    });
    expect(await incoming(sku)).toBe(4);
    const over = { over_receipt: true, reason: "the supplier gave one on top" };
    await expectRefused(expect, "truck-001", receive(id, [{ line: 1, received: 5 }], over), [403, "FORBIDDEN"]);
    await env.DB.prepare(
      "INSERT INTO people(id, name, email, role, region, location) VALUES ('keeper-t1', 'T', 't1@x', 'keeper', 'north', 'truck-001') ON CONFLICT DO NOTHING",
    ).run();
    const taken = await sent("keeper-t1", receive(id, [{ line: 1, received: 5 }], over));
    expect(taken.result).toMatchObject({ status: "completed", quantity: 4, received: 5 });
    expect([(await levelOf(sku, "truck-001")).on_hand, await incoming(sku)]).toEqual([5, 0]);
  });

  it("by several at once takes each piece in once", async ({ expect }) => {
    const { sku, id } = await completed();
    const all = await Promise.all(
      Array.from({ length: 6 }, () => sent("truck-001", receive(id, [{ line: 1, received: 1 }]))),
    );
    expect(all.filter(({ state }) => state === "applied")).toHaveLength(4);
    expect([(await levelOf(sku, "truck-001")).on_hand, await incoming(sku)]).toEqual([4, 0]);
  });

  it("is refused to anyone but the destination, and for what isn't there", async ({ expect }) => {
    const { id } = await completed();
    const from = (device: string, po: string, lines: readonly object[] = [{ line: 1, received: 1 }]) =>
      command("ReceivePurchaseOrder", { device_id: device, purchase_order_id: po, bin: "Bin-T", lines });
    for (const [who, one, refusal] of [
      ["warehouse-03", from("warehouse-03", id), [403, "FORBIDDEN"]],
      ["truck-002", from("truck-001", id), [403, "FORBIDDEN"]],
      ["truck-004", from("truck-004", id), [422, "UNKNOWN_REFERENCE", "/data/purchase_order_id"]],
      ["truck-001", from("truck-001", "po_none"), [422, "UNKNOWN_REFERENCE", "/data/purchase_order_id"]],
      [
        "truck-001",
        from("truck-001", id, [{ line: 9, received: 1 }]),
        [422, "UNKNOWN_REFERENCE", "/data/lines/0/line"],
      ],
      ["truck-001", from("truck-001", id, [{ line: 1, received: 0 }]), [422, "VALIDATION", "/data/lines/0"]],
      ["truck-001", from("truck-001", id, [{ line: 1, received: 0.5 }]), [422, "VALIDATION", "/data/lines/0/received"]],
      [
        "truck-001",
        from("truck-001", id, [{ line: 1, received: 1, rejected: 1 }]),
        [422, "VALIDATION", "/data/reason"],
      ],
      [
        "truck-001",
        from("truck-001", id, [
          { line: 1, received: 1 },
          { line: 1, received: 1 },
        ]),
        [422, "VALIDATION", "/data/lines"],
      ],
    ] as const) {
      await expectRefused(expect, who, one, refusal);
    }
    expect((await as("truck-004", "GET", `/api/purchase-orders/${id}`)).status).toBe(404);
    expect((await as("truck-004", "GET", "/api/purchase-orders")).body.data).toEqual([]);
    const { body } = await as("truck-001", "GET", "/api/purchase-orders?location=truck-001&status=placed&limit=1");
    expect(body.data).toEqual([expect.objectContaining({ id, status: "placed" })]);
  });
});

describe("what an order moves", () => {
  const isUnknown = (state: { steps: readonly { step: string; state: string }[] }) =>
    state.steps.some((entry) => entry.step === "move" && entry.state === "unknown");

  it("is told when it leaves, and received like any transfer once the order is through", async ({ expect }) => {
    const { order } = await completed();
    const id = await transferOf(order);
    const told = await env.DB.prepare(
      "SELECT event ->> '$.data.order_id' AS order_id, event ->> '$.data.lines' AS lines FROM outbox WHERE type = 'TransferShipped' AND subject = ?",
    )
      .bind(`transfer/${id}`)
      .all();
    expect(told.results).toEqual([
      { order_id: order.orderId, lines: JSON.stringify([{ sku: order.parts.stocked, quantity: 25 }]) },
    ]);
    const data = { device_id: "truck-001", transfer_id: id, bin: "Bin-T" };
    expect((await sent("truck-001", command("ReceiveTransfer", data))).result).toMatchObject({
      state: "received",
      received: 25,
    });
    expect((await levelOf(order.parts.stocked, "truck-001")).on_hand).toBe(25);
  });

  it("is received neither before the order is through nor after it went back", async ({ expect }) => {
    const order = await newOrder();
    wrapBindings({ DB: faultyD1({ marker: order.keys.move, kind: "after" }).wrap });
    await order.place();
    await drive(order.orderId, { stop: isUnknown });
    const [transfer, po] = [await transferOf(order), await purchaseOrderOf(order)];
    const data = { device_id: "truck-001", transfer_id: transfer, bin: "Bin-T" };
    const early = await sent("truck-001", command("ReceiveTransfer", data));
    expect(early.reason).toBe(`order ${order.orderId} is Pending: what it moves can be received once it is through`);
    expect((await sent("truck-001", receive(po, [{ line: 1, received: 1 }]))).reason).toBe(
      `order ${order.orderId} is Pending: what it buys can be received once it is through`,
    );
    await sagaOf(order.orderId).cancel("no longer needed");
    await drive(order.orderId);
    const gone = await sent("truck-001", command("ReceiveTransfer", data));
    expect(gone.reason).toBe(`${transfer} was reversed: its pieces went back to warehouse-03`);
    expect((await sent("truck-001", receive(po, [{ line: 1, received: 1 }]))).reason).toBe(
      `${po} is cancelled: nothing of it is awaited`,
    );
  });

  it("is received also when the order could not be undone at the supplier: it is on hand, and was never incoming", async ({
    expect,
  }) => {
    const order = await newOrder();
    const faults = [
      { marker: order.keys.move, kind: "before" },
      { marker: `${order.keys.purchase}:undo`, kind: "before" },
    ] as const;
    wrapBindings({ DB: faultyD1(...faults).wrap });
    await order.place();
    expect((await drive(order.orderId)).status).toBe("NeedsAttention");
    wrapBindings({});
    const ended = await sent("truck-001", receive(await purchaseOrderOf(order), [{ line: 1, received: 4 }]));
    expect(ended.result).toMatchObject({ status: "completed", received: 4 });
    expect([(await levelOf(order.parts.bought, "truck-001")).on_hand, await incoming(order.parts.bought)]).toEqual([
      4, 0,
    ]);
  });
});
