/**
 * The `events` queue: parse, then each wanted subscriber whose bit isn't set, then ack. A failing subscriber retries the
 * message; the bits of those that have had their effect, or are dead, keep them from running again.
 */
import { z } from "zod";
import { createContainer, type Container, type Lifetime } from "../container.ts";
import { deliveryStates, type DeliveryState } from "../db/queries/outbox.ts";
import { messageOf } from "../domain/errors.ts";
import { parseEvent, parseMessage } from "../domain/events.ts";
import type { Env } from "../env.ts";
import { queueSubscribersIn, SUBSCRIBER_BITS, type QueueSubscriber } from "../events/subscriptions.ts";
import { log } from "../log.ts";
import { noteSubscriberFailures } from "../services/burials.ts";
import { subscriberDeps } from "../wiring/subscribers.ts";
import { archiveResponse } from "../subscribers/cloud-archive.ts";
import { invalidateCache } from "../subscribers/cache-invalidation.ts";
import { traceOfMessage, type Delivery } from "../subscribers/delivery.ts";
import { notify } from "../subscribers/notification.ts";
import { startOrder } from "../subscribers/order-starter.ts";
import { processRequest } from "../subscribers/request-processor.ts";
import { expireReservation } from "../subscribers/reservation-expiry.ts";
import { beginWebhooks } from "../subscribers/webhooks.ts";
import { consumeEach, readingAs } from "./consume.ts";

export const eventMessage = z.object({
  seq: z.int().positive(),
  event_id: z.string().min(1),
  event: z.unknown().optional(),
});

export type Handlers = Readonly<Partial<Record<QueueSubscriber, (delivery: Delivery) => Promise<void>>>>;

export async function consumeEvents(batch: MessageBatch, env: Env, lifetime: Lifetime): Promise<void> {
  const container = createContainer(env, lifetime);
  await consumeEach(batch, deliverWith(container, batch, handlersOf(container)));
}

/** Handles a message of the batch: the outbox is read once for all of them. */
export function deliverWith(container: Container, batch: MessageBatch, handlers: Handlers) {
  const places = batch.messages.flatMap((message) => eventMessage.safeParse(message.body).data?.seq ?? []);
  // Read once, and inside a message's turn: a database that is down sends each message up the ladder, not the batch at once.
  let reading: Promise<ReadonlyMap<string, DeliveryState>> | undefined;
  const states = () =>
    (reading ??= deliveryStates(container.db, places).then((rows) => new Map(rows.map((row) => [row.event_id, row]))));
  return readingAs(eventMessage, batch.queue, container, async (body) => {
    const state = (await states()).get(body.event_id);
    if (state) await deliver(container, state, handlers);
  });
}

/** The outbox row is the truth of what is wanted and what it says; a row that is gone was finished and aged out. */
async function deliver(container: Container, state: DeliveryState, handlers: Handlers): Promise<void> {
  const edited = JSON.parse(state.edited ?? "{}") as Readonly<Record<string, unknown>>;
  const original = parseEvent(state.event);
  const failures: Record<string, string> = {};
  for (const name of queueSubscribersIn(state.want & ~(state.done | state.dead))) {
    const handle = handlers[name];
    if (!handle) continue;
    const parsed = edited[name] === undefined ? original : parseMessage(edited[name]);
    if (!parsed.ok) {
      failures[name] = `not an event of this version: ${parsed.reason}`;
      continue;
    }
    const { message } = parsed;
    try {
      await handle({
        message,
        region: state.region,
        done: { seq: state.seq, eventId: state.event_id, bit: SUBSCRIBER_BITS[name] },
        trace: traceOfMessage(message),
      });
    } catch (error) {
      failures[name] = messageOf(error);
    }
  }
  const failed = Object.keys(failures);
  if (failed.length === 0) return;
  log("warn", "subscriber.failed", { event_id: state.event_id, failures });
  await noteSubscriberFailures(container, state, failures);
  throw new Error(`not done yet: ${failed.join(", ")}`);
}

function handlersOf(container: Container): Required<Handlers> {
  const deps = subscriberDeps(container);
  const dropped = new Set<string>();
  return {
    "request-processor": (delivery) => processRequest(deps, delivery),
    "order-starter": (delivery) => startOrder(deps, delivery),
    notification: (delivery) => notify(deps, delivery),
    "cache-invalidation": (delivery) => invalidateCache(deps, delivery, dropped),
    "cloud-archive": (delivery) => archiveResponse(deps, delivery),
    "reservation-expiry": (delivery) => expireReservation(deps, delivery),
    webhooks: (delivery) => beginWebhooks(deps, delivery),
    // Its POST may take 10 s, which nothing else here must wait for: that queue's turn sets the bit.
    "webhook-sender": (delivery) => deps.queueWebhook(delivery.done),
  };
}
