/**
 * Which changes of stock by command need a person's approval first, and whom to ask. What goes out or is counted
 * differently is judged by its value at list price and by its share of what is on hand; receipts never are.
 */
import { entitledManagers } from "./approval-chain.ts";
import { canonicalJson } from "./canonical-json.ts";
import { formatMoney } from "./money.ts";
import type { ApprovalPerson } from "./policy.ts";

/** Above this value a change waits for approval, whatever its share (minor units at list price: 2,500.00). */
export const STOCK_VALUE_LIMIT = 250_000;
/** Above this share of what is on hand a change waits for approval (percent), if it is worth more than the floor. */
export const STOCK_SHARE_LIMIT_PERCENT = 50;
/** Up to this value the share doesn't matter: the last two of three gaskets may go (minor units: 1,000.00). */
export const STOCK_SHARE_FLOOR = 100_000;

export interface StockChangeFacts {
  /** Signed, in stock units. */
  readonly change: number;
  readonly onHand: number;
  /** Minor units a piece, at list price. */
  readonly unitPrice: number;
  readonly currency: string;
  /** A count may correct in either direction; otherwise only what goes out is looked at. */
  readonly isCount: boolean;
}

export interface ApprovalNeed {
  readonly rule: "stock-value" | "stock-share";
  readonly reason: string;
  /** Minor units at list price; never above the largest safe integer. */
  readonly value: number;
}

/** Why the change must be approved first, or null: it may be executed. */
export function stockApprovalNeed(facts: StockChangeFacts): ApprovalNeed | null {
  const { change, onHand, isCount, currency } = facts;
  if (change === 0 || (change > 0 && !isCount)) return null;
  const pieces = Math.abs(change);
  const value = Math.min(pieces * facts.unitPrice, Number.MAX_SAFE_INTEGER);
  const worth = `${pieces} pieces worth ${formatMoney(value, currency)}`;
  if (value > STOCK_VALUE_LIMIT) {
    const limit = formatMoney(STOCK_VALUE_LIMIT, currency);
    return { rule: "stock-value", value, reason: `${worth} are above the limit of ${limit}.` };
  }
  if (value > STOCK_SHARE_FLOOR && pieces * 100 > onHand * STOCK_SHARE_LIMIT_PERCENT) {
    const share = `more than ${STOCK_SHARE_LIMIT_PERCENT} % of the ${onHand} on hand`;
    return { rule: "stock-share", value, reason: `${worth} are ${share}.` };
  }
  return null;
}

/** Whether other books could make the change one that needs approval: small ones never do, whatever else moves. */
export function mayNeedApproval({
  change,
  unitPrice,
  isCount,
}: Pick<StockChangeFacts, "change" | "unitPrice" | "isCount">): boolean {
  return (change < 0 || isCount) && Math.abs(change) * unitPrice > STOCK_SHARE_FLOOR;
}

/** Who is asked: entitled in the region, not the sender, with a limit that covers the value; the nearest one first. */
export function stockApprover(
  people: readonly ApprovalPerson[],
  q: { readonly region: string; readonly sender: string; readonly value: number },
): ApprovalPerson | null {
  const covering = entitledManagers(people, q.region, q.sender).filter((person) => person.approvalLimit >= q.value);
  const [nearest] = covering.sort(
    (a, b) =>
      Number(a.region === null) - Number(b.region === null) ||
      a.approvalLimit - b.approvalLimit ||
      (a.id < b.id ? -1 : 1),
  );
  return nearest ?? null;
}

export interface StockApproval {
  readonly command_id: string;
  readonly type: string;
  readonly sku: string;
  readonly location: string;
  readonly bin: string;
  /** Signed: what is approved, to the piece. */
  readonly change: number;
  readonly unit_price: number;
  readonly value: number;
  readonly currency: string;
  readonly rule: string;
  readonly reason: string;
}

/** The text that the approval is bound to (SHA-256 by the caller), kept with the command. */
export function stockApprovalPayload(approval: StockApproval): string {
  return canonicalJson(approval);
}
