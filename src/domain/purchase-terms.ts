/**
 * What was ordered against what the supplier confirmed: a purchase at other terms is none that anybody approved. Money is
 * whole minor units.
 */
import { formatMoney } from "./money.ts";
import type { PurchaseOrderLineDraft } from "./ports.ts";

export interface OrderedTerms {
  readonly currency: string;
  readonly lines: readonly PurchaseOrderLineDraft[];
}

export interface ConfirmedTerms extends OrderedTerms {
  readonly total: number;
}

export function totalOf(lines: readonly PurchaseOrderLineDraft[]): number {
  return lines.reduce((sum, line) => sum + line.quantity * line.unitPrice, 0);
}

/** The first difference, with both figures, or null when all is as ordered: line by line, then the total. */
export function differenceOf(ordered: OrderedTerms, confirmed: ConfirmedTerms): string | null {
  const { currency } = ordered;
  if (confirmed.currency !== currency) return `confirmed in ${confirmed.currency}, ordered in ${currency}`;
  if (confirmed.lines.length !== ordered.lines.length) {
    return `confirmed ${confirmed.lines.length} lines, ordered ${ordered.lines.length}`;
  }
  for (const [index, line] of ordered.lines.entries()) {
    const answer = confirmed.lines[index];
    const told = answer && lineDifference(line, answer, currency);
    if (told) return `line ${index + 1}: ${told}`;
  }
  const total = totalOf(ordered.lines);
  if (confirmed.total === total) return null;
  return `confirmed a total of ${formatMoney(confirmed.total, currency)}, ordered ${formatMoney(total, currency)}`;
}

function lineDifference(
  ordered: PurchaseOrderLineDraft,
  confirmed: PurchaseOrderLineDraft,
  currency: string,
): string | null {
  const { sku } = ordered;
  if (confirmed.sku !== sku) return `confirmed ${confirmed.sku}, ordered ${sku}`;
  if (confirmed.quantity !== ordered.quantity)
    return `confirmed ${confirmed.quantity} of ${sku}, ordered ${ordered.quantity}`;
  if (confirmed.unitPrice === ordered.unitPrice) return null;
  const [told, wanted] = [confirmed, ordered].map((line) => formatMoney(line.unitPrice, currency));
  return `confirmed ${sku} at ${told}, ordered at ${wanted}`;
}
