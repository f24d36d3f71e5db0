/**
 * What each step of the order saga does: supplier calls through the breaker, everything else one batch under the step's
 * own inbox key, behind the fence. A reply that was lost is reported as unknown, never as failed.
 */
import { holdsReservation, isCommitted } from "../db/queries/order-stock.ts";
import { endOrder, passFence, type OrderLineRow, type OrderRow } from "../db/queries/orders.ts";
import { findParts } from "../db/queries/parts.ts";
import type { AnyEventDraft, Committed, GuardedWrite } from "../db/unit-of-work.ts";
import { AppError, messageOf, type ErrorCode } from "../domain/errors.ts";
import type { PlacedPurchaseOrder, SupplierGateway } from "../domain/ports.ts";
import { differenceOf } from "../domain/purchase-terms.ts";
import type { Outcome, StepName } from "../domain/saga-state.ts";
import type { SupplierAccess } from "../domain/supplier-access.ts";
import type { Trace } from "../domain/trace.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import { orderEnded } from "./orders.ts";
import { explainShortage, reserveParts } from "./parts.ts";
import { demandOf, moveStock } from "./shipments.ts";
import { createPurchaseOrder, draftPurchaseOrder, suppliersOf, termsOf, whyNotBought } from "./suppliers.ts";

export const SAGA_SCOPE = "saga";

export interface StepDeps extends ServiceDeps {
  /** The supplier behind its breaker: an open one throws CIRCUIT_OPEN. */
  readonly supplierOf: (supplier: string) => SupplierGateway;
  /** Where the supplier is reached, or why it can't be. */
  readonly accessTo: (supplier: string) => Promise<SupplierAccess>;
}

export interface StepContext {
  readonly order: OrderRow;
  readonly lines: readonly OrderLineRow[];
  readonly fence: number;
  readonly step: StepName;
  readonly key: string;
  readonly trace: Trace;
  /** Of complete: are its purchases looked after once the order is completed? Then its saga wakes again. */
  readonly watched?: boolean;
}

/** Carries the step out. Expected ends are outcomes; only a fault of our own code throws. */
export async function runStep(deps: StepDeps, context: StepContext): Promise<Outcome> {
  try {
    if (context.step === "create") return await createOrder(deps, context);
    if (context.step === "reserve") return await reserveStep(deps, context);
    if (context.step === "move") return await moveStep(deps, context);
    if (context.step === "complete") return await completeStep(deps, context);
    return await purchase(deps, context);
  } catch (error) {
    return outcomeOfFault(error);
  }
}

/** Faults that leave open whether the other side carried the call out. */
const UNANSWERED: ReadonlySet<ErrorCode> = new Set(["DEPENDENCY_FAILED", "INTERNAL", "DEADLINE_EXCEEDED"]);

/** A fault's outcome: an open breaker is no attempt; what a dependency didn't answer is unknown; the rest failed. */
export function outcomeOfFault(error: unknown): Outcome {
  if (error instanceof AppError) {
    if (error.code === "CIRCUIT_OPEN") return { kind: "blocked", retryAfterMs: (error.retryAfterSeconds ?? 30) * 1000 };
    if (error.retryable && UNANSWERED.has(error.code)) {
      const retryAfter = error.retryAfterSeconds === undefined ? {} : { retryAfterMs: error.retryAfterSeconds * 1000 };
      return { kind: "unknown", reason: error.message, ...retryAfter };
    }
    return { kind: "failed", code: error.code, reason: error.message, retryable: error.retryable };
  }
  return { kind: "unknown", reason: messageOf(error) };
}

async function createOrder(deps: StepDeps, context: StepContext): Promise<Outcome> {
  const known = await findParts(
    deps.db,
    context.lines.map((line) => line.sku),
  );
  const missing = context.lines.find((line) => !known.some((part) => part.sku === line.sku));
  if (missing) return failed("UNKNOWN_REFERENCE", `line ${missing.line}: the catalogue has no part ${missing.sku}`);
  const gone = context.lines.find((line) =>
    known.some((part) => part.sku === line.sku && part.discontinued && line.source === "purchase"),
  );
  if (gone) return failed("CONFLICT", `line ${gone.line}: ${gone.sku} is discontinued and can't be bought`);
  // Before anything was asked of anyone: a supplier that can't be called later leaves nothing to a person now.
  for (const supplier of suppliersOf(context.lines)) {
    const access = await deps.accessTo(supplier);
    if (!access.ok) return failed("SUPPLIER_REFUSED", access.reason);
  }
  return outcomeOf(await commitStep(deps, context, [], []));
}

async function reserveStep(deps: StepDeps, context: StepContext): Promise<Outcome> {
  const demand = demandOf(context.lines);
  const { writes, events } = reserveParts(deps, context.order, demand);
  const committed = await commitStep(deps, context, writes, events);
  if (!committed.ok && committed.code === "INSUFFICIENT_STOCK") {
    return failed("INSUFFICIENT_STOCK", await explainShortage(deps, demand));
  }
  return outcomeOf(committed);
}

async function moveStep(deps: StepDeps, context: StepContext): Promise<Outcome> {
  if (await hasMoved(deps, context)) return { kind: "done" };
  // Asked before bins are chosen: pieces that are the order's no more may be in none, and it isn't the bins that changed.
  if (demandOf(context.lines).length > 0 && !(await holdsReservation(deps.db, context.order.id)))
    return failed("RESERVATION_GONE", "the reservation has expired");
  const { writes, events } = await moveStock(deps, context.order, context.lines);
  const committed = await commitStep(deps, context, writes, events);
  if (!committed.ok && committed.code === "CONFLICT") {
    return { kind: "failed", code: "CONFLICT", reason: "the bins changed while picking", retryable: true };
  }
  return outcomeOf(committed);
}

/** The stock moves once, under the key of whichever round: a batch of an earlier one may have landed late. */
export async function hasMoved(deps: StepDeps, { order, key }: StepContext): Promise<boolean> {
  const round = Number(key.slice(key.lastIndexOf(":") + 1));
  for (let earlier = 0; earlier <= round; earlier++) {
    if (await isCommitted(deps.db, SAGA_SCOPE, `${order.id}:move:${earlier}`)) return true;
  }
  return false;
}

async function completeStep(deps: StepDeps, context: StepContext): Promise<Outcome> {
  const { order, fence, watched } = context;
  const at = isoNow(deps);
  const write = endOrder(order.id, { from: "Pending", fence, to: "Completed", at, wakeAt: watched ? at : null });
  return outcomeOf(await commitStep(deps, context, [write], orderEnded(deps, order, "Completed"), false));
}

async function purchase(deps: StepDeps, context: StepContext): Promise<Outcome> {
  const supplier = context.step.slice("purchase:".length);
  const access = await deps.accessTo(supplier);
  if (!access.ok) return failed("SUPPLIER_REFUSED", access.reason);
  const stop = await whyNotBought(deps, context.lines, supplier);
  if (stop !== null) return failed("SUPPLIER_REFUSED", stop);
  const draft = draftPurchaseOrder(context.order, context.lines, access.address, context.key);
  const placed = await deps.supplierOf(supplier).placePurchaseOrder(draft);
  if (!placed.ok) return failed("SUPPLIER_REFUSED", `${supplier}: ${placed.reason}`);
  if (placed.order.status === "cancelled")
    return failed("SUPPLIER_REFUSED", `${supplier} has cancelled ${placed.order.reference}`);
  return recordPurchase(deps, context, supplier, placed.order);
}

/** Did a purchase whose reply was lost happen? Found: write it down. Not found: it may be tried again. */
export async function probePurchase(deps: StepDeps, context: StepContext): Promise<Outcome> {
  try {
    const supplier = context.step.slice("purchase:".length);
    const access = await deps.accessTo(supplier);
    if (!access.ok) return failed("SUPPLIER_REFUSED", access.reason);
    const found = await deps.supplierOf(supplier).findPurchaseOrder(access.address, context.key);
    if (!found || found.status === "cancelled") return { kind: "not_done" };
    return await recordPurchase(deps, context, supplier, found);
  } catch (error) {
    return outcomeOfFault(error);
  }
}

async function recordPurchase(
  deps: StepDeps,
  context: StepContext,
  supplier: string,
  order: PlacedPurchaseOrder,
): Promise<Outcome> {
  // Never written down at other terms than were approved: the compensation finds it there and cancels it.
  const difference = differenceOf(termsOf(context.order, context.lines, supplier), order.confirmed);
  if (difference !== null) return failed("SUPPLIER_REFUSED", `${supplier}, ${order.reference}: ${difference}`);
  const { writes, events } = createPurchaseOrder(deps, context.order, context.lines, {
    supplier,
    key: context.key,
    order,
  });
  const committed = await commitStep(deps, context, writes, events);
  // Fenced after the supplier accepted: the compensation, which knows the key, cancels it there.
  if (!committed.ok && committed.code === "FENCED")
    return { kind: "unknown", reason: "cancelled while the supplier accepted" };
  return outcomeOf(committed);
}

function failed(code: ErrorCode, reason: string): Outcome {
  return { kind: "failed", code, reason, retryable: false };
}

function outcomeOf(committed: Committed): Outcome {
  if (committed.ok) return { kind: "done" };
  return failed(committed.code, `the step was refused: ${committed.code}`);
}

function commitStep(
  deps: StepDeps,
  context: StepContext,
  writes: readonly GuardedWrite[],
  events: readonly AnyEventDraft[],
  fenced = true,
): Promise<Committed> {
  const { order, step, key, fence, trace } = context;
  const at = isoNow(deps);
  return deps.commit({
    trace,
    inbox: { scope: SAGA_SCOPE, id: key, bodyHash: step },
    writes: fenced ? [passFence(order.id, fence, step, at), ...writes] : writes,
    audit: [
      { actor: { id: "order-saga", kind: "system" }, action: `order.${actionOf(step)}`, subject: `order/${order.id}` },
    ],
    events,
  });
}

function actionOf(step: StepName): string {
  if (step.startsWith("purchase:")) return `purchased from ${step.slice("purchase:".length)}`;
  return (
    { create: "taken over", reserve: "reserved", move: "stock moved", complete: "completed" }[step as "create"] ?? step
  );
}
