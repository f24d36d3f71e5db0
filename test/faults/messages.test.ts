/** The queue may bring each message several times, in any order, to several consumers at once, whose lines break. */
import { afterEach, beforeAll, it } from "vitest";
import { randomFrom, type Random } from "../../scripts/demo/random.ts";
import { createContainer } from "../../src/container.ts";
import type { AnyEventDraft } from "../../src/db/unit-of-work.ts";
import { aroundDatabase, aroundQueue } from "../support/bindings.ts";
import { env, quiet, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { proved, seed, sizeOf } from "../support/proof.ts";
import { deliverMessages, holdRelayPoll, runRelayAlarm } from "../support/relay.ts";
import { seedPart } from "../support/saga-world.ts";
import { levelOf } from "../support/stock.ts";
import { wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
afterEach(() => wrapBindings({}));

const MESSAGES = sizeOf(500, 10_000);
const MOST_DELIVERIES = 5;
const CONSUMERS = 4;
const BATCH = 25;
const A_COMMIT = 50;
const RESERVED = MESSAGES / 5;

interface Body {
  readonly seq: number;
  readonly event_id: string;
}

const orderOf = (n: number) => `ord_msg_${String(n).padStart(5, "0")}`;

/** One of five kinds in turn: a due reservation (it changes stock), news for people, an error for managers, stale keys. */
function draftOf(n: number, at: string): AnyEventDraft {
  const base = { region: "north", sequence: n } as const;
  switch (n % 5) {
    case 0:
      return {
        ...base,
        type: "ReservationDue",
        subject: `order/${orderOf(n)}`,
        data: { order_id: orderOf(n), timestamp: at },
      };
    case 1:
      return {
        ...base,
        type: "StatusChanged",
        subject: `request/req_msg_${n}`,
        data: { kind: "request", id: "req_msg", from: "a", to: "b", timestamp: at },
      };
    case 2:
      return {
        ...base,
        type: "ErrorOccurred",
        subject: `order/err-${n}`,
        data: { code: "X", kind: "order", id: `err-${n}`, message: "m", retryable: false, timestamp: at },
      };
    case 3:
      return {
        ...base,
        type: "ApprovalRequested",
        subject: `request/ask-${n}`,
        data: {
          request_id: "req_msg",
          step_id: `stp-${n}`,
          approver: "manager-north",
          rule: "r",
          due_at: at,
          timestamp: at,
        },
      };
    default:
      return {
        ...base,
        type: "PartUpdated",
        subject: `part/MSG-${n % 50}`,
        data: { sku: `MSG-${n % 50}`, version: 1, timestamp: at },
      };
  }
}

/** Commits all the events and what they are about; returns their messages, in the order of the log. */
async function commitAll(): Promise<Body[]> {
  await seedPart("MSG", { shelves: [{ location: "warehouse-03", bin: "Bin-1", quantity: RESERVED }] });
  const at = new Date().toISOString();
  const orders = JSON.stringify(Array.from({ length: RESERVED }, (_, n) => orderOf(n * 5)));
  await env.DB.batch([
    env.DB.prepare("UPDATE stock_levels SET reserved = ? WHERE sku = 'MSG'").bind(RESERVED),
    env.DB.prepare(
      `INSERT INTO reservations(order_id, sku, location, quantity, state, expires_at)
       SELECT value, 'MSG', 'warehouse-03', 1, 'open', ? FROM json_each(?)`,
    ).bind(at, orders),
    env.DB.prepare(
      `INSERT INTO requests(id, request_number, device_id, requester, region, destination, status, created_at, updated_at)
       VALUES ('req_msg', 'MSG', 'truck-001', 'tech-north', 'north', 'truck-001', 'cancelled', ?1, ?1)`,
    ).bind(at),
  ]);
  const background: Promise<unknown>[] = [];
  const container = createContainer(env, { waitUntil: (work) => void background.push(work) });
  for (let from = 0; from < MESSAGES; from += A_COMMIT) {
    const events = Array.from({ length: A_COMMIT }, (_, n) => draftOf(from + n, at));
    const committed = await container.commit({ trace: container.newTrace(), writes: [], events });
    if (!committed.ok) throw new Error(committed.code);
  }
  await Promise.all(background);
  const { results } = await env.DB.prepare("SELECT seq, event_id FROM outbox WHERE created_at >= ? ORDER BY seq")
    .bind(at)
    .all<Body>();
  return results;
}

/**
 * When each message comes: in rounds, each of several batches that run side by side. A repeat comes in any other round, or
 * in the same one, where it meets itself at another consumer or in its own batch.
 */
function schedule(bodies: readonly Body[], random: Random): { rounds: Body[][][]; deliveries: number } {
  const rounds: Body[][][] = Array.from({ length: Math.ceil((bodies.length * 3) / (BATCH * CONSUMERS)) }, () =>
    Array.from({ length: CONSUMERS }, () => []),
  );
  let deliveries = 0;
  const put = (body: Body, round: number) => {
    deliveries++;
    const batch = random.pick(rounds[round] ?? []);
    batch.splice(random.int(0, batch.length), 0, body);
  };
  for (const body of bodies) {
    const first = random.int(0, rounds.length - 1);
    put(body, first);
    for (let more = random.int(0, MOST_DELIVERIES - 1); more > 0; more--) {
      put(body, random.chance(0.3) ? first : random.int(0, rounds.length - 1));
    }
  }
  return { rounds, deliveries };
}

it("scenario 6, 7: messages that come one to five times, shuffled, side by side, over lines that break, have each effect once", async ({
  expect,
}) => {
  await quiet();
  await holdRelayPoll();
  const began = performance.now();
  const random = randomFrom(seed);
  let [faults, again] = [0, 0];
  const kept = { EVENTS_QUEUE: (real: Queue) => aroundQueue(real, async () => undefined) };
  wrapBindings(kept);
  const bodies = await commitAll();
  expect(bodies).toHaveLength(MESSAGES);

  wrapBindings({
    ...kept,
    DB: (real) =>
      aroundDatabase(real, async (work) => {
        const drawn = random.next();
        if (drawn < 0.005) {
          faults++;
          throw new Error("D1_ERROR: Network connection lost (before).");
        }
        const reply = await work();
        if (drawn > 0.995) {
          faults++;
          throw new Error("D1_ERROR: Network connection lost (after).");
        }
        return reply;
      }),
  });
  const { rounds, deliveries } = schedule(bodies, random);
  const deliver = async (batch: readonly Body[]): Promise<Body[]> => {
    const acks = new Set(await deliverMessages("events", batch));
    return batch.filter((_, at) => !acks.has(`m-${at}`));
  };
  let failed: Body[] = [];
  for (const batches of rounds) {
    const [first = [], ...others] = batches;
    again += failed.length;
    const missed = await Promise.all([[...failed, ...first], ...others].map(deliver));
    failed = missed.flat();
  }
  wrapBindings(kept);
  while (failed.length > 0) failed = await deliver(failed);
  await until("the hubs have theirs, and what the work itself told has come too", async () => {
    await runRelayAlarm();
    // Delivered here, whatever became of the relay's own sending: a lease whose reply was lost holds a row for two minutes.
    const told = "SELECT seq, event_id FROM outbox WHERE type = 'CacheDropDue' AND done <> want";
    await deliver((await env.DB.prepare(told).all<Body>()).results);
    const open = "SELECT COUNT(*) AS n FROM outbox WHERE done <> want AND not_before <= ?";
    return (await env.DB.prepare(open).bind(new Date().toISOString()).first<number>("n")) === 0;
  });

  const count = (sql: string) => env.DB.prepare(sql).first<number>("n");
  const managers =
    (await count("SELECT COUNT(*) AS n FROM people WHERE role = 'manager' AND (region = 'north' OR region IS NULL)")) ??
    0;
  const told = await count("SELECT COUNT(*) AS n FROM notifications WHERE event_id IN (SELECT event_id FROM outbox)");
  expect(told).toBe((MESSAGES / 5) * (2 + managers + 1)); // a requester and a device; the managers; the one who is asked
  expect(await levelOf("MSG", "warehouse-03")).toMatchObject({
    on_hand: RESERVED,
    reserved: 0,
    version: 1 + RESERVED, // each reservation came back by one write
  });
  expect(await count("SELECT COUNT(*) AS n FROM reservations WHERE sku = 'MSG' AND state = 'expired'")).toBe(RESERVED);
  expect(await count("SELECT COUNT(*) AS n FROM audit WHERE action = 'reservation.expired'")).toBe(RESERVED);
  expect(await count("SELECT COUNT(*) AS n FROM outbox WHERE parked_at IS NOT NULL")).toBe(0);
  expect((await violations(env.DB, { allowUnfinished: true })).filter((one) => !one.includes("req_msg"))).toEqual([]);
  const seconds = (performance.now() - began) / 1000;
  proved("messages", { messages: MESSAGES, deliveries, faults, retried: again, lost: 0, double: 0, seconds });
}, 600_000);
