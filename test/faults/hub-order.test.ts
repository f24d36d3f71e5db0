/** The hub lane promises order per subject, whatever becomes of kicks, relays, hubs and sockets on the way. */
import { abortAllDurableObjects, evictDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, it } from "vitest";
import { randomFrom } from "../../scripts/demo/random.ts";
import { createContainer, kickShard } from "../../src/container.ts";
import { QUEUE_SEND_TIMEOUT_MS } from "../../src/config.ts";
import { hubName } from "../../src/domain/hub/routing.ts";
import { aroundHubs } from "../support/bindings.ts";
import { env, startWorld, until } from "../support/harness.ts";
import { positionOf } from "../support/live-socket.ts";
import { proved, seed, sizeOf } from "../support/proof.ts";
import { runRelayAlarm } from "../support/relay.ts";
import { openSocket, type TestSocket } from "../support/socket.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
afterEach(() => wrapBindings({}));

const SUBJECTS = ["SEQ-1", "SEQ-2", "SEQ-3", "SEQ-4", "SEQ-5"];
const A_ROUND = 2;
const EACH = sizeOf(40, 600);

const hub = () => env.HUB.get(env.HUB.idFromName(hubName("north", 0)));
const relay = () => env.RELAY.get(env.RELAY.idFromName("relay:0"));

/** An object that isn't running can't be evicted: that counts for nothing. */
async function evict(stub: DurableObjectStub, options?: { webSockets: "close" }): Promise<number> {
  try {
    await evictDurableObject(stub, options);
    return 1;
  } catch (error) {
    if (error instanceof Error && error.message.includes("not currently running")) return 0;
    throw error;
  }
}

/** A device that connects again after each loss of its socket, with the position that it has. */
async function follower(subject: string) {
  const { epoch, seq } = await positionOf(subject);
  let last = seq;
  let socket: TestSocket | undefined;
  let reconnects = -1;
  const heard: { subject: string; sequence: number }[] = [];
  const take = () => {
    for (const { seq: place, event } of socket?.events.splice(0) ?? []) {
      last = place;
      if (SUBJECTS.some((sku) => event.subject === `stock/${sku}@warehouse-03`)) heard.push(event);
    }
  };
  return {
    heard,
    reconnects: () => reconnects,
    async look(): Promise<void> {
      take();
      if (socket && socket.closed.length === 0) return;
      reconnects++;
      socket = await openSocket(subject, { hello: { last: { epoch, seq: last } } });
    },
    drop: () => socket?.close(),
  };
}

/** Commits the next events of one subject, one after the other. Nobody is told: the kicks are the test's. */
async function commitNext(sku: string, from: number, count: number): Promise<void> {
  const container = createContainer(env, { waitUntil: () => undefined });
  const timestamp = new Date().toISOString();
  const subject = `stock/${sku}@warehouse-03`;
  for (let sequence = from; sequence < from + count; sequence++) {
    const data = { sku, location: "warehouse-03", bin: "B", quantity_change: 1, on_hand: sequence, timestamp };
    await container.commit({
      trace: container.newTrace(),
      writes: [],
      events: [{ type: "InventoryUpdated", subject, region: "north", sequence, data }],
    });
  }
}

it("events of a subject are heard in order and once, while kicks are lost or come at once, and relay, hub and sockets die", async ({
  expect,
}) => {
  const random = randomFrom(seed);
  const deaths = { relay: 0, hub: 0, all: 0, delivery: 0 };
  wrapBindings({
    HUB: (real) =>
      aroundHubs(real, async (deliver) => {
        const drawn = random.next();
        if (drawn < 0.1) {
          deaths.delivery++;
          throw new Error("the hub can't be reached");
        }
        const reply = await deliver();
        if (drawn > 0.9) {
          deaths.delivery++;
          throw new Error("the reply was lost");
        }
        return reply;
      }),
  });
  const followers = await Promise.all(["truck-001", "truck-002"].map(follower));
  /** An eviction waits for the time-outs of the queue's sends, also of those that begin meanwhile. */
  const evictRelay = async (): Promise<void> => {
    const evicting = { over: false };
    const evicted = evict(relay()).finally(() => (evicting.over = true));
    while (!evicting.over) {
      moveClock(QUEUE_SEND_TIMEOUT_MS + 1);
      await scheduler.wait(25);
    }
    deaths.relay += await evicted;
  };
  const chaos: readonly (() => Promise<unknown>)[] = [
    () => Promise.all([0, 0, 0].map((shard) => kickShard(env, shard))),
    () => kickShard(env, 0),
    () => runRelayAlarm().catch(() => false),
    async () => void (deaths.hub += await evict(hub())),
    async () => void (deaths.hub += await evict(hub(), { webSockets: "close" })),
    evictRelay,
    () => abortAllDurableObjects().then(() => deaths.all++),
    async () => random.pick(followers).drop(),
  ];
  for (let from = 1; from <= EACH; from += A_ROUND) {
    // Now and then two at once: a kick on the way meets the death of what it reaches.
    await Promise.all([
      ...SUBJECTS.map((sku) => commitNext(sku, from, A_ROUND)),
      random.pick(chaos)(),
      random.chance(0.5) ? random.pick(chaos)() : undefined,
    ]);
    await Promise.all(followers.map((one) => one.look()));
  }
  wrapBindings({});
  await until("all is heard", async () => {
    await runRelayAlarm().catch(() => false);
    await Promise.all(followers.map((one) => one.look()));
    return followers.every(({ heard }) => heard.length >= SUBJECTS.length * EACH);
  });
  const whole = Array.from({ length: EACH }, (_, n) => n + 1);
  for (const { heard } of followers) {
    for (const sku of SUBJECTS) {
      const own = heard.filter(({ subject }) => subject === `stock/${sku}@warehouse-03`);
      expect(own.map(({ sequence }) => sequence)).toEqual(whole);
    }
  }
  const reconnects = followers.reduce((sum, one) => sum + one.reconnects(), 0);
  proved("hub lane, order per subject", { events: SUBJECTS.length * EACH, ...deaths, reconnects, out_of_order: 0 });
}, 300_000);
