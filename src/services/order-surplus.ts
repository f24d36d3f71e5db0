/** What a supplier accepted under our key beyond the purchase order that we know: cancelled there, or told to people. */
import { listPurchaseOrders } from "../db/queries/orders.ts";
import type { Outcome, SagaError } from "../domain/saga-state.ts";
import { isoNow } from "./deps.ts";
import { errorOccurred } from "./order-compensations.ts";
import { outcomeOfFault, SAGA_SCOPE, type StepContext, type StepDeps } from "./order-steps.ts";

/** Cancels all that is live under the key but the purchase order that the order has. Nothing there is fine. */
export async function recallSurplus(deps: StepDeps, { order, step, key }: StepContext): Promise<Outcome> {
  try {
    const known = (await listPurchaseOrders(deps.db, order.id)).find((one) => one.idempotencyKey === key);
    if (!known?.supplierReference || known.status === "cancelled") return { kind: "done" };
    const supplier = step.slice("purchase:".length);
    const access = await deps.accessTo(supplier);
    if (!access.ok) return { kind: "failed", code: "SUPPLIER_REFUSED", reason: access.reason, retryable: false };
    const recalled = await deps.supplierOf(supplier).cancelPurchaseOrder(access.address, key, known.supplierReference);
    if (recalled.ok) return { kind: "done" };
    return { kind: "failed", code: "SUPPLIER_REFUSED", reason: `${supplier}: ${recalled.reason}`, retryable: true };
  } catch (fault) {
    return outcomeOfFault(fault);
  }
}

/** Tells, once, what the supplier won't take back. The order has what it asked for and stays as it is. */
export async function reportSurplus(deps: StepDeps, context: StepContext, error: SagaError): Promise<Outcome> {
  const { order, step, key, trace } = context;
  try {
    const committed = await deps.commit({
      trace,
      inbox: { scope: SAGA_SCOPE, id: `${key}:surplus`, bodyHash: step },
      writes: [],
      audit: [
        {
          actor: { id: "order-saga", kind: "system" },
          action: "order.surplus left",
          subject: `order/${order.id}`,
          after: error,
          reason: error.reason,
        },
      ],
      events: errorOccurred(order, error, isoNow(deps), order.version),
    });
    return committed.ok ? { kind: "done" } : { kind: "unknown", reason: `telling was refused: ${committed.code}` };
  } catch (fault) {
    return outcomeOfFault(fault);
  }
}
