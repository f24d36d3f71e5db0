/** A receipt as the API shows it, of a transfer or of a purchase order. */
import type { listReceipts } from "../db/queries/transfers.ts";
import { z } from "./openapi.ts";

export const receiptView = z.object({
  command_id: z.string(),
  line: z.int().nullable().openapi({ description: "Of the purchase order; null of a transfer" }),
  sku: z.string(),
  bin: z.string(),
  received: z.int(),
  rejected: z.int(),
  reason: z.string().nullable(),
  at: z.string(),
});

export function viewReceipt(row: Awaited<ReturnType<typeof listReceipts>>[number]): z.output<typeof receiptView> {
  const { commandId, sourceLine, sku, bin, received, rejected, reason, at } = row;
  return { command_id: commandId, line: sourceLine, sku, bin, received, rejected, reason, at };
}
