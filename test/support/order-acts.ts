/** What people ask of orders, and orders that have come to need them. */
import { as, env } from "./harness.ts";
import { breakerOf, drive, settled, type MixedOrder } from "./saga-world.ts";
import { runDurableObjectAlarm } from "cloudflare:test";

type Action = "cancel" | "retry" | "skip" | "resolve" | "resume";

/** Asks, and lets the saga go on as far as it comes. */
export function ask(who: string, orderId: string, action: Action, body: object, headers: Record<string, string> = {}) {
  const path = action === "cancel" ? `/api/orders/${orderId}/cancel` : `/api/orders/${orderId}/saga/${action}`;
  return as(who, "POST", path, body, headers);
}

/** Its supplier is away, and its circuit was opened before the order came there: four hours later a person is asked. */
export async function heldUpFor4Hours(order: MixedOrder): Promise<void> {
  await holdUp(order);
  await order.place();
  await drive(order.orderId, { leapMs: 60 * 60 * 1000 });
}

export async function holdUp({ parts }: MixedOrder): Promise<void> {
  await parts.supplier.switchOn({ down: true });
  const path = `/api/breakers/supplier:${parts.supplier.supplier}/open`;
  const opened = await as("ops", "POST", path, { reason: "a test" });
  if (opened.status >= 300) throw new Error(`not opened: ${JSON.stringify(opened.body)}`);
}

/** The supplier is back, and its circuit closes. */
export async function comeBack({ parts }: MixedOrder): Promise<void> {
  await parts.supplier.switchOn({});
  const path = `/api/breakers/supplier:${parts.supplier.supplier}/reset`;
  const reset = await as("ops", "POST", path, { reason: "it is back" });
  if (reset.status >= 300) throw new Error(`not reset: ${JSON.stringify(reset.body)}`);
  await runDurableObjectAlarm(breakerOf(parts.supplier.supplier));
}

/** The trail of the order by people: `action by: reason`. */
export async function actsInTrail(orderId: string): Promise<string[]> {
  const { results } = await env.DB.prepare(
    "SELECT action || ' by ' || actor || ': ' || reason AS what FROM audit WHERE subject = ? AND actor_kind = 'person' AND action <> 'order.placed' ORDER BY seq",
  )
    .bind(`order/${orderId}`)
    .all<{ what: string }>();
  return results.map(({ what }) => what);
}

/** What the order's devices were told of its status: `from → to`. */
export async function statusesTold(orderId: string): Promise<string[]> {
  await settled();
  const { results } = await env.DB.prepare(
    `SELECT event ->> '$.data.from' || ' → ' || (event ->> '$.data.to') AS what FROM outbox
     WHERE type = 'StatusChanged' AND subject = ? ORDER BY seq`,
  )
    .bind(`order/${orderId}`)
    .all<{ what: string }>();
  return results.map(({ what }) => what);
}

/** The codes of the order's `ErrorOccurred`. */
export async function errorsTold(orderId: string): Promise<string[]> {
  await settled();
  const { results } = await env.DB.prepare(
    "SELECT event ->> '$.data.code' AS code FROM outbox WHERE type = 'ErrorOccurred' AND subject = ? ORDER BY seq",
  )
    .bind(`order/${orderId}`)
    .all<{ code: string }>();
  return results.map(({ code }) => code);
}

export async function purchaseOf({ orderId }: MixedOrder) {
  return env.DB.prepare(
    "SELECT p.id, p.status, SUM(l.closed) AS closed FROM purchase_orders p JOIN purchase_order_lines l ON l.purchase_order_id = p.id WHERE p.order_id = ? GROUP BY p.id",
  )
    .bind(orderId)
    .first<{ id: string; status: string; closed: number }>();
}
