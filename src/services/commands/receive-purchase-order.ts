/**
 * ReceivePurchaseOrder: what a supplier delivered, line by line. What is rejected is no longer incoming but never on hand;
 * what is back-ordered stays incoming. More than is open is refused, unless a keeper takes it with a reason.
 */
import { z } from "zod";
import { MAX_COMMAND_LINES } from "../../config.ts";
import {
  findPurchaseOrder,
  noteArrivals,
  purchaseOrderAnswer,
  settlePurchaseOrder,
  settlePurchaseOrderLines,
  type FoundPurchaseOrder,
} from "../../db/queries/purchase-orders.ts";
import type { AnyEventDraft } from "../../db/unit-of-work.ts";
import { count, deviceId, reason, text } from "../../domain/commands.ts";
import { refuse, type Refusal } from "../../domain/errors.ts";
import { closedShortInWords, openOf, readClosedShort } from "../../domain/receipt.ts";
import { isoNow } from "../deps.ts";
import { receiptWork } from "../receipt-work.ts";
import { commandKind } from "./kind.ts";
import { homeOfSender, unknown } from "./sender.ts";

/** `line`: the purchase order's own number. `due_at`: when the supplier now promises what stays open of it. `over_receipt`: more may come than was ordered; it needs a person and a reason. */
const data = z
  .strictObject({
    device_id: deviceId,
    purchase_order_id: text(100),
    bin: text(100),
    lines: z
      .array(
        z
          .strictObject({
            line: z.int().min(1),
            received: count,
            rejected: count.optional(),
            due_at: z.iso.date().optional(),
          })
          .refine((one) => one.received + (one.rejected ?? 0) > 0, "must receive or reject something"),
      )
      .min(1)
      .max(MAX_COMMAND_LINES)
      .refine((lines) => new Set(lines.map(({ line }) => line)).size === lines.length, "names a line twice"),
    over_receipt: z.boolean().optional(),
    reason: reason.optional(),
  })
  .refine(({ over_receipt: over, reason: why }) => over !== true || why !== undefined, {
    path: ["reason"],
    error: "say why more is taken than was ordered",
  })
  .refine(({ lines, reason: why }) => why !== undefined || lines.every((line) => (line.rejected ?? 0) === 0), {
    path: ["reason"],
    error: "say why pieces are rejected",
  });

type Data = z.output<typeof data>;

export const receivePurchaseOrder = commandKind({
  senders: ["device", "keeper"],
  data,

  async scope(deps, principal, command) {
    const sender = await homeOfSender(deps, principal, command.device_id);
    if (!sender.ok) return sender;
    if (command.over_receipt === true && principal.kind !== "person") {
      return refuse("FORBIDDEN", "more than was ordered is taken by a keeper, not by a device");
    }
    const found = await findPurchaseOrder(deps.db, command.purchase_order_id);
    if (!found?.order || found.order.region !== sender.home.region) {
      const detail = `no purchase order ${command.purchase_order_id} in ${sender.home.region}`;
      return unknown("/data/purchase_order_id", detail);
    }
    const { destination } = found.order;
    if (destination !== sender.home.location) {
      return refuse("FORBIDDEN", `${command.purchase_order_id} goes to ${destination}: only there it is received`);
    }
    const today = isoNow(deps).slice(0, 10);
    const past = command.lines.findIndex(({ due_at: due }) => due !== undefined && due < today);
    if (past >= 0) {
      const detail = `${command.lines[past]?.due_at} is in the past: today is ${today}`;
      return refuse("VALIDATION", detail, { problems: [{ pointer: `/data/lines/${past}/due_at`, detail }] });
    }
    const at = command.lines.findIndex(({ line }) => !found.lines.some((one) => one.line === line));
    if (at >= 0) {
      const detail = `${command.purchase_order_id} has no line ${command.lines[at]?.line}`;
      return unknown(`/data/lines/${at}/line`, detail);
    }
    return { ok: true, region: found.order.region };
  },

  async plan(deps, context, command) {
    const found = await findPurchaseOrder(deps.db, command.purchase_order_id);
    if (!found?.order) return refuse("UNKNOWN_REFERENCE", `no purchase order ${command.purchase_order_id}`);
    const { po, order } = found;
    const closed = notReceivable(found);
    if (closed) return closed;
    const settled = settle(found, command);
    if (!settled.ok) return settled;
    const { came, status } = settled;
    const source = `purchase-order/${po.id}`;
    const shared = receiptWork(deps, context, {
      commandId: context.commandId,
      source,
      location: order.destination,
      bin: command.bin,
      lines: came.map((line, index) => ({
        ...line,
        line: index + 1,
        sourceLine: line.line,
        reason: line.rejected > 0 || line.received > line.settled ? (command.reason ?? null) : null,
      })),
      counter: po.incomingAt === null ? null : { name: "incoming", location: po.incomingAt },
      at: context.at,
    });
    const lines = came.map(({ line, sku, received, rejected }) => ({ line, sku, received, rejected }));
    const settledLines = came.map(({ line, received, rejected, dueAt }) => ({ line, received, rejected, dueAt }));
    const arrived = came.filter(({ arrives }) => arrives).map(({ sku }) => sku);
    const work = {
      writes: [
        settlePurchaseOrder(po, status, context.at),
        settlePurchaseOrderLines(po.id, settledLines),
        noteArrivals(po, arrived, context.at),
        ...shared.writes,
      ],
      audit: [
        {
          actor: context.actor,
          action: status === "completed" ? "purchase order.received" : "purchase order.partially received",
          subject: source,
          after: {
            lines: came.map(({ settled: _settled, arrives: _arrives, dueAt, ...line }) => ({
              ...line,
              ...(dueAt === null ? {} : { due_at: dueAt }),
            })),
            bin: command.bin,
            command_id: context.commandId,
          },
          ...(command.reason === undefined ? {} : { reason: command.reason }),
        },
      ],
      events: [purchaseOrderReceived(found, { lines, status, at: context.at }), ...shared.events],
      result: purchaseOrderAnswer(po.id),
    };
    return { ok: true, work };
  },

  async explain(_deps, _context, { purchase_order_id: id }, code) {
    return refuse(code, `${id} was not received: ${code}`);
  },
});

function notReceivable({ po, order }: FoundPurchaseOrder): Refusal | null {
  const facts = { pointer: "/data/purchase_order_id", status: po.status };
  const short = readClosedShort(po.closedShort);
  if (short) return refuse("CONFLICT", closedShortInWords(po.id, short), { facts });
  if (po.status === "completed") return refuse("CONFLICT", `${po.id} was received already`, { facts });
  if (po.status !== "placed")
    return refuse("CONFLICT", `${po.id} is ${po.status}: nothing of it is awaited`, { facts });
  if (order?.status !== "Completed" && order?.status !== "NeedsAttention") {
    const reasons = `order ${po.orderId} is ${order?.status}: what it buys can be received once it is through`;
    return refuse("CONFLICT", reasons, { facts: { ...facts, order_status: order?.status } });
  }
  return null;
}

interface CameOfLine {
  readonly line: number;
  readonly sku: string;
  readonly received: number;
  readonly rejected: number;
  /** How many of the open ones that makes. */
  readonly settled: number;
  /** It is the last of a line that brought anything: one delivery, in however many parts it came. */
  readonly arrives: boolean;
  /** When the rest is promised; null: nothing was said, or nothing is left. */
  readonly dueAt: string | null;
}

function settle(
  { po, lines }: FoundPurchaseOrder,
  command: Data,
): { readonly ok: true; readonly came: CameOfLine[]; readonly status: "placed" | "completed" } | Refusal {
  const came: CameOfLine[] = [];
  for (const [at, { line, received, rejected = 0, due_at: promised }] of command.lines.entries()) {
    const ordered = lines.find((one) => one.line === line);
    if (!ordered) return refuse("UNKNOWN_REFERENCE", `${po.id} has no line ${line}`);
    const open = openOf(ordered);
    const given = received + rejected;
    if (given > open && command.over_receipt !== true) {
      const figures = `${ordered.quantity} ordered, ${ordered.received} received and ${ordered.rejected} rejected before`;
      return refuse("CONFLICT", `line ${line}: ${open} of ${ordered.sku} are open, ${given} came (${figures})`, {
        facts: {
          pointer: `/data/lines/${at}`,
          line,
          sku: ordered.sku,
          ordered: ordered.quantity,
          open,
          received,
          rejected,
        },
      });
    }
    const dueAt = given < open ? (promised ?? null) : null;
    const arrives = open > 0 && given >= open && ordered.received + received > 0;
    came.push({ line, sku: ordered.sku, received, rejected, settled: Math.min(open, given), arrives, dueAt });
  }
  const open = lines.reduce((sum, line) => sum + openOf(line), 0);
  const settled = came.reduce((sum, line) => sum + line.settled, 0);
  return { ok: true, came, status: settled === open ? "completed" : "placed" };
}

function purchaseOrderReceived(
  { po, order }: FoundPurchaseOrder,
  receipt: {
    readonly lines: readonly { line: number; sku: string; received: number; rejected: number }[];
    readonly status: "placed" | "completed";
    readonly at: string;
  },
): AnyEventDraft {
  return {
    type: "PurchaseOrderReceived",
    subject: `purchase-order/${po.id}`,
    region: order?.region ?? null,
    sequence: po.version + 1,
    data: {
      purchase_order_id: po.id,
      order_id: po.orderId ?? "",
      supplier: po.supplier,
      location: order?.destination ?? "",
      status: receipt.status,
      lines: [...receipt.lines],
      timestamp: receipt.at,
    },
  };
}
