/** Makes the try that a timer is due for. It waits for another system, so it has a queue of its own: see queues/webhooks.ts. */
import { tryDelivery, type WebhookSendingDeps } from "../services/webhook-sending.ts";
import { commitEffect, markDone, type Delivery } from "./delivery.ts";

export async function sendWebhook(deps: WebhookSendingDeps, delivery: Delivery): Promise<void> {
  if (delivery.message.type !== "WebhookDue") return markDone(deps, delivery);
  const { delivery_id: id, attempt } = delivery.message.data;
  await commitEffect(deps, delivery, await tryDelivery(deps, { id, attempt }));
}
