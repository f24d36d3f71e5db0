/** Begins an event's deliveries: one per endpoint that may hear of it, each with its first timer, in the batch of the done bit. */
import { insertDelivery } from "../db/queries/webhook-deliveries.ts";
import { listListeners } from "../db/queries/webhooks.ts";
import { mayHear } from "../domain/webhook-scope.ts";
import { isoNow, type ServiceDeps } from "../services/deps.ts";
import { webhookDue } from "../services/webhook-timers.ts";
import { commitEffect, type Delivery } from "./delivery.ts";

export async function beginWebhooks(deps: ServiceDeps, delivery: Delivery): Promise<void> {
  const { message, region } = delivery;
  const listeners = await listListeners(deps.db, message.type);
  const at = isoNow(deps);
  const begun = listeners
    .filter((listener) => mayHear(listener, message, region))
    .map((listener) => ({ listener, id: deps.newId("webhookDelivery") }));
  await commitEffect(deps, delivery, {
    writes: begun.map(({ listener, id }) =>
      insertDelivery({
        id,
        webhookId: listener.id,
        eventId: message.id,
        type: message.type,
        event: JSON.stringify(message),
        at,
      }),
    ),
    events: begun.map(({ listener, id }) => webhookDue(listener, { id, attempt: 1, at })),
  });
}
