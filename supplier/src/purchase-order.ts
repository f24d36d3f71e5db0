/**
 * The purchase order as this supplier's API speaks of it. Money is whole minor units, and a total is always exact:
 * a draft whose total is beyond the safe integers is refused.
 */
import { z } from "zod";

const MAX_LINES = 1_000;

export const idempotencyKeySchema = z.string().regex(/^[\x21-\x7e]{1,255}$/, "must be 1 to 255 printable characters");

const lineSchema = z.strictObject({
  sku: z.string().min(1).max(200),
  quantity: z.int().positive(),
  unit_price: z.int().nonnegative(),
});

export const draftSchema = z
  .strictObject({
    idempotency_key: idempotencyKeySchema,
    order_id: z.string().min(1).max(200),
    currency: z.string().regex(/^[A-Z]{3}$/, "must be an ISO 4217 code"),
    lines: z.array(lineSchema).min(1).max(MAX_LINES),
  })
  .refine((draft) => Number.isSafeInteger(totalOf(draft)), "the total is too large");

/** The body of a cancellation says what its path says: it is the body that is signed. */
export const cancellationSchema = z.strictObject({
  idempotency_key: idempotencyKeySchema,
  reference: z.string().min(1).max(200),
});

export type Draft = z.output<typeof draftSchema>;

/** What the supplier says that it will deliver, and at which price. */
export interface Terms {
  readonly currency: string;
  /** Minor units of `currency`, as are the prices. */
  readonly total: number;
  readonly lines: readonly { readonly sku: string; readonly quantity: number; readonly unit_price: number }[];
}

export interface PurchaseOrder extends Terms {
  readonly reference: string;
  readonly status: "accepted" | "cancelled";
  readonly idempotency_key: string;
  readonly order_id: string;
}

/** Minor units. */
export function totalOf(draft: Pick<Terms, "lines">): number {
  return draft.lines.reduce((sum, line) => sum + line.quantity * line.unit_price, 0);
}
