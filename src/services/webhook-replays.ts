/** Deliveries that someone asked for: an old one once more, or a test. Either is a delivery like any other, with its log. */
import { findDelivery, insertDelivery, restartDelivery, type DeliveryRow } from "../db/queries/webhook-deliveries.ts";
import { refuse, type Refusal } from "../domain/errors.ts";
import { actorOf, type Principal } from "../domain/identity.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import { webhookDue } from "./webhook-timers.ts";
import { maySeeWebhook, visibleWebhook, type Caller } from "./webhooks.ts";

type Begun = { readonly ok: true; readonly deliveryId: string; readonly attempt: number };

/** The delivery as the caller may see it, or NOT_FOUND. */
export async function visibleDelivery(deps: Pick<ServiceDeps, "db">, principal: Principal, id: string) {
  const found = await findDelivery(deps.db, id);
  return found && maySeeWebhook(principal, found.endpoint)
    ? { ok: true as const, ...found }
    : refuse("NOT_FOUND", "no such delivery");
}

/** Delivers again, with the same `webhook-id` and the ladder from its start. One that is pending is tried at once. */
export async function replayDelivery(deps: ServiceDeps, caller: Caller, id: string): Promise<Begun | Refusal> {
  const found = await visibleDelivery(deps, caller.principal, id);
  if (!found.ok) return found;
  const { delivery, endpoint } = found;
  if (endpoint.state !== "active") return refuse("CONFLICT", `its endpoint is ${endpoint.state}`);
  const at = isoNow(deps);
  const attempt = delivery.attempts + 1;
  const done: Begun = { ok: true, deliveryId: id, attempt };
  const committed = await deps.commit({
    answers: done,
    trace: caller.trace,
    writes: [restartDelivery(delivery, at)],
    audit: [
      {
        actor: actorOf(caller.principal),
        action: "webhook.delivery replayed",
        subject: `webhook/${endpoint.id}`,
        before: standing(delivery),
        after: { delivery_id: id, attempt },
      },
    ],
    events: [webhookDue(endpoint, { id, attempt, at })],
  });
  if (!committed.ok) return refuse("CONFLICT", "it was just tried: read it again");
  return done;
}

function standing({ id, state, attempts }: DeliveryRow) {
  return { delivery_id: id, state, attempts };
}

/** Sends an event of type `WebhookTest` to this endpoint alone, whatever its types. */
export async function sendTest(deps: ServiceDeps, caller: Caller, webhookId: string): Promise<Begun | Refusal> {
  const found = await visibleWebhook(deps, caller.principal, webhookId);
  if (!found.ok) return found;
  const { webhook } = found;
  if (webhook.state !== "active") return refuse("CONFLICT", `it is ${webhook.state}: turn it on first`);
  const [id, eventId, at] = [deps.newId("webhookDelivery"), deps.newId("event"), isoNow(deps)];
  const event = {
    specversion: "1.0",
    id: eventId,
    source: "/waybill",
    type: "WebhookTest",
    subject: `webhook/${webhookId}`,
    time: at,
    datacontenttype: "application/json",
    data: { webhook_id: webhookId, sent_by: caller.principal.subject, timestamp: at },
  };
  const done: Begun = { ok: true, deliveryId: id, attempt: 1 };
  await deps.commit({
    answers: done,
    trace: caller.trace,
    writes: [insertDelivery({ id, webhookId, eventId, type: event.type, event: JSON.stringify(event), at })],
    audit: [
      {
        actor: actorOf(caller.principal),
        action: "webhook.tested",
        subject: event.subject,
        after: { delivery_id: id },
      },
    ],
    events: [webhookDue(webhook, { id, attempt: 1, at })],
  });
  return done;
}
