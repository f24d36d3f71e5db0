/**
 * How each step of the order saga is undone, and how the order is closed. The fence comes first: after it no earlier
 * step can land, so what a compensation finds is final. Each undo is idempotent: it says done when nothing is left.
 */
import { callOff, purchaseLinesOf } from "../db/queries/order-purchases.ts";
import { transfersReceived } from "../db/queries/order-stock.ts";
import { endOrder, findOrder, passCompensation, raiseFence } from "../db/queries/orders.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import type { Outcome, SagaAction, SagaError, StepName } from "../domain/saga-state.ts";
import { isoNow } from "./deps.ts";
import { watchLow } from "./low-stock.ts";
import { hasMoved, outcomeOfFault, SAGA_SCOPE, type StepContext, type StepDeps } from "./order-steps.ts";
import { orderEnded } from "./orders.ts";
import { releaseParts } from "./parts.ts";
import { demandOf, reverseMove } from "./shipments.ts";

const ACTOR = { id: "order-saga", kind: "system" } as const;

/** Moves the order to Cancelling and raises its fence, once. */
export async function fenceOrder(
  deps: StepDeps,
  context: Omit<StepContext, "step" | "key">,
  error: SagaError,
): Promise<Outcome> {
  const { order, fence, trace } = context;
  try {
    const committed = await deps.commit({
      trace,
      inbox: { scope: SAGA_SCOPE, id: `${order.id}:fence:${fence}`, bodyHash: "fence" },
      writes: [raiseFence(order.id, fence, JSON.stringify(error), isoNow(deps))],
      audit: [
        { actor: ACTOR, action: "order.cancelling", subject: `order/${order.id}`, after: error, reason: error.reason },
      ],
    });
    return committed.ok ? { kind: "done" } : await endedOr(deps, order.id, `the fence was refused: ${committed.code}`);
  } catch (fault) {
    return outcomeOfFault(fault);
  }
}

/** Refused: the order may have ended already, by a step whose reply was lost. */
export async function endedOr(deps: StepDeps, orderId: string, reason: string): Promise<Outcome> {
  const status = (await findOrder(deps.db, orderId))?.order.status;
  if (status === "Completed" || status === "Cancelled" || status === "NeedsAttention") return { kind: "ended", status };
  return { kind: "unknown", reason };
}

/** Undoes one step. `sent`: may a call of it have been made? Of one that never was, nothing is asked of its supplier. */
export async function compensateStep(deps: StepDeps, context: StepContext, sent: boolean): Promise<Outcome> {
  try {
    if (context.step === "create" || context.step === "complete") return { kind: "done" };
    if (context.step === "reserve") {
      const { writes, events } = releaseParts(deps, context.order, demandOf(context.lines));
      return await undo(deps, context, writes, events);
    }
    if (context.step === "move") return await reverse(deps, context);
    return sent ? await cancelPurchase(deps, context) : await undo(deps, context, [], []);
  } catch (error) {
    return outcomeOfFault(error);
  }
}

async function reverse(deps: StepDeps, context: StepContext): Promise<Outcome> {
  // After the fence this answer is final: the movement landed or it never will.
  if (!(await hasMoved(deps, context))) return { kind: "done" };
  const arrived = await transfersReceived(deps.db, context.order.id);
  if (arrived.length > 0) {
    return refusedForGood(
      `${arrived.join(", ")} has arrived: bring it back by hand, or leave it there and skip the step`,
    );
  }
  const { writes, events } = await reverseMove(deps, context.order);
  return undo(deps, context, writes, events);
}

async function cancelPurchase(deps: StepDeps, context: StepContext): Promise<Outcome> {
  const supplier = context.step.slice("purchase:".length);
  const own = (await purchaseLinesOf(deps.db, context.order.id)).filter(({ key }) => key === context.key);
  if (own.some(({ came }) => came > 0)) {
    return refusedForGood(
      `${own[0]?.id} was delivered, in full or in part: send it back by hand, or keep it and skip the step`,
    );
  }
  const access = await deps.accessTo(supplier);
  if (!access.ok) return { kind: "failed", code: "SUPPLIER_REFUSED", reason: access.reason, retryable: false };
  const gateway = deps.supplierOf(supplier);
  const found = await gateway.findPurchaseOrder(access.address, context.key);
  if (found) {
    const cancelled = await gateway.cancelPurchaseOrder(access.address, context.key);
    if (!cancelled.ok) return { kind: "failed", code: "SUPPLIER_REFUSED", reason: cancelled.reason, retryable: true };
  }
  const counted = own.flatMap(({ sku, incomingAt }) =>
    incomingAt === null ? [] : [{ sku, location: incomingAt, region: context.order.region }],
  );
  const low = watchLow(deps, counted);
  const undone = await undo(deps, context, [...callOff(own, isoNow(deps), null), ...low.writes], low.events);
  return undone.kind === "done" && !found ? { kind: "done", note: "nothing_found" } : undone;
}

function refusedForGood(reason: string): Outcome {
  return { kind: "failed", code: "CONFLICT", reason, retryable: false };
}

async function undo(
  deps: StepDeps,
  context: StepContext,
  writes: readonly GuardedWrite[],
  events: readonly AnyEventDraft[],
): Promise<Outcome> {
  const { order, step, key, fence, trace } = context;
  const committed = await deps.commit({
    trace,
    inbox: { scope: SAGA_SCOPE, id: `${key}:undo`, bodyHash: step },
    writes: [passCompensation(order.id, fence, `undo ${step}`, isoNow(deps)), ...writes],
    audit: [{ actor: ACTOR, action: `order.${undoneOf(step)}`, subject: `order/${order.id}` }],
    events,
  });
  if (committed.ok) return { kind: "done" };
  return {
    kind: "failed",
    code: committed.code,
    reason: `undoing ${step} was refused: ${committed.code}`,
    retryable: true,
  };
}

function undoneOf(step: StepName): string {
  if (step.startsWith("purchase:")) return `purchase cancelled at ${step.slice("purchase:".length)}`;
  return step === "reserve" ? "reservation released" : `undone ${step}`;
}

/** Closes a compensated order: Cancelled, or NeedsAttention when something could not be undone. `told`: what an earlier closing told. */
export async function closeOrder(
  deps: StepDeps,
  context: Omit<StepContext, "step" | "key">,
  { status, error, at: step }: Extract<SagaAction, { do: "close" }>,
  told: SagaError | null,
): Promise<Outcome> {
  const { order, fence, trace } = context;
  try {
    const at = isoNow(deps);
    const from = (await findOrder(deps.db, order.id))?.order.status === "Pending" ? "Pending" : "Cancelling";
    const committed = await deps.commit({
      trace,
      inbox: { scope: SAGA_SCOPE, id: `${order.id}:close:${fence}`, bodyHash: status },
      writes: [endOrder(order.id, { from, fence, to: status, at, step, error: error && JSON.stringify(error) })],
      audit: [
        {
          actor: ACTOR,
          action: status === "Cancelled" ? "order.cancelled" : "order.needs attention",
          subject: `order/${order.id}`,
          ...(error ? { after: error, reason: error.reason } : {}),
        },
      ],
      events: [...orderEnded(deps, order, status), ...errorOccurred(order, isSame(error, told) ? null : error, at)],
    });
    if (committed.ok) return { kind: "done" };
    const outcome = await endedOr(deps, order.id, `closing was refused: ${committed.code}`);
    if (status !== "Cancelled" || outcome.kind === "ended") return outcome;
    return refusedForGood("a reservation, a purchase order or a transfer of the order is still open");
  } catch (fault) {
    return outcomeOfFault(fault);
  }
}

function isSame(error: SagaError | null, told: SagaError | null): boolean {
  return error?.step === told?.step && error?.code === told?.code && error?.reason === told?.reason;
}

/** `sequence`: the order's version by the batch that tells. */
export function errorOccurred(
  order: StepContext["order"],
  error: SagaError | null,
  at: string,
  sequence = order.version + 1,
): AnyEventDraft[] {
  if (!error) return [];
  return [
    {
      type: "ErrorOccurred",
      subject: `order/${order.id}`,
      region: order.region,
      sequence,
      data: {
        code: error.code,
        kind: "order",
        id: order.id,
        message: `${error.step}: ${error.reason}`,
        retryable: false,
        timestamp: at,
        device_id: order.deviceId,
      },
    },
  ];
}
