import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import type { DeviceHub } from "../../src/durable-objects/device-hub.ts";
import { batch, connect, live, moveClock, newHub } from "../support/hub-client.ts";

describe("a final close", () => {
  it.for([
    ["text that isn't a frame", "garbage", 4400],
    ["a second hello", '{"type":"hello","device_type":"truck","client":"t","version":1}', 4400],
    ["an acknowledgement of what was never sent", '{"type":"ack","upto":7}', 4400],
    ["more than 64 KiB", "x".repeat(65_537), 4413],
  ] as const)("answers %s", async ([, text, code], { expect }) => {
    const client = await live(newHub());
    client.ws.send(text);
    expect(await client.closes()).toBe(code);
  });

  it("answers a frame before hello, another version and a device that isn't what its token says", async ({
    expect,
  }) => {
    const hub = newHub();
    const [early, version, type] = [await connect(hub, "a"), await connect(hub, "b"), await connect(hub, "c")];
    early.send({ type: "ack", upto: 0 });
    version.hello({ version: 2 });
    type.hello({ device_type: "warehouse" });
    expect(await Promise.all([early, version, type].map((client) => client.closes()))).toEqual([4400, 4426, 4403]);
  });

  it("4409 takes over from the older connection of the same device", async ({ expect }) => {
    const hub = newHub();
    const older = await live(hub);
    const newer = await live(hub);
    expect(await older.closes()).toBe(4409);
    await hub.deliver(batch(1, 1));
    await newer.until(() => newer.events().length === 1);
    expect(newer.closed).toBeUndefined();
    expect(Object.keys(await hub.connected())).toEqual(["truck-001"]);
  });

  it("of an older connection, late, doesn't move the cursor of the newer one that fell back", async ({ expect }) => {
    const hub = newHub();
    const older = await live(hub);
    await hub.deliver(batch(1, 3));
    await older.until(() => older.events().length === 3);
    const { epoch } = await hub.position();
    const newer = await connect(hub);
    newer.hello({ last: { epoch, seq: 1 } });
    await newer.until(() => newer.events().length === 2);
    await runInDurableObject(hub, async (instance: DeviceHub, state) => {
      const late = state.getWebSockets("truck-001").find((ws) => ws.readyState !== WebSocket.OPEN);
      const stale = late ?? new WebSocketPair()[0];
      const current = state.getWebSockets("truck-001").find((ws) => ws.readyState === WebSocket.OPEN);
      const attachment = current?.deserializeAttachment() as object;
      stale.serializeAttachment({ ...attachment, session: "older", sent: 3, scanned: 3, acked: 3, marks: [] });
      await instance.webSocketError(stale, new Error("late"));
    });
    expect(await hub.receipts("evt_3")).toEqual([{ device: "truck-001", acknowledged: false }]);
  });

  it("cuts the sockets of a device whose credential was revoked, and no other's", async ({ expect }) => {
    const hub = newHub();
    const [one, two] = [await live(hub, "truck-001"), await live(hub, "truck-002")];
    expect(await hub.disconnect("truck-001", 4401)).toBe(1);
    expect(await one.closes()).toBe(4401);
    await two.settled();
    expect(two.closed).toBeUndefined();
  });
});

describe("the alarm", () => {
  it("closes who hasn't said hello within 10 s", async ({ expect }) => {
    const hub = newHub();
    const [silent, spoken] = [await connect(hub, "truck-001"), await live(hub, "truck-002")];
    await moveClock(hub, 10_001);
    expect(await runDurableObjectAlarm(hub)).toBe(true);
    expect(await silent.closes()).toBe(4408);
    await spoken.settled();
    expect(spoken.closed).toBeUndefined();
  });

  it("closes whose window has been full for 30 s; the log keeps the events", async ({ expect }) => {
    const hub = newHub();
    const client = await live(hub, "truck-001", { credit: 1 });
    await hub.deliver(batch(1, 3));
    await client.until(() => client.events().length === 1);
    await moveClock(hub, 29_000);
    await runDurableObjectAlarm(hub);
    await client.settled();
    expect(client.closed).toBeUndefined();
    await moveClock(hub, 31_000);
    await runDurableObjectAlarm(hub);
    expect(await client.closes()).toBe(4008);
    const again = await live(hub);
    await again.until(() => again.events().length === 3);
  });

  it("closes who gave no sign for minutes, but not who answers pings", async ({ expect }) => {
    const hub = newHub();
    const [gone, here] = [await live(hub, "truck-001"), await live(hub, "truck-002")];
    here.ws.send("ping");
    await here.until(() => here.texts.includes("pong"));
    await moveClock(hub, 10 * 60_000);
    await runDurableObjectAlarm(hub);
    expect(await gone.closes()).toBe(4012);
    await here.settled();
    expect(here.closed).toBeUndefined();
  });

  it("asks a socket of a day's age to reconnect", async ({ expect }) => {
    const hub = newHub();
    const client = await live(hub);
    await moveClock(hub, 24 * 60 * 60_000 + 1);
    await runDurableObjectAlarm(hub);
    expect(await client.closes()).toBe(4001);
  });

  it("drops events after 7 days; a device behind that is told the gap and goes on", async ({ expect }) => {
    const hub = newHub();
    const first = await live(hub);
    first.ws.close();
    await first.closes();
    await hub.deliver(batch(1, 3));
    await moveClock(hub, 7 * 24 * 60 * 60_000 + 60_000);
    await hub.deliver(batch(4, 5));
    await runDurableObjectAlarm(hub);
    const { epoch, seq } = await hub.position();
    expect(seq).toBe(5);
    const behind = await live(hub);
    await behind.until(() => behind.events().length === 2);
    expect(behind.of("welcome")[0]?.resume).toBe("none");
    expect(behind.of("gap")).toMatchObject([{ from: 1, to: 3 }]);
    expect(behind.of("events")[0]?.prev).toBe(3);
    const stated = await connect(hub, "truck-002");
    stated.hello({ last: { epoch, seq: 1 } });
    expect(await stated.closes()).toBe(4009);
  });

  it("never uses a seq twice, also when retention has emptied the log", async ({ expect }) => {
    const hub = newHub();
    await hub.deliver(batch(1, 3));
    await moveClock(hub, 8 * 24 * 60 * 60_000);
    await runDurableObjectAlarm(hub);
    expect((await hub.position()).seq).toBe(3);
    const client = await live(hub);
    await hub.deliver(batch(4, 4));
    await client.until(() => client.events().length === 1);
    expect(client.of("events")[0]).toMatchObject({ prev: 3, batch: [{ seq: 4 }] });
  });

  it("is not armed when nothing waits", async ({ expect }) => {
    const hub = newHub();
    const client = await live(hub);
    client.ws.close();
    await client.closes();
    await runDurableObjectAlarm(hub);
    expect(await runInDurableObject(hub, (_, state) => state.storage.getAlarm())).toBeNull();
  });
});
