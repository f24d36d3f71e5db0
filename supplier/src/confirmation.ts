/** The terms that the supplier confirms: those of the order, unless a switch makes it understand something else. */
import { totalOf, type Draft, type Terms } from "./purchase-order.ts";
import type { Switches } from "./switches.ts";

const DEARER = 1.1;

export function confirmedTerms(on: Switches, draft: Draft): Terms {
  const lines = draft.lines.map((line) => ({
    ...line,
    quantity: on.wrong_quantity ? line.quantity + 1 : line.quantity,
    unit_price: on.negative_price
      ? -line.unit_price - 1
      : on.wrong_price
        ? Math.ceil(line.unit_price * DEARER) + 1
        : line.unit_price,
  }));
  return {
    currency: on.wrong_currency ? (draft.currency === "EUR" ? "USD" : "EUR") : draft.currency,
    total: totalOf({ lines }) + (on.wrong_total ? 1 : 0),
    lines,
  };
}
