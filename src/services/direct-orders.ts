/** A manager's order within their own limit: sourced and priced by the same rules as a request, never from what is sent. */
import { listAvailable, listCandidates, listOffers, listRates } from "../db/queries/sourcing.ts";
import { findPerson } from "../db/queries/people.ts";
import { refuse, type InputProblem, type Refusal } from "../domain/errors.ts";
import { actorOf, type Principal } from "../domain/identity.ts";
import { isoDate } from "../domain/iso-date.ts";
import { formatMoney } from "../domain/money.ts";
import { resolveLine } from "../domain/parts-resolution.ts";
import type { Allocation, ResolvedLine } from "../domain/request-context.ts";
import { pastDates } from "../domain/request-file.ts";
import type { RequestLine } from "../domain/request-line.ts";
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
  readonly lines: readonly {
    readonly sku: string;
    readonly quantity: number;
    /** The line's own, before the order's. */
    readonly needed_by?: string | undefined;
  }[];
  /** A date or an instant. */
  readonly needed_by?: string | undefined;
  /** `purchase`: bought even where stock would do, as to fill a shelf. */
  readonly source?: "purchase" | undefined;
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
  const lines = body.lines.map(({ sku, quantity, needed_by: neededBy }, index): RequestLine => {
    return { line: index + 1, sku, quantity, ...(neededBy === undefined ? {} : { neededBy }) };
  });
  const past = pastDates({ neededBy: body.needed_by, lines }, deps.clock.now());
  if (past.length > 0) return refuse("VALIDATION", "the order is needed in the past", { problems: past });
  const resolved = await resolveSkus(deps, lines);
  if (!resolved.ok) return resolved;
  const skus = resolved.lines.map((line) => line.sku);
  const sources = matchSources(resolved.lines, {
    now: deps.clock.now(),
    region: place.region,
    destination: place.location,
    neededBy: body.needed_by ?? null,
    currency: CURRENCY,
    stock: body.source === "purchase" ? [] : await listAvailable(deps.db, skus, place.region),
    offers: await listOffers(deps.db, skus, deps.supplierRules),
    rates: await listRates(deps.db, CURRENCY, isoDate(deps.clock.now())),
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
    lines: orderLines(sources.allocations.map((one) => ({ ...withReplacement(one, body.lines), requestLine: null }))),
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

/** By SKU. A superseded part is ordered as its successor; the line's reason says so. */
async function resolveSkus(
  deps: ServiceDeps,
  lines: readonly RequestLine[],
): Promise<{ ok: true; lines: ResolvedLine[] } | Refusal> {
  const candidates = await listCandidates(deps.db, lines);
  const problems: InputProblem[] = [];
  const resolved: ResolvedLine[] = [];
  for (const [index, line] of lines.entries()) {
    const found = resolveLine(line, candidates.get(line.line) ?? []);
    if (found.ok) resolved.push(found.line);
    else {
      const detail = found.line.kind === "unknown_sku" ? `no part ${line.sku}` : found.line.reason;
      problems.push({ pointer: `/lines/${index}/sku`, detail });
    }
  }
  return problems.length > 0
    ? refuse("UNKNOWN_REFERENCE", "some lines name no part", { problems })
    : { ok: true, lines: resolved };
}

/** The reasons of a line's allocations begin with what was made of the SKU that was ordered, where that is another. */
function withReplacement(one: Allocation, ordered: DirectOrder["lines"]): Allocation {
  const asked = ordered[one.line - 1]?.sku ?? one.sku;
  return asked === one.sku ? one : { ...one, reason: `${asked} is superseded by ${one.sku}; ${one.reason}` };
}
