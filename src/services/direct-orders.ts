/** A manager's order within their own limit: sourced and priced by the same rules as a request, never from what is sent. */
import { listAvailable, listOffers } from "../db/queries/sourcing.ts";
import { findParts } from "../db/queries/parts.ts";
import { findPerson } from "../db/queries/people.ts";
import { refuse, type InputProblem, type Refusal } from "../domain/errors.ts";
import { actorOf, type Principal } from "../domain/identity.ts";
import type { ResolvedLine } from "../domain/request-context.ts";
import { formatMoney } from "../domain/money.ts";
import { matchSources } from "../domain/sourcing.ts";
import type { Trace } from "../domain/trace.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import { orderLines, placeOrder } from "./orders.ts";
import { askingDevice } from "./requests.ts";

const CURRENCY = "USD";

export interface DirectOrder {
  /** Made by the caller; the same number again is the same order. */
  readonly order_number: string;
  readonly device_id: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

interface Placed {
  readonly ok: true;
  readonly orderId: string;
}

export async function placeDirectOrder(
  deps: ServiceDeps,
  principal: Principal,
  body: DirectOrder,
  trace: Trace,
): Promise<Placed | Refusal> {
  const place = await askingDevice(deps, principal, body.device_id);
  if (!place.ok) return place;
  const resolved = await resolveSkus(deps, body.lines);
  if (!resolved.ok) return resolved;
  const skus = resolved.lines.map((line) => line.sku);
  const sources = matchSources(resolved.lines, {
    now: deps.clock.now(),
    region: place.region,
    destination: place.location,
    neededBy: null,
    currency: CURRENCY,
    stock: await listAvailable(deps.db, skus, place.region),
    offers: await listOffers(deps.db, skus),
  });
  if (sources.unresolved.length > 0) {
    const problems = sources.unresolved.map((line) => ({ pointer: `/lines/${line.line - 1}`, detail: line.reason }));
    return refuse("UNKNOWN_REFERENCE", "some lines can't be had", { problems });
  }
  const person = await findPerson(deps.db, principal.subject);
  const limit = person?.selfApprovalLimit ?? 0;
  if (sources.total > limit) {
    const costs = formatMoney(sources.total, CURRENCY);
    const reason = `the order costs ${costs}, your own limit is ${formatMoney(limit, CURRENCY)}; let the device or a technician send a request instead: it finds its approvers`;
    return refuse("OVER_LIMIT", reason);
  }

  const at = isoNow(deps);
  const id = `ord_${(await deps.sha256(`${principal.subject}:${body.order_number}`)).slice(0, 32)}`;
  const { writes, events } = placeOrder({
    id,
    requestId: null,
    requester: principal.subject,
    deviceId: body.device_id,
    region: place.region,
    destination: place.location,
    total: sources.total,
    currency: CURRENCY,
    at,
    lines: orderLines(sources.allocations.map((one) => ({ ...one, requestLine: null }))),
  });
  const placed: Placed = { ok: true, orderId: id };
  const committed = await deps.commit({
    trace: { ...trace, correlationId: id },
    answers: placed,
    writes,
    audit: [
      {
        actor: actorOf(principal),
        action: "order.placed",
        subject: `order/${id}`,
        after: { total: sources.total, limit },
        reason: "within the own limit",
      },
    ],
    events,
  });
  if (committed.ok) return placed;
  return refuse("DUPLICATE", `order number ${body.order_number} was used before`, { facts: { order_id: id } });
}

async function resolveSkus(
  deps: ServiceDeps,
  lines: DirectOrder["lines"],
): Promise<{ ok: true; lines: ResolvedLine[] } | Refusal> {
  const parts = await findParts(
    deps.db,
    lines.map((line) => line.sku),
  );
  const problems: InputProblem[] = [];
  const resolved: ResolvedLine[] = [];
  for (const [index, line] of lines.entries()) {
    const part = parts.find((candidate) => candidate.sku === line.sku);
    if (!part) problems.push({ pointer: `/lines/${index}/sku`, detail: `no part ${line.sku}` });
    else if (part.discontinued)
      problems.push({ pointer: `/lines/${index}/sku`, detail: `${line.sku} is discontinued` });
    else {
      resolved.push({
        line: index + 1,
        sku: part.sku,
        name: part.name,
        category: part.category,
        quantity: line.quantity,
        unit: part.unit,
        listPrice: part.listPrice,
        currency: part.currency,
        how: "sku",
        reason: "named by SKU",
      });
    }
  }
  return problems.length > 0
    ? refuse("UNKNOWN_REFERENCE", "some lines name no part", { problems })
    : { ok: true, lines: resolved };
}
