/** The relay dies, or is deceived, around the moment in which it hands messages to the queue. */
import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, beforeAll, beforeEach, describe, it } from "vitest";
import { RESEND_AFTER_MS } from "../../src/config.ts";
import { aroundQueue, gate } from "../support/bindings.ts";
import { as, env, quiet, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { holdRelayPoll, runRelayAlarm } from "../support/relay.ts";
import { seedPart } from "../support/saga-world.ts";
import { accepted, levelOf, updateInventory } from "../support/stock.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
beforeEach(async () => {
  await quiet();
  await holdRelayPoll();
});
afterEach(() => wrapBindings({}));

/** One command of +5, whose way through the queue is the test's; it is looked at until it has had its effect. */
async function changeOf(sku: string): Promise<{ id: string; isApplied: () => Promise<boolean> }> {
  await seedPart(sku, { shelves: [{ location: "warehouse-01", bin: "Bin-1", quantity: 10 }] });
  const id = `cmd_crash_${sku}`;
  await accepted("warehouse-01", updateInventory("warehouse-01", sku, 5, "Bin-1", id));
  const isApplied = async () => (await as("warehouse-01", "GET", `/api/commands/${id}`)).body.state === "applied";
  return { id, isApplied };
}

type Send = () => Promise<unknown>;

/** Both queues, of which the test says what becomes of each send. */
function queues(fate: (send: Send, number: number) => Promise<unknown>) {
  let sends = 0;
  const wrap = (real: Queue) => aroundQueue(real, (send) => fate(send, ++sends));
  wrapBindings({ EVENTS_QUEUE: wrap, COMMANDS_QUEUE: wrap });
  return () => sends;
}

async function tookEffectOnce(sku: string): Promise<string[]> {
  await quiet();
  const { on_hand, version } = await levelOf(sku, "warehouse-01");
  const wrong = on_hand === 15 && version === 2 ? [] : [`on hand ${on_hand}, version ${version}`];
  return [...wrong, ...(await violations(env.DB, { allowUnfinished: true }))];
}

/** Where the relay stands when it dies: the call never returns to it, and then it is gone. */
function deathbed() {
  const bed = gate();
  return {
    lieDown: () => bed.pass(),
    async die(): Promise<void> {
      await until("the relay stands there", async () => bed.waiting() > 0);
      await abortAllDurableObjects();
      bed.breakDown();
    },
  };
}

describe("a relay that dies", () => {
  it("scenario 2: after the queue took its messages, leaves no second effect, whoever sends them again", async ({
    expect,
  }) => {
    const bed = deathbed();
    const sends = queues(async (send, number) => {
      await send();
      if (number === 1) await bed.lieDown();
    });
    const { isApplied } = await changeOf("CRASH-2");
    await bed.die();
    await until("it is applied", async () => {
      moveClock(RESEND_AFTER_MS + 1);
      await runRelayAlarm().catch(() => false);
      return isApplied();
    });
    moveClock(RESEND_AFTER_MS + 1);
    await runRelayAlarm();
    expect(sends()).toBeGreaterThanOrEqual(2);
    expect(await tookEffectOnce("CRASH-2")).toEqual([]);
  });

  it("scenario 3: after it leased the rows and before it sent them, leaves them to whoever comes when the lease is over", async ({
    expect,
  }) => {
    const bed = deathbed();
    const sends = queues(async (send, number) => (number === 1 ? bed.lieDown() : send()));
    const { isApplied } = await changeOf("CRASH-3");
    await bed.die();
    for (let poll = 0; poll < 3; poll++) await runRelayAlarm().catch(() => false);
    expect([await isApplied(), sends()]).toEqual([false, 1]);
    await until("the lease is over, and the command is applied", async () => {
      moveClock(RESEND_AFTER_MS + 1);
      await runRelayAlarm().catch(() => false);
      return isApplied();
    });
    expect(await tookEffectOnce("CRASH-3")).toEqual([]);
  });
});

it("scenario 4: a queue that says it is overloaded though it took the messages gets them again, to no second effect", async ({
  expect,
}) => {
  const sends = queues(async (send, number) => {
    await send();
    if (number <= 4) throw new Error("Queue is overloaded. Please back off.");
  });
  const { isApplied } = await changeOf("CRASH-4");
  await until("it is applied, and its event was sent too", async () => {
    await runRelayAlarm();
    return (await isApplied()) && sends() >= 2;
  });
  expect(await tookEffectOnce("CRASH-4")).toEqual([]);
});
