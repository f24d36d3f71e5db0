/** The kick makes events fast; without it the poll brings them all the same. In real time: nothing moves the clock. */
import { beforeAll, it } from "vitest";
import { OUTBOX_POLL_MS } from "../../src/config.ts";
import { createContainer } from "../../src/container.ts";
import { hubName } from "../../src/domain/hub/routing.ts";
import { arrivalsAt } from "../support/arrivals.ts";
import { deafRelays } from "../support/bindings.ts";
import { slownessOf, timed } from "../support/figures.ts";
import { env, quiet, startWorld, until } from "../support/harness.ts";
import { proved, sizeOf } from "../support/proof.ts";
import { accepted, updateInventory } from "../support/stock.ts";

beforeAll(startWorld);

const TO_DEVICE_MS = 250;
const TO_LAST_BIT_MS = 500;
const hub = () => env.HUB.get(env.HUB.idFromName(hubName("north", 0)));

it(
  "without the kick takes an event to the device and to its last subscriber within a poll more",
  { timeout: 60_000 },
  async ({ expect }) => {
    await accepted("warehouse-03", updateInventory("warehouse-03", "TANK-005", 1, "Bin-H-03")); // its kick starts the relay
    await quiet();
    const { arrivals, close } = await arrivalsAt("truck-003");
    const hops: number[] = [];
    // Whoever commits tells nobody.
    const deaf = { ...env, RELAY: deafRelays(env.RELAY) };
    const ids: string[] = [];
    const finished = new Map<string, number>();
    const look = async (): Promise<void> => {
      const { results } = await env.DB.prepare(
        "SELECT event_id FROM outbox WHERE done = want AND event_id IN (SELECT value FROM json_each(?))",
      )
        .bind(JSON.stringify(ids))
        .all<{ event_id: string }>();
      for (const { event_id: id } of results) if (!finished.has(id)) finished.set(id, Date.now());
    };
    const { commit, newTrace } = createContainer(deaf, { waitUntil: () => undefined });
    for (let n = 0; n < sizeOf(20, 100); n++) {
      const timestamp = new Date().toISOString();
      const data = { sku: "TANK-005", location: "warehouse-03", bin: "B", quantity_change: 1, on_hand: n, timestamp };
      const subject = `stock/DEAF-${n}@warehouse-03`;
      const event = { type: "InventoryUpdated", subject, region: "north", sequence: 1, data } as const;
      const committed = await commit({ trace: newTrace(), writes: [], events: [event] });
      if (committed.ok && !committed.replayed) ids.push(...committed.eventIds);
      hops.push(await timed(() => hub().position()));
      await scheduler.wait(100); // over less than a poll, so that they wait differently long
      await look();
    }
    await until("all are heard and done", async () => {
      await look();
      return ids.every((id) => arrivals.has(id) && finished.has(id));
    });
    const heard = ids.map((id) => (arrivals.get(id)?.arrived ?? 0) - (arrivals.get(id)?.committed ?? 0));
    const done = ids.map((id) => (finished.get(id) ?? 0) - (arrivals.get(id)?.committed ?? 0));
    proved("events without the kick, ms", {
      events: ids.length,
      to_device: Math.max(...heard),
      to_last_bit: Math.max(...done),
    });
    const slowness = slownessOf(hops);
    expect(Math.max(...heard)).toBeLessThanOrEqual(OUTBOX_POLL_MS + TO_DEVICE_MS * slowness);
    expect(Math.max(...done)).toBeLessThanOrEqual(OUTBOX_POLL_MS + TO_LAST_BIT_MS * slowness);
    expect(Math.max(...heard)).toBeGreaterThan(2 * TO_DEVICE_MS); // else a kick came from somewhere
    close();
  },
);
