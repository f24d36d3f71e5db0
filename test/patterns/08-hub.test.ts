/** Hub and spoke: who is connected, who hears what, and nothing missed over lost sockets and hibernation. */
import { evictDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, describe, it, vi } from "vitest";
import { hubName } from "../../src/domain/hub/routing.ts";
import { arrivalsAt } from "../support/arrivals.ts";
import { figure, percentile, slownessOf, timed } from "../support/figures.ts";
import { approveAll, as, call, env, quiet, requestIs, startWorld, tokenOf, until } from "../support/harness.ts";
import { closeCode, idsOf, isUnbroken, live, positionOf, settled } from "../support/live-socket.ts";
import { sizeOf } from "../support/proof.ts";
import { openSocket } from "../support/socket.ts";
import { accepted, finished, levelOf, sent, updateInventory } from "../support/stock.ts";
import { uploadLines } from "../support/uploading.ts";

beforeAll(startWorld);
afterEach(() => vi.restoreAllMocks());

const WAREHOUSE = { hello: { device_type: "warehouse" } };

const hub = (region: string) => env.HUB.get(env.HUB.idFromName(hubName(region, 0)));

async function connected(subject = "ops"): Promise<Record<string, Record<string, unknown>>> {
  return (await as(subject, "GET", "/api/devices/connected")).body;
}

/** The list once it names these and no others. */
function connectedAre(...devices: string[]) {
  return until(`connected are ${devices.join(", ")}`, async () => {
    const list = await connected();
    return Object.keys(list).sort().join() === devices.join() ? list : null;
  });
}

/** One change of stock in the north; its number tells its events apart. */
function change(sku = "TANK-001", by = 1) {
  return sent("warehouse-03", updateInventory("warehouse-03", sku, by, "Bin-H-01"));
}

describe("the door", () => {
  const upgrade = { upgrade: "websocket", "sec-websocket-protocol": "waybill.v1" };
  const knock = async (subject: string | null, given: Record<string, string> = upgrade) => {
    const headers = new Headers(given);
    if (subject !== null) headers.set("authorization", `Bearer ${await tokenOf(subject)}`);
    return call("/ws", { headers });
  };

  it("opens for a token with the right to it, in the protocol spoken here", async ({ expect }) => {
    expect((await knock(null)).status).toBe(401);
    expect((await knock(null, { ...upgrade, authorization: "Bearer no.such.token" })).status).toBe(401);
    expect((await knock("integrator")).status).toBe(403);
    expect((await knock("truck-001", {})).status).toBe(426);
    expect((await knock("truck-001", { upgrade: "websocket" })).status).toBe(426);
    expect((await knock("truck-001", { ...upgrade, "sec-websocket-protocol": "waybill.v2, chat" })).status).toBe(426);
    expect((await knock("ops")).status).toBe(422); // every region, and none named
    const open = await knock("truck-001", { ...upgrade, "sec-websocket-protocol": "waybill.v2, waybill.v1" });
    expect([open.status, open.headers.get("sec-websocket-protocol")]).toEqual([101, "waybill.v1"]);
    open.webSocket?.accept();
    open.webSocket?.close();
  });

  it("takes no identity from the client", async ({ expect }) => {
    const forged = JSON.stringify({
      device_id: "warehouse-03",
      device_type: "warehouse",
      region: "north",
      role: "device",
      credential_version: 1,
    });
    const open = await knock("truck-004", { ...upgrade, "x-waybill-identity": forged });
    open.webSocket?.accept();
    await until("truck-004 is connected", async () => (await connected())["truck-004"]);
    expect((await connected())["warehouse-03"]).toBeUndefined();
    open.webSocket?.close();
  });

  it.for([
    ["another version", { version: 2 }, 4426],
    ["another type of device than the token's", { device_type: "warehouse" }, 4403],
    ["a position of another epoch", { last: { epoch: "another", seq: 0 } }, 4009],
  ] as const)("closes on a hello of %s", async ([, hello, code], { expect }) => {
    const socket = await openSocket("truck-003", { hello });
    expect(await closeCode(socket)).toBe(code);
    expect(socket.events).toEqual([]);
  });
});

describe("the connected clients", () => {
  it("are listed by device while they are connected, to whoever may see their region", async ({ expect }) => {
    const [truck, warehouse, south] = [
      await live("truck-001"),
      await live("warehouse-03", WAREHOUSE),
      await live("truck-004"),
    ];
    const all = await connectedAre("truck-001", "truck-004", "warehouse-03");
    expect(all["warehouse-03"]).toEqual({
      device_type: "warehouse",
      region: "north",
      connected_at: expect.stringMatching(/^\d{4}-.*Z$/),
      last_seen: expect.stringMatching(/^\d{4}-.*Z$/),
      unacked: 0,
    });
    expect(Object.keys(await connected("manager-south"))).toEqual(["truck-004"]);
    expect((await as("truck-001", "GET", "/api/devices/connected")).status).toBe(403);

    const again = await live("truck-001");
    expect(await closeCode(truck)).toBe(4409);
    warehouse.close();
    await connectedAre("truck-001", "truck-004");
    for (const socket of [again, south]) socket.close();
  });

  it("show what a device hasn't acknowledged yet", async ({ expect }) => {
    const truck = await live("truck-002", { acknowledge: false });
    await change();
    await until("it is sent", async () => truck.events.length === 1);
    expect((await connected())["truck-002"]).toMatchObject({ unacked: 1 });
    truck.send({ type: "ack", upto: truck.events[0]?.seq });
    await settled(truck);
    expect((await connected())["truck-002"]).toMatchObject({ unacked: 0 });
    truck.close();
  });
});

describe("an event", () => {
  it("ResponseReady of truck-001 reaches all clients concerned as the same event, and no other region", async ({
    expect,
  }) => {
    const near = [await live("truck-001"), await live("truck-002"), await live("warehouse-03", WAREHOUSE)];
    const far = await live("truck-004");
    const requestId = await uploadLines("truck-001", "truck-001", [["PUMP-001", 1]]);
    await approveAll(requestId);
    await requestIs(requestId, "completed");
    const heard = await Promise.all(
      near.map((socket) =>
        socket.event("ResponseReady", ({ type, data }) => type === "ResponseReady" && data.request_id === requestId),
      ),
    );
    expect(new Set(heard.map((event) => event.id)).size).toBe(1);
    expect(heard[0]).toMatchObject({
      subject: `request/${requestId}`,
      data: { request_id: requestId, device_id: "truck-001" },
    });
    // Trucks hear their region, but not who approves what there.
    for (const socket of near) expect(socket.events.some(({ event }) => event.type.startsWith("Approval"))).toBe(false);

    await quiet();
    await sent("truck-004", updateInventory("truck-004", "TANK-001", 1, "Bin-1"));
    await far.event("its own change", ({ type }) => type === "InventoryUpdated");
    expect(far.events.map(({ event }) => event.subject)).toEqual(["stock/TANK-001@truck-004"]);
    for (const socket of [...near, far]) socket.close();
  });
});

describe("a device that lost its socket", () => {
  it("scenario 30: resumes after its last event: every missed one in order, none twice, however often it drops", async ({
    expect,
  }) => {
    const witness = await live("truck-003");
    const { epoch, seq } = await positionOf("truck-002");
    let last = seq;
    const got: number[] = [];
    for (let round = 0; round < 4; round++) {
      const socket = await openSocket("truck-002", {
        hello: { last: { epoch, seq: last } },
        acknowledge: round % 2 === 0,
      });
      const before = socket.events.length;
      await Promise.all([change("TANK-001"), change("TANK-002")]);
      await until("it has heard", async () => socket.events.length > before);
      expect(isUnbroken(socket, last)).toBe(true);
      socket.close();
      await closeCode(socket);
      got.push(...socket.events.map((item) => item.seq));
      last = got.at(-1) ?? last;
      await Promise.all([change("BELT-004"), change("TANK-002"), change("TANK-001")]);
    }
    const socket = await openSocket("truck-002", { hello: { last: { epoch, seq: last } } });
    await until(
      "it is up with the others",
      async () => socket.events.at(-1)?.seq === witness.events.at(-1)?.seq && witness.events.length === 20,
    );
    got.push(...socket.events.map((item) => item.seq));
    expect(got).toEqual(witness.events.map((item) => item.seq));
    expect(new Set(idsOf(witness)).size).toBe(20);
    for (const one of [socket, witness]) one.close();
  });

  it("resumes where it acknowledged when it has forgotten its position", async ({ expect }) => {
    const first = await live("warehouse-02", { ...WAREHOUSE, acknowledge: false });
    await change();
    await change();
    await until("both are sent", async () => first.events.length === 2);
    first.send({ type: "ack", upto: first.events[0]?.seq });
    await settled(first);
    first.close();
    await closeCode(first);
    const again = await openSocket("warehouse-02", WAREHOUSE);
    expect(await again.frame("welcome")).toMatchObject({ resume: "full" });
    await until("it has the other one", async () => again.events.length === 1);
    expect(again.events).toEqual(first.events.slice(1));
    again.close();
  });

  it("as all did when the hub crashed, hears what came meanwhile", async ({ expect }) => {
    const devices = ["truck-001", "truck-002"];
    const before = await Promise.all(devices.map((device) => live(device)));
    await change();
    await until("both have heard", async () => before.every(({ events }) => events.length === 1));
    const { epoch } = await positionOf("truck-001");
    const last = { epoch, seq: before[0]?.events[0]?.seq };
    await evictDurableObject(hub("north"), { webSockets: "close" });
    await change();
    await change("TANK-002");
    await connectedAre();
    const after = await Promise.all(devices.map((device) => openSocket(device, { hello: { last } })));
    await until("both have heard the rest", async () => after.every(({ events }) => events.length === 2));
    for (const socket of after) {
      expect(isUnbroken(socket, last.seq ?? -1)).toBe(true);
      expect(socket.events.map(({ event }) => event.subject)).toEqual([
        "stock/TANK-001@warehouse-03",
        "stock/TANK-002@warehouse-03",
      ]);
      socket.close();
    }
  });

  it("whose position means nothing any more starts from the snapshot, and misses nothing from there on", async ({
    expect,
  }) => {
    const lost = await openSocket("truck-001", { hello: { last: { epoch: "of a hub long gone", seq: 7 } } });
    expect(await closeCode(lost)).toBe(4009);
    const { body } = await as("truck-001", "GET", "/api/snapshot");
    expect(body.requests.length).toBeGreaterThan(0);
    const missed = await change();
    const back = await openSocket("truck-001", { hello: { last: { epoch: body.epoch, seq: body.seq } } });
    const event = await back.event("what came after the snapshot", ({ type }) => type === "InventoryUpdated");
    expect(event.sequence).toBe(missed.result.version);
    expect(isUnbroken(back, body.seq)).toBe(true);
    expect(back.events).toHaveLength(1);
    back.close();
  });
});

describe("a hub that hibernates", () => {
  it("keeps its sockets, its list and each device's place", async ({ expect }) => {
    const truck = await live("truck-001");
    const warehouse = await live("warehouse-03", WAREHOUSE);
    const slow = await live("truck-002", { acknowledge: false });
    const sockets = [truck, warehouse, slow];
    const { seq } = await positionOf("truck-001");
    const before = await connectedAre("truck-001", "truck-002", "warehouse-03");
    for (let night = 1; night <= 4; night++) {
      await evictDurableObject(hub("north"));
      await change();
      await until("all have heard", async () => sockets.every(({ events }) => events.length === night));
    }
    for (const socket of [truck, warehouse]) await settled(socket);
    await evictDurableObject(hub("north"));
    const after = await connected();
    expect(Object.keys(after).sort()).toEqual(Object.keys(before).sort());
    for (const device of Object.keys(before)) {
      const unacked = device === "truck-002" ? 4 : 0;
      expect(after[device]).toEqual({ ...before[device], last_seen: expect.any(String), unacked });
    }
    for (const socket of sockets) {
      expect(idsOf(socket)).toEqual(idsOf(truck));
      expect(isUnbroken(socket, seq)).toBe(true);
      expect(socket.closed).toEqual([]);
      socket.close();
    }
    expect(new Set(idsOf(truck)).size).toBe(4);
  });

  it("sleeps on while it answers pings", async ({ expect }) => {
    const truck = await live("truck-001");
    await evictDurableObject(hub("north"));
    const woken = vi.spyOn(crypto, "randomUUID"); // its constructor names the log of a new hub
    for (let ping = 0; ping < 3; ping++) truck.send("ping");
    await until("each ping is answered", async () => truck.frames.filter(({ type }) => type === "pong").length === 3);
    expect(woken).not.toHaveBeenCalled();
    await settled(truck);
    expect(woken).toHaveBeenCalled();
    truck.close();
  });
});

describe("a command over the socket", () => {
  it("has its result and its event, and is one command with the same id by REST", async ({ expect }) => {
    const warehouse = await live("warehouse-03", WAREHOUSE);
    const before = await levelOf("WIPR-009", "warehouse-03");
    const { type: command, ...body } = updateInventory("warehouse-03", "WIPR-009", 5, "Bin-H-02", "cmd_hub_0001");
    warehouse.send({ type: "command", command, ...body });
    expect(await warehouse.frame("result")).toMatchObject({ id: "cmd_hub_0001", status: "accepted" });
    const event = await warehouse.event("the change", ({ type }) => type === "InventoryUpdated");
    expect(event.data).toMatchObject({ sku: "WIPR-009", quantity_change: 5, on_hand: before.on_hand + 5 });

    const repeated = await as("warehouse-03", "POST", "/api/commands", { type: command, ...body });
    expect([repeated.status, repeated.headers.get("idempotent-replayed")]).toEqual([202, "true"]);
    expect(await finished("warehouse-03", "/api/commands/cmd_hub_0001")).toMatchObject({
      state: "applied",
      result: { version: event.sequence },
    });
    warehouse.send({ type: "command", command, ...body });
    await until("the repeated one is answered", async () =>
      warehouse.frames.find(({ status }) => status === "applied"),
    );
    await quiet();
    await settled(warehouse);
    expect((await levelOf("WIPR-009", "warehouse-03")).on_hand).toBe(before.on_hand + 5);
    expect(warehouse.events).toHaveLength(1);
    warehouse.close();
  });

  it("is refused as by REST: in another's name, for what isn't there, with what isn't a command", async ({
    expect,
  }) => {
    const truck = await live("truck-001");
    for (const [at, [command, code]] of [
      [updateInventory("warehouse-03", "WIPR-009", 5, "Bin-1"), "FORBIDDEN"],
      [updateInventory("truck-001", "NO-SUCH-PART", 5, "Bin-1"), "UNKNOWN_REFERENCE"],
      [updateInventory("truck-001", "WIPR-009", 0, "Bin-1"), "VALIDATION"],
    ].entries() as Iterable<[number, [ReturnType<typeof updateInventory>, string]]>) {
      const id = `cmd_refused_${at}`;
      truck.send({ type: "command", id, command: command.type, data: command.data });
      const result = await until("a result", async () => truck.frames.find((frame) => frame.id === id));
      expect(result).toMatchObject({ type: "result", status: "rejected", code, reason: expect.any(String) });
    }
    expect(truck.closed).toEqual([]);
    truck.close();
  });
});

const GOAL_MS = 250;
const WARM_UP = 20;

it("takes an event from its commit to the device within the bound", { timeout: 120_000 }, async ({ expect }) => {
  const events = sizeOf(40, 200);
  const { arrivals, close } = await arrivalsAt("truck-002");
  const hops: number[] = [];
  for (let n = 0; n < WARM_UP + events; n++) {
    const before = arrivals.size;
    await accepted("warehouse-03", updateInventory("warehouse-03", "TANK-004", 1, "Bin-H-03"));
    await until("the device has heard", async () => arrivals.size > before);
    hops.push(await timed(() => hub("north").position()));
  }
  const waits = [...arrivals.values()].map(({ committed, arrived }) => arrived - committed).slice(WARM_UP);
  const bare = hops.slice(WARM_UP);
  const p95 = percentile(waits, 0.95);
  figure("08 hub, commit to device, ms", {
    events: waits.length,
    p50: percentile(waits, 0.5),
    p95,
    goal_p95: GOAL_MS,
    bare_hop_p50: percentile(bare, 0.5),
    bare_hop_p95: percentile(bare, 0.95),
  });
  expect(waits).toHaveLength(events);
  expect(p95).toBeLessThanOrEqual(GOAL_MS * slownessOf(bare));
  close();
});
