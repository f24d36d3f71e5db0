import { afterEach, beforeAll, describe, it } from "vitest";
import { command, expectRefused, sentOften } from "../support/commands.ts";
import { as, env, quiet, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { seedPart } from "../support/saga-world.ts";
import { openSocket } from "../support/socket.ts";
import { levelOf, sent } from "../support/stock.ts";

beforeAll(startWorld);

let parts = 0;

/** A part of the test's own: 10 in Bin-1 and 4 in Bin-2 of warehouse-03. */
async function newPart(): Promise<string> {
  const sku = `TR-${++parts}`;
  const shelf = (bin: string, quantity: number) => ({ location: "warehouse-03", bin, quantity });
  await seedPart(sku, { shelves: [shelf("Bin-1", 10), shelf("Bin-2", 4)] });
  return sku;
}

afterEach(async ({ expect }) => {
  await quiet();
  expect(await violations(env.DB)).toEqual([]);
});

const ship = (lines: readonly object[], more: object = {}) =>
  command("ShipTransfer", { device_id: "warehouse-03", to_location: "truck-001", lines, ...more });
const receive = (transferId: string, more: object = {}) =>
  command("ReceiveTransfer", { device_id: "truck-001", transfer_id: transferId, bin: "Bin-T", ...more });

async function shipped(lines: readonly object[], more: object = {}): Promise<string> {
  const ended = await sent("warehouse-03", ship(lines, more));
  if (ended.state !== "applied") throw new Error(JSON.stringify(ended));
  return ended.result.transfer_id;
}

async function inTransit(sku: string, location: string): Promise<number> {
  return (await as("ops", "GET", `/api/stock?sku=${sku}&location=${location}`)).body.data[0].in_transit;
}

describe("ShipTransfer", () => {
  it("takes the pieces out of the fewest bins, puts them on their way, and tells the region, once", async ({
    expect,
  }) => {
    const socket = await openSocket("truck-001");
    await socket.frame("welcome");
    const [sku, other] = [await newPart(), await newPart()];
    const once = ship([
      { sku, quantity: 7 },
      { sku: other, quantity: 2 },
      { sku, quantity: 4 },
    ]);
    const { ended, again, after, moved, movedAgain } = await sentOften("warehouse-03", once);
    expect(ended).toMatchObject({
      state: "applied",
      result: { from_location: "warehouse-03", to_location: "truck-001", state: "in_transit", quantity: 13 },
    });
    expect([moved, movedAgain, again.status]).toEqual([3, 0, 202]);
    expect(after).toEqual(ended);
    expect(await levelOf(sku, "warehouse-03")).toMatchObject({ on_hand: 3, bins: { "Bin-1": 0, "Bin-2": 3 } });
    expect([await inTransit(sku, "truck-001"), await inTransit(other, "truck-001")]).toEqual([11, 2]);
    const id = ended.result.transfer_id;
    const told = await socket.event("TransferShipped", ({ subject }) => subject === `transfer/${id}`);
    const lines = [
      { sku, quantity: 11 },
      { sku: other, quantity: 2 },
    ];
    expect(told).toMatchObject({ sequence: 1, data: { to_location: "truck-001", line_count: 2, lines } });
    const { body } = await as("truck-001", "GET", `/api/transfers/${id}`);
    expect(body).toMatchObject({ state: "in_transit", from_location: "warehouse-03", order_id: null, receipts: [] });
    expect(body.lines).toEqual([
      { sku, bin: "Bin-1", quantity: 10, received: 0, rejected: 0 },
      { sku, bin: "Bin-2", quantity: 1, received: 0, rejected: 0 },
      { sku: other, bin: "Bin-1", quantity: 2, received: 0, rejected: 0 },
    ]);
    socket.close();
  });

  it("goes out, back and is received by a keeper: the pieces are where they were", async ({ expect }) => {
    const sku = await newPart();
    await sent("truck-001", receive(await shipped([{ sku, quantity: 11 }])));
    const lines = [{ sku, quantity: 11 }];
    const home = await sent("truck-001", command("ShipTransfer", { device_id: "truck-001", to_location: "warehouse-03", lines })); // prettier-ignore
    const open = (await as("keeper-03", "GET", "/api/transfers?state=in_transit&location=warehouse-03")).body.data;
    expect(open.map((one: { id: string }) => one.id)).toContain(home.result.transfer_id);
    const taken = { device_id: "warehouse-03", transfer_id: home.result.transfer_id, bin: "Bin-1" };
    expect((await sent("keeper-03", command("ReceiveTransfer", taken))).state).toBe("applied");
    expect(await levelOf(sku, "warehouse-03")).toMatchObject({ on_hand: 14, bins: { "Bin-1": 11, "Bin-2": 3 } });
    expect(await levelOf(sku, "truck-001")).toMatchObject({ on_hand: 0 });
  });

  it("takes from the bin that is named, and the rest from the others", async ({ expect }) => {
    const sku = await newPart();
    await shipped([
      { sku, quantity: 11 },
      { sku, quantity: 1, bin: "Bin-2" },
    ]);
    expect((await levelOf(sku, "warehouse-03")).bins).toEqual({ "Bin-1": 0, "Bin-2": 2 });
  });

  it("is rejected with the figures when less is available than its lines ask for together, or the bin holds less", async ({
    expect,
  }) => {
    const [sku, other] = [await newPart(), await newPart()];
    const before = await levelOf(sku, "warehouse-03");
    const together = [
      { sku: other, quantity: 1 },
      { sku, quantity: 8 },
      { sku, quantity: 8 },
    ];
    for (const [lines, reason, facts] of [
      [
        together,
        `${sku} at warehouse-03: wanted 16, available 14`,
        { pointer: "/data/lines/1/quantity", wanted: 16, available: 14 },
      ],
      [
        [{ sku, quantity: 9, bin: "Bin-2" }],
        `Bin-2 holds 4 of ${sku}: 9 can't be taken from it`,
        { pointer: "/data/lines/0/bin", in_bin: 4 },
      ],
      [
        [{ sku, quantity: 1, bin: "Bin-9" }],
        `no bin Bin-9 of ${sku} at warehouse-03: 1 can't be taken from it`,
        { in_bin: null },
      ],
    ] as const) {
      const ended = await sent("warehouse-03", ship(lines));
      expect(ended).toMatchObject({ state: "rejected", reason, result: { code: "INSUFFICIENT_STOCK", ...facts } });
    }
    expect(await levelOf(sku, "warehouse-03")).toEqual(before);
  });

  it("leaves what is reserved", async ({ expect }) => {
    const sku = await newPart();
    const place = `sku = '${sku}' AND location = 'warehouse-03'`;
    await env.DB.batch([
      env.DB.prepare(`UPDATE stock_levels SET reserved = 12 WHERE ${place}`),
      env.DB.prepare(`INSERT INTO reservations VALUES ('ord_held', '${sku}', 'warehouse-03', 12, 'open', '9999')`),
    ]);
    expect((await sent("warehouse-03", ship([{ sku, quantity: 3 }]))).reason).toBe(
      `${sku} at warehouse-03: wanted 3, available 2`,
    );
    expect((await sent("warehouse-03", ship([{ sku, quantity: 2 }]))).state).toBe("applied");
    await env.DB.batch([
      env.DB.prepare(`UPDATE stock_levels SET reserved = 0 WHERE ${place}`),
      env.DB.prepare("DELETE FROM reservations WHERE order_id = 'ord_held'"),
    ]);
  });

  it("side by side, twenty of them take exactly what there is", async ({ expect }) => {
    const sku = await newPart();
    const one = () => sent("warehouse-03", ship([{ sku, quantity: 2 }]));
    const states = (await Promise.all(Array.from({ length: 20 }, one))).map(
      ({ state, result }) => result.code ?? state,
    );
    expect(states.filter((state) => state === "applied")).toHaveLength(7);
    expect(states.filter((state) => state === "INSUFFICIENT_STOCK")).toHaveLength(13);
    expect(await levelOf(sku, "warehouse-03")).toMatchObject({ on_hand: 0, reserved: 0 });
    expect(await inTransit(sku, "truck-001")).toBe(14);
  });

  it("refuses what can't be: another's place, another region, the own place, unknown parts, wrong quantities", async ({
    expect,
  }) => {
    const line = { sku: await newPart(), quantity: 1 };
    for (const [who, one, refusal] of [
      ["truck-001", ship([line]), [403, "FORBIDDEN"]],
      [
        "keeper-03",
        command("ShipTransfer", { device_id: "warehouse-01", to_location: "truck-001", lines: [line] }),
        [403, "FORBIDDEN"],
      ],
      ["ops", ship([line]), [403, "FORBIDDEN"]],
      ["warehouse-03", ship([line], { to_location: "truck-004" }), [422, "UNKNOWN_REFERENCE", "/data/to_location"]],
      ["warehouse-03", ship([line], { to_location: "nowhere" }), [422, "UNKNOWN_REFERENCE", "/data/to_location"]],
      ["warehouse-03", ship([line], { to_location: "warehouse-03" }), [422, "VALIDATION", "/data/to_location"]],
      ["warehouse-03", ship([line, { ...line, sku: "NONE-1" }]), [422, "UNKNOWN_REFERENCE", "/data/lines/1/sku"]],
      ["warehouse-03", ship([]), [422, "VALIDATION", "/data/lines"]],
      ["warehouse-03", ship([{ ...line, quantity: 0 }]), [422, "VALIDATION", "/data/lines/0/quantity"]],
      ["warehouse-03", ship([{ ...line, quantity: 1.5 }]), [422, "VALIDATION", "/data/lines/0/quantity"]],
      ["warehouse-03", ship([{ ...line, quantity: 2 ** 53 + 2 }]), [422, "VALIDATION", "/data/lines/0/quantity"]],
      ["warehouse-03", ship(Array.from({ length: 201 }, () => line)), [422, "VALIDATION", "/data/lines"]],
      ["warehouse-03", ship(Array.from({ length: 100_000 }, () => line)), [413, "PAYLOAD_TOO_LARGE"]],
    ] as const) {
      await expectRefused(expect, who, one, refusal);
    }
  });
});

describe("ReceiveTransfer", () => {
  const newTransfer = async () => {
    const sku = await newPart();
    return { sku, id: await shipped([{ sku, quantity: 12 }]) };
  };

  it("takes all of it in without lines, once, and tells the region", async ({ expect }) => {
    const { sku, id } = await newTransfer();
    const socket = await openSocket("warehouse-03", { hello: { device_type: "warehouse" } });
    await socket.frame("welcome");
    const { ended, after, moved, movedAgain } = await sentOften("truck-001", receive(id));
    expect(ended).toMatchObject({
      state: "applied",
      result: { transfer_id: id, state: "received", received: 12, rejected: 0 },
    });
    expect(after).toEqual(ended);
    expect([moved, movedAgain]).toEqual([1, 0]);
    expect(await levelOf(sku, "truck-001")).toMatchObject({ on_hand: 12, bins: { "Bin-T": 12 } });
    expect(await inTransit(sku, "truck-001")).toBe(0);
    const told = await socket.event("TransferReceived", ({ subject }) => subject === `transfer/${id}`);
    expect(told).toMatchObject({
      sequence: 2,
      data: { state: "received", lines: [{ sku, received: 12, rejected: 0 }] },
    });
    socket.close();
    const late = await sent("truck-001", receive(id));
    expect(late).toMatchObject({
      state: "rejected",
      reason: `${id} was received already`,
      result: { code: "CONFLICT" },
    });
  });

  it("takes a part of it in, keeps the rest on its way, and notes what was rejected with its reason", async ({
    expect,
  }) => {
    const { sku, id } = await newTransfer();
    const first = await sent(
      "truck-001",
      receive(id, { lines: [{ sku, received: 9, rejected: 2 }], reason: "dented" }),
    );
    expect(first.result).toMatchObject({ state: "partially_received", quantity: 12, received: 9, rejected: 2 });
    expect([(await levelOf(sku, "truck-001")).on_hand, await inTransit(sku, "truck-001")]).toEqual([9, 1]);
    const rest = await sent("truck-001", receive(id));
    expect(rest.result).toMatchObject({ state: "received", received: 10, rejected: 2 });
    const { body } = await as("keeper-03", "GET", `/api/transfers/${id}`);
    expect(body.state).toBe("received");
    expect(body.receipts).toEqual([
      expect.objectContaining({ command_id: first.id, sku, bin: "Bin-T", received: 9, rejected: 2, reason: "dented" }),
      expect.objectContaining({ command_id: rest.id, received: 1, rejected: 0, reason: null }),
    ]);
    await until("the keeper who shipped it and a manager are told what was rejected", async () => {
      const lists = await Promise.all(
        ["keeper-03", "manager-north"].map((who) => as(who, "GET", "/api/notifications")),
      );
      const title = `truck-001 rejected 2 pieces of ${id} from warehouse-03`;
      return lists.every(
        ({ body: list }) => list.data.filter((one: { title: string }) => one.title === title).length === 1,
      );
    });
  });

  it("with everything rejected puts nothing on the shelf and loses nothing", async ({ expect }) => {
    const { sku, id } = await newTransfer();
    const ended = await sent(
      "truck-001",
      receive(id, { lines: [{ sku, received: 0, rejected: 12 }], reason: "lost on the road" }),
    );
    expect(ended.result).toMatchObject({ state: "received", received: 0, rejected: 12 });
    expect([(await levelOf(sku, "truck-001")).on_hand, await inTransit(sku, "truck-001")]).toEqual([0, 0]);
  });

  it("is rejected with the figures when more came than is on its way", async ({ expect }) => {
    const { sku, id } = await newTransfer();
    const ended = await sent(
      "truck-001",
      receive(id, { lines: [{ sku, received: 11, rejected: 2 }], reason: "two broken" }),
    );
    expect(ended).toMatchObject({
      state: "rejected",
      reason: `12 of ${sku} are on their way: 13 can't be received`,
      result: { code: "CONFLICT", pointer: "/data/lines/0", sku, open: 12, received: 11, rejected: 2 },
    });
    expect(await inTransit(sku, "truck-001")).toBe(12);
  });

  it("by several at once takes each piece in once", async ({ expect }) => {
    const { sku, id } = await newTransfer();
    const all = await Promise.all(
      Array.from({ length: 6 }, () => sent("truck-001", receive(id, { lines: [{ sku, received: 3 }] }))),
    );
    expect(all.filter(({ state }) => state === "applied")).toHaveLength(4);
    expect((await levelOf(sku, "truck-001")).on_hand).toBe(12);
    expect(await inTransit(sku, "truck-001")).toBe(0);
  });

  it("is refused to anyone but the destination, and for what isn't there", async ({ expect }) => {
    const { sku, id } = await newTransfer();
    const inSouth = await sent(
      "warehouse-04",
      command("ShipTransfer", {
        device_id: "warehouse-04",
        to_location: "truck-004",
        lines: [{ sku: "PUMP-001", quantity: 1 }],
      }),
    );
    const from = (device: string, transfer: string, more: object = {}) =>
      command("ReceiveTransfer", { device_id: device, transfer_id: transfer, bin: "Bin-T", ...more });
    for (const [who, one, refusal] of [
      ["warehouse-03", from("warehouse-03", id), [403, "FORBIDDEN"]],
      ["truck-002", from("truck-002", id), [403, "FORBIDDEN"]],
      ["truck-002", from("truck-001", id), [403, "FORBIDDEN"]],
      ["keeper-03", from("truck-001", id), [403, "FORBIDDEN"]],
      ["truck-001", from("truck-001", inSouth.result.transfer_id), [422, "UNKNOWN_REFERENCE", "/data/transfer_id"]],
      ["truck-001", from("truck-001", "trf_none"), [422, "UNKNOWN_REFERENCE", "/data/transfer_id"]],
      [
        "truck-001",
        from("truck-001", id, { lines: [{ sku: "PUMP-001", received: 1 }] }),
        [422, "UNKNOWN_REFERENCE", "/data/lines/0/sku"],
      ],
      ["truck-001", from("truck-001", id, { lines: [{ sku, received: 0 }] }), [422, "VALIDATION", "/data/lines/0"]],
      [
        "truck-001",
        from("truck-001", id, { lines: [{ sku, received: -1 }] }),
        [422, "VALIDATION", "/data/lines/0/received"],
      ],
      [
        "truck-001",
        from("truck-001", id, { lines: [{ sku, received: 1, rejected: 1 }] }),
        [422, "VALIDATION", "/data/reason"],
      ],
      [
        "truck-001",
        from("truck-001", id, {
          lines: [
            { sku, received: 1 },
            { sku, received: 1 },
          ],
        }),
        [422, "VALIDATION", "/data/lines"],
      ],
    ] as const) {
      await expectRefused(expect, who, one, refusal);
    }
    expect((await as("truck-004", "GET", `/api/transfers/${id}`)).status).toBe(404);
    expect((await as("truck-004", "GET", "/api/transfers")).body.data).toHaveLength(1);
    const page = (await as("truck-001", "GET", "/api/transfers?limit=2")).body;
    const next = (await as("truck-001", "GET", `/api/transfers?limit=2&cursor=${page.meta.next_cursor}`)).body;
    expect(new Set([...page.data, ...next.data].map((one: { id: string }) => one.id)).size).toBe(4);
  });
});
