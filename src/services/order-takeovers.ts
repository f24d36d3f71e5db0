/**
 * What a person's act does in the database, one batch: the order stands where it goes on, under the next fence, with what
 * the person left as it is written off, and the act is in the trail with who and why. Nothing of before can land after it.
 */
import { callOff, purchaseLinesOf } from "../db/queries/order-purchases.ts";
import { noteWake } from "../db/queries/order-watch.ts";
import { takeOver, type OrderRow } from "../db/queries/orders.ts";
import type { AnyEventDraft, GuardedWrite } from "../db/unit-of-work.ts";
import type { OperatorAct, OperatorAction, Outcome, SagaAction } from "../domain/saga-state.ts";
import { isoNow } from "./deps.ts";
import { watchLow } from "./low-stock.ts";
import { endedOr } from "./order-compensations.ts";
import { outcomeOfFault, SAGA_SCOPE, type StepContext, type StepDeps } from "./order-steps.ts";
import { releaseParts } from "./parts.ts";
import { demandOf } from "./shipments.ts";

/** The name of each act in the trail; by these an order is known to have been taken over. */
const TAKEN_OVER: Readonly<Record<OperatorAction, string>> = {
  retry: "order.retried",
  skip: "order.skipped",
  resolve: "order.resolved",
  resume: "order.resumed",
  cancel: "order.called off",
};

export async function takeOverOrder(
  deps: StepDeps,
  context: Omit<StepContext, "step" | "key">,
  { act, from, to, error }: Extract<SagaAction, { do: "take_over" }>,
): Promise<Outcome> {
  const { order, fence, trace } = context;
  const at = isoNow(deps);
  try {
    // Before anything else: the cron looks for what an order that has ended still has to do by its wake time.
    if (from === "NeedsAttention") await noteWake(deps.db, order.id, at);
    const settled = to === "Cancelling" ? await writeOff(deps, context, act) : NOTHING;
    const committed = await deps.commit({
      trace: { ...trace, traceparent: act.traceparent },
      inbox: { scope: SAGA_SCOPE, id: `${order.id}:take-over:${fence}`, bodyHash: act.id },
      writes: [
        takeOver(order.id, { from, to, fence, error: error && JSON.stringify(error), at, whole: leavesStock(act) }),
        ...settled.writes,
      ],
      audit: [
        {
          actor: act.by,
          action: TAKEN_OVER[act.action],
          subject: `order/${order.id}`,
          before: { status: from, fence },
          after: { status: to, fence: fence + 1, ...(act.step && { step: act.step }), ...(act.to && { to: act.to }) },
          reason: act.reason,
        },
      ],
      events: [...(from === to ? [] : [statusChanged(order, from, to, at)]), ...settled.events],
    });
    if (committed.ok) return { kind: "done" };
    // Something that was read has changed, such as a purchase order that was received: read it again.
    const reason = `taking over was refused: ${committed.code}`;
    if (committed.code !== "FENCED") return { kind: "unknown", reason };
    return await refusedOr(deps, context, act, from, reason);
  } catch (fault) {
    return outcomeOfFault(fault);
  }
}

/** Acts that end the order without undoing its movement: only what has arrived may be left where it is. */
function leavesStock(act: OperatorAct): boolean {
  return (act.action === "resolve" && act.to === "Cancelled") || (act.action === "skip" && act.step === "move");
}

interface WrittenOff {
  readonly writes: readonly GuardedWrite[];
  readonly events: readonly AnyEventDraft[];
}

const NOTHING: WrittenOff = { writes: [], events: [] };

/** What the person settles outside: purchases that nobody awaits any more, and, with the whole order, its reservations. */
async function writeOff(
  deps: StepDeps,
  { order, lines }: Omit<StepContext, "step" | "key">,
  act: OperatorAct,
): Promise<WrittenOff> {
  const skipped =
    act.action === "skip" && act.step?.startsWith("purchase:") ? act.step.slice("purchase:".length) : null;
  if (act.action !== "resolve" && skipped === null) return NOTHING;
  const all = await purchaseLinesOf(deps.db, order.id);
  const own = skipped === null ? all : all.filter(({ key }) => key === `${order.id}:${skipped}`);
  const counted = own.flatMap(({ sku, incomingAt }) =>
    incomingAt === null ? [] : [{ sku, location: incomingAt, region: order.region }],
  );
  const released = act.action === "resolve" ? releaseParts(deps, order, demandOf(lines)) : NOTHING;
  const low = watchLow(deps, counted);
  return {
    writes: [...callOff(own, isoNow(deps), { by: act.by.id, reason: act.reason }), ...released.writes, ...low.writes],
    events: [...released.events, ...low.events],
  };
}

/** Refused: the order has ended, or, where stock is to be left, something of it is still on its way. */
async function refusedOr(
  deps: StepDeps,
  { order }: Omit<StepContext, "step" | "key">,
  act: OperatorAct,
  from: string,
  reason: string,
): Promise<Outcome> {
  const outcome = await endedOr(deps, order.id, reason);
  if (outcome.kind !== "ended" || outcome.status !== from || !leavesStock(act)) return outcome;
  const detail = `something of ${order.id} is still on its way: receive it first, then ask again`;
  return { kind: "failed", code: "CONFLICT", reason: detail, retryable: false };
}

function statusChanged(order: OrderRow, from: string, to: string, timestamp: string): AnyEventDraft {
  const request = order.requestId === null ? {} : { request_id: order.requestId };
  return {
    type: "StatusChanged",
    subject: `order/${order.id}`,
    region: order.region,
    sequence: order.version + 1,
    data: { kind: "order", id: order.id, from, to, timestamp, device_id: order.deviceId, ...request },
  };
}
