/** Dead letters as a test makes them: parts whose cache can't be dropped, and messages that it takes off the queue itself. */
import { aroundCache, aroundQueue } from "./bindings.ts";
import { as, env, until, type Answer } from "./harness.ts";
import { deliverMessages } from "./relay.ts";
import { sent, updateInventory } from "./stock.ts";

export interface EventMessage {
  readonly seq: number;
  readonly event_id: string;
  readonly event: { readonly type: string; readonly subject: string; readonly data: { readonly sku?: string } };
}

type Json = Answer<any>["body"];

/**
 * The world with some sick parts: whatever drops one of them from the cache fails, with the error that `sick` gives. Their
 * events are taken off the queue (into `taken`), so that a test delivers them when it wants.
 */
export function sickParts(sick: (sku: string) => string | undefined) {
  const taken: EventMessage[] = [];
  const dropped: string[] = [];
  const skuOf = (key: string) => key.slice(key.lastIndexOf(":") + 1);
  return {
    taken,
    /** Keys that were dropped from the cache. */
    dropped,
    wraps: {
      CACHE: (real: KVNamespace) =>
        aroundCache(real, async (call, { method, key }) => {
          const error = method === "delete" ? sick(skuOf(key)) : undefined;
          if (error !== undefined) throw new Error(error);
          if (method === "delete") dropped.push(key);
          return call();
        }),
      EVENTS_QUEUE: (real: Queue) =>
        aroundQueue(real, async (_, bodies) => {
          const all = bodies as EventMessage[];
          const isSick = ({ event }: EventMessage) => sick(event.data.sku ?? "") !== undefined;
          taken.push(...all.filter(isSick));
          const others = all.filter((one) => !isSick(one));
          if (others.length > 0) await real.sendBatch(others.map((body) => ({ body })));
        }),
    },
  };
}

/** Changes the stock of a part at warehouse-01 by 1: one InventoryUpdated. */
export async function change(sku: string): Promise<void> {
  const done = await sent("warehouse-01", updateInventory("warehouse-01", sku, 1, "Bin-D-01"));
  if (done.state !== "applied") throw new Error(JSON.stringify(done));
}

let deaths = 0;

/** Lets the consumer fail at each message once, then hands them to the queue of dead letters, as the platform does. */
export async function die(queue: string, bodies: readonly unknown[]): Promise<void> {
  const acked = await deliverMessages(queue, bodies);
  if (acked.length > 0) throw new Error(`they didn't fail: ${acked.join(", ")}`);
  const buried = await deliverMessages("dead-letters", bodies, `death-${++deaths}`);
  if (buried.length !== bodies.length) throw new Error(`only ${buried.join(", ")} were buried`);
}

/** Changes each of these parts, all sick, and lets their events die. */
export async function dieAbout(world: ReturnType<typeof sickParts>, skus: readonly string[]): Promise<EventMessage[]> {
  const from = world.taken.length;
  for (const sku of skus) await change(sku);
  const messages = await until("their events are sent", async () => {
    const found = world.taken.slice(from);
    return found.length >= skus.length ? found : null;
  });
  await die("events", messages);
  return messages;
}

/** The letters that fit, the newest first; the open ones unless the query says otherwise. */
export async function letters(query = ""): Promise<Json[]> {
  const { status, body } = await as("ops", "GET", `/api/dead-letters?limit=200${query}`);
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body.data;
}

/** The letter about this event. */
export async function letterOf(message: Pick<EventMessage, "event_id">): Promise<Json> {
  const found = (await letters("&state=any")).filter((one) => one.event_id === message.event_id);
  if (found.length === 0) throw new Error(`no letter about ${message.event_id}`);
  return found[0];
}

export async function outboxRow(eventId: string): Promise<{ want: number; done: number; dead: number }> {
  const row = await env.DB.prepare("SELECT want, done, dead FROM outbox WHERE event_id = ?").bind(eventId).first();
  if (!row) throw new Error(`no event ${eventId}`);
  return row as { want: number; done: number; dead: number };
}
