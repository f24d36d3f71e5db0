/** From the approved lines to one order, and from the order's end to the response. */
import { findOrder } from "../db/queries/orders.ts";
import { withTrusted } from "../domain/request-context.ts";
import { isoNow } from "../services/deps.ts";
import { orderLines, placeOrder } from "../services/orders.ts";
import { byAgent, mustHave } from "./by-agent.ts";
import { endWith } from "./ending.ts";
import type { Loaded, Move, OrchestratorDeps } from "./move.ts";
import { draftOrder } from "./order-generator.ts";

/** ordering: drafts and places the one order; later, when the order has ended, ends the request. */
export async function nextOrderMove(deps: OrchestratorDeps, loaded: Loaded): Promise<Move | null> {
  const { request } = loaded;
  if (request.orderId === null) return place(deps, loaded);
  const found = await findOrder(deps.db, request.orderId);
  if (!found) return null;
  const { status, error } = found.order;
  if (status === "Completed") return endWith(deps, loaded, loaded.context, { status: "completed", reason: null });
  if (status === "Cancelled") {
    const called = error !== null && (JSON.parse(error) as { code: string }).code === CALLED_OFF;
    return endWith(deps, loaded, loaded.context, { status: called ? "cancelled" : "failed", reason: reasonOf(error) });
  }
  if (status === "NeedsAttention") {
    const reason = reasonOf(error, "needs attention");
    if (request.status === "needs_attention" && request.reason === reason) return null;
    return {
      change: { status: "needs_attention", reason },
      audit: [byAgent(loaded, "OrderGenerator", "request.needs attention", { order_id: request.orderId }, reason)],
    };
  }
  return null;
}

/** What a person's cancel leaves as the order's error. */
const CALLED_OFF = "CANCELLED";

/** needs_attention: a person acts on the order, and when it has ended after all the request ends with it. */
export async function nextAttentionMove(deps: OrchestratorDeps, loaded: Loaded): Promise<Move | null> {
  return loaded.request.orderId === null ? null : nextOrderMove(deps, loaded);
}

function reasonOf(error: string | null, what = "was cancelled"): string {
  if (error === null) return `the order ${what}`;
  const { step, reason } = JSON.parse(error) as { step: string; reason: string };
  return `the order ${what} at ${step}: ${reason}`;
}

function place(deps: OrchestratorDeps, loaded: Loaded): Move {
  const { request } = loaded;
  const context = mustHave(loaded);
  const { section: draft, trace } = draftOrder(context);
  // One request, one order: the id is made from the request's, so no second one can ever be.
  const orderId = `ord_${request.id.slice(request.id.indexOf("_") + 1)}`;
  const { writes, events } = placeOrder({
    id: orderId,
    requestId: request.id,
    requester: request.requester,
    deviceId: request.deviceId,
    region: request.region,
    destination: request.destination,
    total: draft.total,
    currency: draft.currency,
    at: isoNow(deps),
    lines: orderLines(draft.lines),
  });
  return {
    change: { status: "ordering", orderId, context: JSON.stringify(withTrusted(context, { order: draft })) },
    writes,
    audit: [byAgent(loaded, "OrderGenerator", "order.placed", { order_id: orderId, ...trace.final })],
    events,
    agents: [trace],
  };
}
