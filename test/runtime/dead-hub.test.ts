/** A region whose hub can't be reached: its events wait in order, and what waits costs the other regions nothing. */
import { afterEach, beforeAll, describe, it } from "vitest";
import type { Env } from "../../src/env.ts";
import { kickShard } from "../../src/container.ts";
import { figure } from "../support/figures.ts";
import { env, quiet, startWorld, until } from "../support/harness.ts";
import { holdRelayPoll, runRelayAlarm } from "../support/relay.ts";
import { meterRows } from "../support/row-meter.ts";
import { openSocket } from "../support/socket.ts";
import { sent, updateInventory } from "../support/stock.ts";
import { testClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
afterEach(() => wrapBindings({}));

const WAITING = 20_000;
const A_TURN = 200; // rows that are handed to a region's hubs at once
const MOST_READ = 8 * A_TURN; // the index, the row and the parked ones of its subject, twice

/** Every hub but the south's works; `calls` counts who asked that one. */
function southDown() {
  const calls = { south: 0 };
  const south = new Set<string>();
  const HUB = (real: Env["HUB"]) =>
    ({
      idFromName: (name: string) => {
        const id = real.idFromName(name);
        if (name.startsWith("hub:south:")) south.add(id.toString());
        return id;
      },
      get: (id: DurableObjectId) => {
        if (!south.has(id.toString())) return real.get(id);
        return { deliver: () => Promise.reject(new Error(`unreachable, call ${++calls.south}`)) };
      },
    }) as unknown as Env["HUB"];
  return { calls, HUB };
}

/** Events of the south whose other subscribers have had theirs: the hub's part is all that is left. */
async function leaveWaiting(count: number): Promise<void> {
  const now = new Date(testClock.now()).toISOString();
  const event = `json_object('specversion', '1.0', 'id', printf('evt_south_%05d', i), 'source', '/waybill', 'type', 'InventoryUpdated',
    'subject', 'stock/SOUTH-' || (i % 500) || '@warehouse-s', 'time', '${now}', 'datacontenttype', 'application/json',
    'dataschema', '/schemas/InventoryUpdated.v1.json', 'sequence', i, 'traceparent', '00-${"a".repeat(32)}-${"b".repeat(16)}-01',
    'correlationid', 'south', 'data', json_object('sku', 'SOUTH-' || (i % 500), 'location', 'warehouse-s', 'bin', 'B',
      'quantity_change', 1, 'on_hand', i, 'timestamp', '${now}'))`;
  await env.DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
     INSERT INTO outbox(event_id, bucket, type, subject, region, event, created_at, want, done)
     SELECT printf('evt_south_%05d', i), i % 64, 'InventoryUpdated', 'stock/SOUTH-' || (i % 500) || '@warehouse-s', 'south',
       ${event}, '${now}', 17, 16 FROM n`,
  ).run();
}

const heardInSouth = async () => {
  const { results } = await env.DB.prepare(
    "SELECT seq, done & 1 AS done FROM outbox WHERE event_id LIKE 'evt_south_%' ORDER BY seq",
  ).all<{ seq: number; done: number }>();
  return results.map(({ done }) => done);
};

describe(`with ${WAITING} events waiting for a hub that is down`, () => {
  it("a turn reads a bounded number of rows and a kick next to none; the north hears its own at once and in order", async ({
    expect,
  }) => {
    await quiet();
    await holdRelayPoll();
    const socket = await openSocket("truck-001");
    await socket.frame("welcome");
    const { calls, HUB } = southDown();
    const meter = meterRows({ HUB });
    await leaveWaiting(WAITING);
    meter.taken();

    await runRelayAlarm();
    const poll = meter.taken().read;
    expect(calls.south).toBe(1);
    await kickShard(env, 0);
    const kick = meter.taken().read;
    figure("rows read while a hub is down", { waiting: WAITING, poll, kick });
    expect(poll).toBeLessThan(MOST_READ);
    expect(kick).toBeLessThan(30);

    const waits: number[] = [];
    for (let change = 1; change <= 20; change++) {
      const before = socket.events.length;
      const began = Date.now();
      await sent("warehouse-01", updateInventory("warehouse-01", "PUMP-001", 1, "Bin-H-01"));
      await until("the north hears it", async () =>
        socket.events.slice(before).some(({ event }) => event.type === "InventoryUpdated"),
      );
      waits.push(Date.now() - began);
    }
    expect(calls.south).toBe(1);
    const sequences = socket.events
      .filter(({ event }) => event.subject === "stock/PUMP-001@warehouse-01")
      .map(({ event }) => event.sequence);
    expect(sequences).toHaveLength(20);
    expect(sequences).toEqual(sequences.toSorted((one, other) => one - other));
    const read = meter.taken().read / 20;
    figure("the north meanwhile", { rows_read_a_change: read, median_ms: waits.toSorted((a, b) => a - b)[10] ?? 0 });
    expect(read).toBeLessThan(300);
    socket.close();
  }, 60_000);

  it("the poll tries it again, and once it answers it gets them in the order in which they were committed", async ({
    expect,
  }) => {
    const { calls, HUB } = southDown();
    wrapBindings({ HUB });
    await runRelayAlarm();
    await runRelayAlarm();
    expect(calls.south).toBe(2);
    expect(await heardInSouth()).not.toContain(1);
    const handed: string[] = [];
    wrapBindings({
      HUB: (real) =>
        ({
          idFromName: (name: string) => real.idFromName(name),
          get: (id: DurableObjectId) => ({
            deliver: async (rows: readonly { event_id: string }[]) => {
              handed.push(...rows.map(({ event_id: eventId }) => eventId));
              if (handed.length > 3 * A_TURN) throw new Error("down again");
              await real.get(id).deliver(rows as never);
            },
          }),
        }) as unknown as Env["HUB"],
    });
    await runRelayAlarm();
    expect(handed).toEqual(handed.toSorted());
    const heard = await heardInSouth();
    expect(heard.indexOf(0)).toBe(3 * A_TURN);
    expect(heard.lastIndexOf(1)).toBe(3 * A_TURN - 1);
    await env.DB.prepare("DELETE FROM outbox WHERE event_id LIKE 'evt_south_%'").run();
  }, 60_000);
});
