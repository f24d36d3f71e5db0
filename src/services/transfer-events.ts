/** What is told of a transfer: when it leaves, and whenever something of it arrives. */
import { MAX_COMMAND_LINES } from "../config.ts";
import type { EventDraft } from "../db/unit-of-work.ts";

interface TransferFacts {
  readonly id: string;
  readonly orderId: string | null;
  readonly from: string;
  readonly to: string;
  readonly region: string;
}

/** `lines`: what leaves, once per SKU. */
export function transferShipped(
  transfer: TransferFacts,
  lines: readonly { readonly sku: string; readonly quantity: number }[],
  at: string,
): EventDraft<"TransferShipped"> {
  return {
    type: "TransferShipped",
    subject: `transfer/${transfer.id}`,
    region: transfer.region,
    sequence: 1,
    data: {
      transfer_id: transfer.id,
      from_location: transfer.from,
      to_location: transfer.to,
      line_count: lines.length,
      lines: lines.slice(0, MAX_COMMAND_LINES).map(({ sku, quantity }) => ({ sku, quantity })),
      timestamp: at,
      ...(transfer.orderId === null ? {} : { order_id: transfer.orderId }),
    },
  };
}

export interface CameIn {
  readonly sku: string;
  readonly received: number;
  readonly rejected: number;
}

/** `version`: of the transfer after this receipt. */
export function transferReceived(
  transfer: TransferFacts & { readonly version: number },
  state: "partially_received" | "received",
  lines: readonly CameIn[],
  at: string,
): EventDraft<"TransferReceived"> {
  return {
    type: "TransferReceived",
    subject: `transfer/${transfer.id}`,
    region: transfer.region,
    sequence: transfer.version,
    data: {
      transfer_id: transfer.id,
      from_location: transfer.from,
      to_location: transfer.to,
      state,
      lines: lines.map(({ sku, received, rejected }) => ({ sku, received, rejected })),
      timestamp: at,
    },
  };
}
