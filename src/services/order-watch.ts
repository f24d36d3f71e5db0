/** Keeps in sight what is stuck: where a saga waits, and, once for each wake time that it slept through, that it does. */
import { noteAlarmed, noteWaiting, noteWake, overdueOrders, type OverdueOrder } from "../db/queries/order-watch.ts";
import { ORDER_OVERDUE_MS } from "../config.ts";
import type { SagaState } from "../domain/saga-state.ts";
import { wasSentAgain } from "../domain/saga-surplus.ts";
import type { Trace } from "../domain/trace.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

/** `last`: what happened last in its journal. An order that has ended stays as it is, but for when its saga will wake. */
export async function noteWait(
  deps: Pick<ServiceDeps, "db" | "clock">,
  { orderId, phase, takeOver }: SagaState,
  untilMs: number,
  last: { readonly step: string; readonly attempt: number; readonly detail: string | null } | null,
): Promise<void> {
  const until = new Date(untilMs).toISOString();
  if (phase === "ended" || takeOver?.from === "NeedsAttention") return noteWake(deps.db, orderId, until);
  await noteWaiting(deps.db, orderId, {
    until,
    at: isoNow(deps),
    step: last?.step ?? null,
    attempts: last?.attempt ?? 0,
    error: last?.detail ?? null,
  });
}

/** The saga of an order that has ended will act no more. Most have no wake time then: nothing is asked of the database. */
export async function noteRest(deps: Pick<ServiceDeps, "db">, state: SagaState): Promise<void> {
  if (state.status === "NeedsAttention" || wasSentAgain(state)) await noteWake(deps.db, state.orderId, null);
}

/**
 * Orders that are more than a minute past their wake time. `ErrorOccurred` tells of each such wake time once; one that
 * can't be told is handed to `notTold` and told by a later look.
 */
export async function raiseStuck(
  deps: ServiceDeps,
  notTold: (orderId: string, fault: unknown) => void,
): Promise<readonly string[]> {
  const before = new Date(deps.clock.now() - ORDER_OVERDUE_MS).toISOString();
  const found = await overdueOrders(deps.db, before);
  for (const order of found) {
    // What is only looked after is revived without a word: the order has what it asked for.
    if (order.told === 1 || order.awaited === 0) continue;
    try {
      await tell(deps, order);
    } catch (error) {
      notTold(order.id, error);
    }
  }
  return found.map(({ id }) => id);
}

async function tell(deps: ServiceDeps, order: OverdueOrder): Promise<void> {
  const at = isoNow(deps);
  const trace: Trace = { ...deps.newTrace(), correlationId: order.id };
  const why = order.lastError === null ? "" : `; it waited because of: ${order.lastError}`;
  const message = `stuck at ${order.step}: it was to go on at ${order.nextWakeAt}${why}`.slice(0, 500);
  // Refused: it has gone on, or someone else has told it.
  await deps.commit({
    trace,
    writes: [noteAlarmed(order.id, order.nextWakeAt)],
    audit: [
      {
        actor: { id: "order-watch", kind: "rule" },
        action: "order.found stuck",
        subject: `order/${order.id}`,
        after: { step: order.step, next_wake_at: order.nextWakeAt },
        reason: message,
      },
    ],
    events: [
      {
        type: "ErrorOccurred",
        subject: `order/${order.id}`,
        region: order.region,
        sequence: order.version,
        data: {
          code: "ORDER_STUCK",
          kind: "order",
          id: order.id,
          message,
          retryable: true,
          timestamp: at,
          device_id: order.deviceId,
        },
      },
    ],
  });
}
