import { evictDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import { batch, connect, live, newHub } from "../support/hub-client.ts";

describe("resume", () => {
  it("from {epoch, seq} brings every missed event in order, however many", async ({ expect }) => {
    const hub = newHub();
    const first = await live(hub);
    await hub.deliver(batch(1, 3));
    await first.until(() => first.events().length === 3);
    first.ws.close();
    await first.closes();
    await hub.deliver(batch(4, 900));
    const { epoch } = await hub.position();
    const second = await connect(hub);
    expect(second.of("welcome")[0]?.resume).toBe("full");
    second.hello({ last: { epoch, seq: 2 } });
    for (let seen = -1; seen < 898;) {
      await second.until(() => second.events().length > seen);
      seen = second.events().length;
      if (seen > 0) second.send({ type: "ack", upto: second.events().at(-1)?.seq });
    }
    expect(second.ids()).toEqual(batch(3, 900).map((item) => item.event_id));
    const prevs = second.of("events").map((frame) => frame.prev);
    const lasts = second.of("events").map((frame) => frame.batch.at(-1)?.seq);
    expect(prevs).toEqual([2, ...lasts.slice(0, -1)]);
  });

  it("without a position goes on after what the device acknowledged", async ({ expect }) => {
    const hub = newHub();
    const first = await live(hub);
    await hub.deliver(batch(1, 3));
    await first.until(() => first.events().length === 3);
    first.send({ type: "ack", upto: 2 });
    await first.settled();
    first.ws.close();
    await first.closes();
    await hub.deliver(batch(4, 4));
    const second = await live(hub);
    await second.until(() => second.events().length === 2);
    expect(second.of("events")[0]?.prev).toBe(2);
    expect(second.ids()).toEqual(["evt_3", "evt_4"]);
  });

  it("of a device never seen begins at the head", async ({ expect }) => {
    const hub = newHub();
    await hub.deliver(batch(1, 3));
    const client = await live(hub);
    await hub.deliver(batch(4, 4));
    await client.until(() => client.events().length === 1);
    expect(client.of("events")[0]).toMatchObject({ prev: 3, batch: [{ event: { id: "evt_4" } }] });
  });

  it("from another epoch or ahead of the log is closed 4009", async ({ expect }) => {
    const hub = newHub();
    await hub.deliver(batch(1, 3));
    const { epoch } = await hub.position();
    for (const last of [
      { epoch: "another", seq: 1 },
      { epoch, seq: 4 },
    ]) {
      const client = await connect(hub);
      client.hello({ last });
      expect(await client.closes()).toBe(4009);
    }
  });

  it("survives hibernation: the socket stays, and the next event follows the last", async ({ expect }) => {
    const hub = newHub();
    const client = await live(hub);
    await hub.deliver(batch(1, 3));
    await client.until(() => client.events().length === 3);
    await evictDurableObject(hub, { webSockets: "hibernate" });
    await hub.deliver(batch(4, 4));
    await client.until(() => client.events().length === 4);
    expect(client.of("events").at(-1)?.prev).toBe(3);
    await evictDurableObject(hub);
    client.send({ type: "ack", upto: 4 });
    client.ws.send("ping");
    await client.until(() => client.texts.includes("pong"));
    await client.settled();
    expect(await hub.receipts("evt_4")).toEqual([{ device: "truck-001", acknowledged: true }]);
    expect((await hub.connected())["truck-001"]?.unacked).toBe(0);
    expect(client.closed).toBeUndefined();
  });

  it("keeps a full window full across hibernation", async ({ expect }) => {
    const hub = newHub();
    const client = await live(hub, "truck-001", { credit: 2 });
    await hub.deliver(batch(1, 3));
    await client.until(() => client.events().length === 2);
    await evictDurableObject(hub);
    await hub.deliver(batch(4, 4));
    await client.settled();
    expect(client.events()).toHaveLength(2);
    client.send({ type: "ack", upto: 2 });
    await client.until(() => client.events().length === 4);
  });

  it("after a crash that cut every socket loses nothing", async ({ expect }) => {
    const hub = newHub();
    const first = await live(hub);
    await hub.deliver(batch(1, 2));
    await first.until(() => first.events().length === 2);
    first.send({ type: "ack", upto: 1 });
    await first.settled();
    await evictDurableObject(hub, { webSockets: "close" });
    await hub.deliver(batch(2, 4));
    const second = await live(hub);
    await second.until(() => second.events().length === 3);
    expect(second.ids()).toEqual(["evt_2", "evt_3", "evt_4"]);
  });
});
