import { runInDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import { batch, connect, event, live, newHub } from "../support/hub-client.ts";

describe("a connection", () => {
  it("is refused when it isn't an upgrade, speaks another protocol or has no identity", async ({ expect }) => {
    const hub = newHub();
    const status = async (headers: Record<string, string>) => {
      const response = await hub.fetch("http://hub/ws", { headers });
      await response.text();
      return response.status;
    };
    const upgrade = { Upgrade: "websocket" };
    const protocol = { ...upgrade, "Sec-WebSocket-Protocol": "waybill.v1" };
    expect(await status({})).toBe(426);
    expect(await status({ ...upgrade, "Sec-WebSocket-Protocol": "chat" })).toBe(400);
    expect(await status(protocol)).toBe(400);
    expect(await status({ ...protocol, "x-waybill-identity": "{" })).toBe(400);
    expect(await status({ ...protocol, "x-waybill-identity": '{"device_id":"truck-001"}' })).toBe(400);
  });

  it("gets welcome, says hello, receives events and acknowledges them", async ({ expect }) => {
    const hub = newHub();
    const client = await live(hub);
    const { epoch } = await hub.position();
    expect(client.of("welcome")).toMatchObject([
      { epoch, seq: 0, ping_s: 25, max_bytes: 65_536, resume: "none", version: 1 },
    ]);
    expect(await hub.deliver([event("evt_a"), event("evt_b")])).toEqual({ accepted: ["evt_a", "evt_b"] });
    await client.until(() => client.events().length === 2);
    expect(client.of("events")).toMatchObject([
      {
        prev: 0,
        batch: [
          { seq: 1, event: { id: "evt_a" } },
          { seq: 2, event: { id: "evt_b" } },
        ],
      },
    ]);
    expect((await hub.connected())["truck-001"]?.unacked).toBe(2);
    client.send({ type: "ack", upto: 2 });
    await client.settled();
    expect((await hub.connected())["truck-001"]?.unacked).toBe(0);
  });

  it("echoes the protocol", async ({ expect }) => {
    const response = await newHub().fetch("http://hub/ws", {
      headers: {
        Upgrade: "websocket",
        "Sec-WebSocket-Protocol": "ticket.abc, waybill.v1",
        "x-waybill-identity": JSON.stringify({
          device_id: "ops",
          device_type: "person",
          region: null,
          role: "operations",
          credential_version: 0,
        }),
      },
    });
    expect(response.status).toBe(101);
    expect(response.headers.get("Sec-WebSocket-Protocol")).toBe("waybill.v1");
    response.webSocket?.accept();
    response.webSocket?.close();
  });

  it("of a device lists it as connected until it closes", async ({ expect }) => {
    const hub = newHub();
    const truck = await live(hub, "truck-001");
    await connect(hub, "warehouse-north", { device_type: "warehouse" });
    expect(await hub.connected()).toEqual({
      "truck-001": {
        device_type: "truck",
        connected_at: expect.stringMatching(/^\d{4}-.*Z$/),
        last_seen: expect.stringMatching(/^\d{4}-.*Z$/),
        region: "north",
        unacked: 0,
      },
      "warehouse-north": expect.objectContaining({ device_type: "warehouse" }),
    });
    truck.ws.close(1000, "bye");
    await truck.closes();
    expect(Object.keys(await hub.connected())).toEqual(["warehouse-north"]);
  });

  it("hears ping with pong, which counts as a sign of life", async ({ expect }) => {
    const hub = newHub();
    const client = await live(hub);
    client.ws.send("ping");
    await client.until(() => client.texts.includes("pong"));
    await runInDurableObject(hub, (_, state) => {
      const [ws] = state.getWebSockets("truck-001");
      if (!ws) throw new Error("no socket");
      expect(state.getWebSocketAutoResponseTimestamp(ws)).toBeInstanceOf(Date);
    });
  });
});

describe("delivery", () => {
  it("brings a neighbour's answer to the region, and mail to its device alone", async ({ expect }) => {
    const hub = newHub();
    const [one, two] = [await live(hub, "truck-001"), await live(hub, "truck-002")];
    const ready = event("evt_ready", ["all", "region:north", "device:truck-001", "request:req_1"]);
    await hub.deliver([event("evt_mail", ["all", "device:truck-001"]), ready, event("evt_ops", ["all"])]);
    await Promise.all([one, two].map((client) => client.until(() => client.ids().includes("evt_ready"))));
    await Promise.all([one.settled(), two.settled()]);
    expect(one.ids()).toEqual(["evt_mail", "evt_ready"]);
    expect(two.ids()).toEqual(["evt_ready"]);
  });

  it("of the same event id makes no second event", async ({ expect }) => {
    const hub = newHub();
    const client = await live(hub);
    await hub.deliver(batch(1, 2));
    expect(await hub.deliver(batch(1, 3))).toEqual({ accepted: ["evt_1", "evt_2", "evt_3"] });
    await client.until(() => client.ids().includes("evt_3"));
    await client.settled();
    expect(client.ids()).toEqual(["evt_1", "evt_2", "evt_3"]);
    expect((await hub.position()).seq).toBe(client.events().at(-1)?.seq);
  });

  it("accepts what no device may hear, and what can't be read, without storing it", async ({ expect }) => {
    const hub = newHub();
    const none = { ...event("evt_none"), topics: [] };
    const broken = { ...event("evt_broken"), event: "{" };
    expect(await hub.deliver([none, broken])).toEqual({ accepted: ["evt_none", "evt_broken"] });
    expect((await hub.position()).seq).toBe(0);
  });

  it("stops at the credit of a client that doesn't acknowledge, and goes on when it does", async ({ expect }) => {
    const hub = newHub();
    const client = await live(hub, "truck-001", { credit: 5 });
    await hub.deliver(batch(1, 8));
    await hub.deliver(batch(9, 12));
    await client.until(() => client.events().length >= 5);
    await client.settled();
    expect(client.ids()).toEqual(batch(1, 5).map((item) => item.event_id));
    client.send({ type: "ack", upto: client.events().at(-1)?.seq });
    await client.until(() => client.events().length >= 10);
    client.send({ type: "ack", upto: client.events().at(-1)?.seq });
    await client.until(() => client.events().length === 12);
    expect(client.ids()).toEqual(batch(1, 12).map((item) => item.event_id));
  });

  it("keeps at most 256 KiB in flight, in frames of at most 64 KiB", async ({ expect }) => {
    const hub = newHub();
    const client = await live(hub);
    await hub.deliver(Array.from({ length: 30 }, (_, i) => event(`evt_${i}`, ["region:north"], 20_000)));
    await client.until(() => client.events().length >= 12);
    await client.settled();
    expect(client.events().length).toBeLessThanOrEqual(13);
    for (const frame of client.frames) expect(JSON.stringify(frame).length).toBeLessThanOrEqual(65_536);
    for (let seen = 0; seen < 30;) {
      seen = client.events().length;
      client.send({ type: "ack", upto: client.events().at(-1)?.seq });
      await client.settled();
    }
    expect(client.events()).toHaveLength(30);
  });

  it("follows subscribe and unsubscribe, and refuses what isn't allowed", async ({ expect }) => {
    const hub = newHub();
    const client = await live(hub, "truck-001", { topics: ["sku:BRK-1", "all"] });
    expect(client.of("topics")[0]).toMatchObject({ granted: ["sku:BRK-1"], refused: ["all"] });
    client.send({ type: "subscribe", topics: ["request:req_1", "region:south"] });
    client.send({ type: "unsubscribe", topics: ["sku:BRK-1"] });
    await client.settled();
    expect(client.of("topics").slice(-3)).toMatchObject([
      { granted: ["sku:BRK-1", "request:req_1"], refused: ["region:south"] },
      { granted: ["request:req_1"], refused: [] },
      { granted: ["request:req_1"], refused: [] },
    ]);
    await hub.deliver([event("evt_sku", ["sku:BRK-1"]), event("evt_req", ["request:req_1"])]);
    await client.until(() => client.ids().includes("evt_req"));
    expect(client.ids()).toEqual(["evt_req"]);
  });

  it("says of an event which devices it was for and who has acknowledged it", async ({ expect }) => {
    const hub = newHub();
    const [one, two] = [await live(hub, "truck-001"), await live(hub, "truck-002")];
    await live(hub, "truck-003", { topics: ["sku:OTHER"] });
    two.ws.close();
    await two.closes();
    await hub.deliver([event("evt_1")]);
    await live(hub, "truck-004");
    await one.until(() => one.events().length === 1);
    expect(await hub.receipts("evt_1")).toEqual([
      { device: "truck-001", acknowledged: false },
      { device: "truck-002", acknowledged: false },
    ]);
    one.send({ type: "ack", upto: 1 });
    await one.settled();
    expect(await hub.receipts("evt_1")).toContainEqual({ device: "truck-001", acknowledged: true });
    expect(await hub.receipts("evt_unknown")).toEqual([]);
  });
});

describe("other frames", () => {
  it("a command gets its result, under the client's id", async ({ expect }) => {
    const client = await live(newHub());
    client.send({ type: "command", id: "cmd_1", command: "Unheard", data: {} });
    const result = await client.until(() => client.of("result")[0]);
    expect(result).toMatchObject({ id: "cmd_1", status: "rejected" });
  });

  it("drain spreads the clients over time", async ({ expect }) => {
    const hub = newHub();
    const clients = await Promise.all(["a", "b", "c"].map((id) => live(hub, id)));
    expect(await hub.drain(2)).toBe(3);
    const frames = await Promise.all(clients.map((client) => client.until(() => client.of("drain")[0])));
    expect(new Set(frames.map((frame) => frame["reconnect_in_ms"]))).toEqual(new Set([0, 500, 1_000]));
  });
});
