/**
 * The `events` queue: parse, then each wanted subscriber whose bit isn't set, then ack. A failing subscriber retries the
 * message; the bits of those that have had their effect keep them from running again.
 */
import { z } from "zod";
import { createContainer, type Container, type Lifetime } from "../container.ts";
import { deliveryStates, type DeliveryState } from "../db/queries/outbox.ts";
import { messageOf } from "../domain/errors.ts";
import { parseEvent } from "../domain/events.ts";
import type { Env } from "../env.ts";
import { queueSubscribersOf, SUBSCRIBER_BITS, type QueueSubscriber } from "../events/subscriptions.ts";
import { log } from "../log.ts";
import { subscriberDeps } from "../wiring/subscribers.ts";
import { archiveResponse } from "../subscribers/cloud-archive.ts";
import { invalidateCache } from "../subscribers/cache-invalidation.ts";
import { traceOfMessage, type Delivery } from "../subscribers/delivery.ts";
import { notify } from "../subscribers/notification.ts";
import { startOrder } from "../subscribers/order-starter.ts";
import { processRequest } from "../subscribers/request-processor.ts";
import { expireReservation } from "../subscribers/reservation-expiry.ts";
import { beginWebhooks } from "../subscribers/webhooks.ts";
import { consumeEach } from "./consume.ts";

const messageSchema = z.object({
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
  const places = batch.messages.flatMap((message) => messageSchema.safeParse(message.body).data?.seq ?? []);
  // Read once, and inside a message's turn: a database that is down sends each message up the ladder, not the batch at once.
  let reading: Promise<ReadonlyMap<string, DeliveryState>> | undefined;
  const states = () =>
    (reading ??= deliveryStates(container.db, places).then((rows) => new Map(rows.map((row) => [row.event_id, row]))));
  return async (message: Message): Promise<void> => {
    const parsed = messageSchema.safeParse(message.body);
    if (!parsed.success) {
      log("error", "queue.not_an_event", { id: message.id });
      return;
    }
    const state = (await states()).get(parsed.data.event_id);
    if (state) await deliver(state, handlers);
  };
}

/** The outbox row is the truth of what is wanted and what it says; a row that is gone was finished and aged out. */
async function deliver(state: DeliveryState, handlers: Handlers): Promise<void> {
  const parsed = parseEvent(state.event);
  if (!parsed.ok) {
    // A newer version's event: this version can't do it. It stays open, is sent again, and is parked in sight.
    throw new Error(`event ${state.event_id} isn't one of ours: ${parsed.reason}`);
  }
  const { message } = parsed;
  const failures: string[] = [];
  for (const name of queueSubscribersOf(message.type)) {
    const bit = SUBSCRIBER_BITS[name];
    const handle = handlers[name];
    if (!handle || (state.want & bit) === 0 || (state.done & bit) !== 0) continue;
    try {
      await handle({
        message,
        region: state.region,
        done: { seq: state.seq, eventId: state.event_id, bit },
        trace: traceOfMessage(message),
      });
    } catch (error) {
      log("warn", "subscriber.failed", {
        subscriber: name,
        event_id: state.event_id,
        type: message.type,
        error: messageOf(error),
      });
      failures.push(name);
    }
  }
  if (failures.length > 0) throw new Error(`not done yet: ${failures.join(", ")}`);
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
