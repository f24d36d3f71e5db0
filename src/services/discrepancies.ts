/**
 * A person resolves a discrepancy, once: the books follow the scan, the books are kept, or what a recount found holds. The
 * correction is a movement in the batch of the resolution, under the same guards as any other change of stock.
 */
import { COMMAND_PLANS } from "../config.ts";
import {
  findBooks,
  findDiscrepancy,
  resolveDiscrepancyRow,
  type DiscrepancyRow,
  type PricedBooks,
} from "../db/queries/discrepancies.ts";
import { inventoryUpdated } from "../db/queries/inventory.ts";
import { findPerson } from "../db/queries/people.ts";
import { changeStock, type StockChange } from "../db/queries/stock.ts";
import { correctionsOf, type Scan } from "../domain/discrepancy.ts";
import { refuse, type Refusal } from "../domain/errors.ts";
import { actorOf, coversRegion, type Principal } from "../domain/identity.ts";
import { formatMoney } from "../domain/money.ts";
import { stockApprovalNeed } from "../domain/stock-approval.ts";
import type { Trace } from "../domain/trace.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import { watchLow } from "./low-stock.ts";

export interface Verdict {
  readonly resolution: "accept_scan" | "keep_books" | "recount";
  /** With `recount`: the pieces that lie in the bin. */
  readonly counted?: number | undefined;
  readonly note?: string | undefined;
}

/** `replayed`: it had been resolved so before. */
export type Resolved = { readonly ok: true; readonly row: DiscrepancyRow; readonly replayed: boolean };

/** Whether someone may see it: a keeper at their location, a manager in their region, operations everywhere. */
export function seesDiscrepancy(principal: Principal, row: Pick<DiscrepancyRow, "region" | "location">): boolean {
  if (principal.role === "keeper") return principal.location === row.location;
  return coversRegion(principal, row.region);
}

/**
 * Resolves an open discrepancy. ALREADY_DECIDED with the winner when it was resolved otherwise; OVER_LIMIT when the
 * correction is above the policy's limit and whoever resolves it couldn't approve it; INSUFFICIENT_STOCK when it would take
 * what is reserved.
 */
export async function resolveDiscrepancy(
  deps: ServiceDeps,
  principal: Principal,
  id: string,
  verdict: Verdict,
  trace: Trace,
): Promise<Resolved | Refusal> {
  for (let plan = 0; plan < COMMAND_PLANS; plan++) {
    const row = await findDiscrepancy(deps.db, id);
    if (!row || !seesDiscrepancy(principal, row)) return refuse("NOT_FOUND", "no such discrepancy");
    if (row.state === "resolved") return resolvedBefore(row, principal, verdict);
    const books = await findBooks(deps.db, row);
    const corrections = correctionsBy(row, verdict, books);
    const refusal = await limitRefusal(deps, principal, row, books, corrections);
    if (refusal) return refusal;
    const resolved = resolvedNow(deps, principal, row, verdict);
    const committed = await commitResolution(deps, principal, { resolved, books, corrections, trace });
    if (committed.ok) return resolved;
    if (committed.code === "INSUFFICIENT_STOCK") {
      const reason = `${books.reserved} of ${row.sku} at ${row.location} are reserved: give them back first, or recount`;
      return refuse("INSUFFICIENT_STOCK", reason);
    }
    if (committed.code !== "CONFLICT") return refuse(committed.code, "the discrepancy was not resolved");
  }
  return refuse("CONFLICT", "others change this stock all the time: try again");
}

function resolvedBefore(row: DiscrepancyRow, principal: Principal, verdict: Verdict): Resolved | Refusal {
  const same =
    row.resolvedBy === principal.subject &&
    row.resolution === verdict.resolution &&
    row.counted === (verdict.counted ?? null) &&
    row.note === (verdict.note ?? null);
  if (same) return { ok: true, row, replayed: true };
  return refuse("ALREADY_DECIDED", `it was resolved by ${row.resolvedBy ?? "someone"}: ${row.resolution ?? ""}`, {
    facts: { winner: { by: row.resolvedBy, resolution: row.resolution, at: row.resolvedAt } },
  });
}

function correctionsBy(row: DiscrepancyRow, verdict: Verdict, books: PricedBooks): number[] {
  const { sku, location, bin } = row;
  if (verdict.resolution === "keep_books") return [];
  const scan: Scan =
    verdict.resolution === "recount"
      ? { sku, location, bin, says: "counted", quantity: verdict.counted ?? 0 }
      : { sku, location, bin, says: row.says, quantity: row.found };
  return correctionsOf(scan, books);
}

/** A correction that a command would need approval for is resolved by someone who could give it. */
async function limitRefusal(
  deps: ServiceDeps,
  principal: Principal,
  row: DiscrepancyRow,
  books: PricedBooks,
  corrections: readonly number[],
): Promise<Refusal | null> {
  const change = sumOf(corrections);
  const need = stockApprovalNeed({ ...books, change, isCount: true });
  if (!need) return null;
  const person = await findPerson(deps.db, principal.subject);
  const covers = person?.role === "manager" && person.approvalLimit >= need.value && person.id !== row.deviceId;
  if (covers) return null;
  const worth = formatMoney(need.value, books.currency);
  return refuse("OVER_LIMIT", `${need.reason} A manager whose limit covers ${worth} resolves it.`);
}

function resolvedNow(deps: ServiceDeps, principal: Principal, row: DiscrepancyRow, verdict: Verdict): Resolved {
  const { resolution, counted = null, note = null } = verdict;
  const by = { resolvedBy: principal.subject, resolvedAt: isoNow(deps) };
  return { ok: true, row: { ...row, state: "resolved", resolution, counted, note, ...by }, replayed: false };
}

interface Plan {
  readonly resolved: Resolved;
  readonly books: PricedBooks;
  readonly corrections: readonly number[];
  readonly trace: Trace;
}

function commitResolution(deps: ServiceDeps, principal: Principal, { resolved, books, corrections, trace }: Plan) {
  const { row } = resolved;
  const at = row.resolvedAt ?? isoNow(deps);
  const { sku, location, bin } = row;
  const changes = corrections.map((quantity): StockChange => ({
    sku,
    location,
    bin,
    quantity,
    kind: "adjustment",
    source: `discrepancy/${row.id}`,
    movementId: deps.newId("movement"),
    at,
  }));
  const last = changes.at(-1);
  const low = watchLow(deps, last ? [{ sku, location, region: row.region }] : []);
  return deps.commit({
    trace: { ...trace, correlationId: row.id },
    answers: resolved,
    writes: [resolveDiscrepancyRow(row, books), ...changes.flatMap(changeStock), ...low.writes],
    audit: [
      {
        actor: actorOf(principal),
        action: `discrepancy.resolved ${row.resolution ?? ""}`,
        subject: `discrepancy/${row.id}`,
        after: { corrections, command_id: row.commandId, counted: row.counted },
        ...(row.note === null ? {} : { reason: row.note }),
      },
      ...changes.map((change) => ({
        actor: actorOf(principal),
        action: "inventory.updated",
        subject: `stock/${sku}@${location}`,
        after: { bin, quantity_change: change.quantity, discrepancy_id: row.id },
      })),
    ],
    events: [...(last ? [inventoryUpdated({ ...last, quantity: sumOf(corrections) }, row.region)] : []), ...low.events],
  });
}

/** What the books gain or lose in all. */
function sumOf(corrections: readonly number[]): number {
  return corrections.reduce((total, quantity) => total + quantity, 0);
}
