/**
 * Closing a purchase order short: what is still open is given up. It is no longer incoming, the purchase order is completed
 * for good, and who did it and why stays with it. The supplier isn't told: what it sends later is refused at receipt.
 */
import {
  closePurchaseOrder,
  findPurchaseOrder,
  type FoundPurchaseOrder,
  type PurchaseOrderOf,
} from "../db/queries/purchase-orders.ts";
import { takeFrom, totals } from "../db/queries/place-counters.ts";
import { refuse, type Refusal } from "../domain/errors.ts";
import { actorOf, type Principal } from "../domain/identity.ts";
import { closedShortInWords, openOf, readClosedShort } from "../domain/receipt.ts";
import type { Trace } from "../domain/trace.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import { watchLow } from "./low-stock.ts";

/** How often it is looked at anew when a receipt came in between. */
const MAX_LOOKS = 5;

export interface ClosedLine {
  readonly line: number;
  readonly sku: string;
  readonly closed: number;
}

interface Closed {
  readonly ok: true;
  readonly id: string;
  readonly lines: readonly ClosedLine[];
}

export async function closeShort(
  deps: ServiceDeps,
  principal: Principal,
  id: string,
  reason: string,
  trace: Trace,
): Promise<Closed | Refusal> {
  for (let look = 0; look < MAX_LOOKS; look++) {
    const found = await findPurchaseOrder(deps.db, id);
    if (!found || !seesPurchaseOrder(principal, found)) return refuse("NOT_FOUND", "no such purchase order");
    const why = notClosable(found);
    if (why) return why;
    const closed = await close(deps, principal, found, reason, trace);
    if (closed) return closed;
  }
  return refuse("CONFLICT", `${id} changes all the time: look at it again`);
}

/** Null when something came in between. */
async function close(
  deps: ServiceDeps,
  principal: Principal,
  { po, order, lines }: FoundPurchaseOrder,
  reason: string,
  trace: Trace,
): Promise<Closed | null> {
  const at = isoNow(deps);
  const given = lines
    .map((one): ClosedLine => ({ line: one.line, sku: one.sku, closed: openOf(one) }))
    .filter(({ closed }) => closed > 0);
  const closed: Closed = { ok: true, id: po.id, lines: given };
  const open = totals(given.map(({ sku, closed: quantity }) => ({ sku, quantity })));
  const location = po.incomingAt;
  const region = order?.region ?? "";
  const places = location === null ? [] : open.map(({ sku }) => ({ sku, location, region }));
  const low = watchLow(deps, places);
  const committed = await deps.commit({
    trace: { ...trace, correlationId: po.orderId ?? po.id },
    answers: closed,
    writes: [
      ...closePurchaseOrder(po, given.length, { at, by: principal.subject, reason }),
      ...(location === null ? [] : takeFrom("incoming", location, open)),
      ...low.writes,
    ],
    audit: [
      {
        actor: actorOf(principal),
        action: "purchase order.closed short",
        subject: `purchase-order/${po.id}`,
        after: { supplier: po.supplier, lines: given },
        reason,
      },
    ],
    events: [
      {
        type: "PurchaseOrderClosed",
        subject: `purchase-order/${po.id}`,
        region: order?.region ?? null,
        sequence: po.version + 1,
        data: {
          purchase_order_id: po.id,
          order_id: po.orderId ?? "",
          supplier: po.supplier,
          location: order?.destination ?? "",
          reason,
          lines: [...given],
          timestamp: at,
        },
      },
      ...low.events,
    ],
  });
  return committed.ok ? closed : null;
}

/** Imported history belongs to no region: only who sees every region sees it. */
export function seesPurchaseOrder({ region }: Principal, { order }: PurchaseOrderOf): boolean {
  return region === null || order?.region === region;
}

function notClosable({ po, order, lines }: FoundPurchaseOrder): Refusal | null {
  const short = readClosedShort(po.closedShort);
  if (short) return refuse("CONFLICT", closedShortInWords(po.id, short), { facts: { closed_short: short } });
  const facts = { purchase_order_status: po.status };
  if (po.status === "completed")
    return refuse("CONFLICT", `${po.id} was received: nothing of it is awaited`, { facts });
  if (po.status !== "placed")
    return refuse("CONFLICT", `${po.id} is ${po.status}: nothing of it is awaited`, { facts });
  if (order?.status !== "Completed") {
    const why = `order ${po.orderId} is ${order?.status}: while it may still be undone, resume or cancel the order instead`;
    return refuse("CONFLICT", why, { facts: { ...facts, order_status: order?.status } });
  }
  return lines.some((line) => openOf(line) > 0)
    ? null
    : refuse("CONFLICT", `${po.id} has nothing open to give up`, { facts });
}
