/**
 * What a person does about an order: cancel it, or take up one that waits. The saga decides; once it has accepted, the act
 * is in its journal and is carried out whatever happens, so the same intent asked again has no second effect.
 */
import { findOrder } from "../db/queries/orders.ts";
import { refuse, type Refusal } from "../domain/errors.ts";
import { actorOf, coversRegion, type Principal } from "../domain/identity.ts";
import type { ActAnswer } from "../domain/saga-operators.ts";
import type { OperatorAct } from "../domain/saga-state.ts";
import type { Trace } from "../domain/trace.ts";
import type { Intent } from "./answer-once.ts";
import type { ServiceDeps } from "./deps.ts";

export interface OrderActDeps extends ServiceDeps {
  readonly actOn: (orderId: string, act: OperatorAct) => Promise<ActAnswer>;
  /** Was the act accepted before, by its id? */
  readonly knowsAct: (orderId: string, actId: string) => Promise<boolean>;
}

export interface AskedAct extends Pick<OperatorAct, "action" | "step" | "to" | "reason"> {
  readonly orderId: string;
}

interface Accepted {
  readonly ok: true;
  readonly orderId: string;
}

/** NOT_FOUND outside of the person's region; CONFLICT with where the order stands and what is possible instead. */
export async function actOnOrder(
  deps: OrderActDeps,
  principal: Principal,
  { orderId, ...asked }: AskedAct,
  intent: Intent,
  trace: Trace,
): Promise<Accepted | Refusal> {
  const found = await findOrder(deps.db, orderId);
  if (!found || !coversRegion(principal, found.order.region)) return refuse("NOT_FOUND", "no such order");
  const { status } = found.order;
  const id = await deps.sha256(`${intent.scope} ${intent.id}`);
  if (status === "Completed" || status === "Cancelled") {
    // An act that ended the order, and whose answer was lost, stays accepted.
    if (await deps.knowsAct(orderId, id)) return { ok: true, orderId };
    return refuse("CONFLICT", `the order is ${status}: nothing can be done about it any more`, {
      facts: { order_status: status, possible: [] },
    });
  }
  const { traceparent } = trace;
  const answer = await deps.actOn(orderId, { id, ...asked, by: actorOf(principal), traceparent });
  if (answer.accepted) return { ok: true, orderId };
  return refuse("CONFLICT", answer.reason, { facts: { order_status: status, possible: answer.possible } });
}
