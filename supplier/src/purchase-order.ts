/**
 * The purchase order as this supplier's API speaks of it. Money is whole minor units, and a total is always exact:
 * a draft whose total is beyond the safe integers is refused.
 */
import { z } from "zod";

const MAX_LINES = 1_000;

export const idempotencyKeySchema = z.string().regex(/^[\x21-\x7e]{1,255}$/, "must be 1 to 255 printable characters");

export const draftSchema = z
  .strictObject({
    order_id: z.string().min(1).max(200),
    currency: z.string().regex(/^[A-Z]{3}$/, "must be an ISO 4217 code"),
    lines: z
      .array(
        z.strictObject({
          sku: z.string().min(1).max(200),
          quantity: z.int().positive(),
          unit_price: z.int().nonnegative(),
        }),
      )
      .min(1)
      .max(MAX_LINES),
  })
  .refine((draft) => Number.isSafeInteger(totalOf(draft)), "the total is too large");

export type Draft = z.output<typeof draftSchema>;

export interface PurchaseOrder {
  readonly reference: string;
  readonly status: "accepted" | "cancelled";
  readonly idempotency_key: string;
  readonly order_id: string;
  /** Minor units of `currency`. */
  readonly total: number;
  readonly currency: string;
}

/** Minor units. */
export function totalOf(draft: { readonly lines: readonly { quantity: number; unit_price: number }[] }): number {
  return draft.lines.reduce((sum, line) => sum + line.quantity * line.unit_price, 0);
}
