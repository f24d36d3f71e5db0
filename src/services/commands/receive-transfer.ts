/**
 * ReceiveTransfer: the destination takes in what has arrived, all of it or a part. What is rejected (missing, broken) is
 * settled too, with the reason: it stands at the transfer as its discrepancy and is never lost. The rest stays on its way.
 */
import { z } from "zod";
import { MAX_COMMAND_LINES } from "../../config.ts";
import {
  findTransfer,
  settleTransfer,
  settleTransferLines,
  transferAnswer,
  type FoundTransfer,
} from "../../db/queries/transfers.ts";
import { count, deviceId, reason, sku, text } from "../../domain/commands.ts";
import { refuse, type Refusal } from "../../domain/errors.ts";
import { openOf, spread } from "../../domain/receipt.ts";
import { receiptWork } from "../receipt-work.ts";
import { transferReceived, type CameIn } from "../transfer-events.ts";
import { commandKind } from "./kind.ts";
import { homeOfSender, unknown } from "./sender.ts";

/** Without `lines` everything that is still on its way is received. */
const data = z
  .strictObject({
    device_id: deviceId,
    transfer_id: text(100),
    bin: text(100),
    lines: z
      .array(
        z
          .strictObject({ sku, received: count, rejected: count.optional() })
          .refine((line) => line.received + (line.rejected ?? 0) > 0, "must receive or reject something"),
      )
      .min(1)
      .max(MAX_COMMAND_LINES)
      .refine((lines) => new Set(lines.map((line) => line.sku)).size === lines.length, "names a part twice")
      .optional(),
    reason: reason.optional(),
  })
  .refine(({ lines = [], reason: why }) => why !== undefined || lines.every((line) => (line.rejected ?? 0) === 0), {
    path: ["reason"],
    error: "say why pieces are rejected",
  });

type Data = z.output<typeof data>;

export const receiveTransfer = commandKind({
  senders: ["device", "keeper"],
  data,

  async scope(deps, principal, command) {
    const sender = await homeOfSender(deps, principal, command.device_id);
    if (!sender.ok) return sender;
    const found = await findTransfer(deps.db, command.transfer_id);
    if (!found || found.region !== sender.home.region) {
      return unknown("/data/transfer_id", `no transfer ${command.transfer_id} in ${sender.home.region}`);
    }
    const { toLocation } = found.transfer;
    if (toLocation !== sender.home.location) {
      return refuse("FORBIDDEN", `${command.transfer_id} goes to ${toLocation}: only there it is received`);
    }
    const at = (command.lines ?? []).findIndex((line) => !found.lines.some((one) => one.sku === line.sku));
    if (at >= 0) {
      return unknown(`/data/lines/${at}/sku`, `${command.transfer_id} holds no ${command.lines?.[at]?.sku}`);
    }
    return { ok: true, region: found.region };
  },

  async plan(deps, context, command) {
    const found = await findTransfer(deps.db, command.transfer_id);
    if (!found) return refuse("UNKNOWN_REFERENCE", `no transfer ${command.transfer_id}`);
    const closed = notReceivable(found);
    if (closed) return closed;
    const settled = settle(found, command);
    if (!settled.ok) return settled;
    const { transfer } = found;
    const { came, parts, state } = settled;
    const source = `transfer/${transfer.id}`;
    const shared = receiptWork(deps, context, {
      commandId: context.commandId,
      source,
      location: transfer.toLocation,
      bin: command.bin,
      lines: came.map((line, index) => ({
        ...line,
        line: index + 1,
        sourceLine: null,
        settled: line.received + line.rejected,
        reason: line.rejected > 0 ? (command.reason ?? null) : null,
      })),
      counter: { name: "in_transit", location: transfer.toLocation },
      at: context.at,
    });
    const facts = { ...transfer, from: transfer.fromLocation, to: transfer.toLocation, region: found.region };
    const work = {
      writes: [settleTransfer(transfer, state), settleTransferLines(transfer.id, parts), ...shared.writes],
      audit: [
        {
          actor: context.actor,
          action: state === "received" ? "transfer.received" : "transfer.partially received",
          subject: source,
          after: { lines: came, bin: command.bin, command_id: context.commandId },
          ...(command.reason === undefined ? {} : { reason: command.reason }),
        },
      ],
      events: [
        transferReceived({ ...facts, version: transfer.version + 1 }, state, came, context.at),
        ...shared.events,
      ],
      result: transferAnswer(transfer.id),
    };
    return { ok: true, work };
  },

  async explain(_deps, _context, { transfer_id: id }, code) {
    return refuse(code, `${id} was not received: ${code}`);
  },
});

function notReceivable({ transfer, orderStatus }: FoundTransfer): Refusal | null {
  const { id, state, fromLocation, orderId } = transfer;
  const facts = { pointer: "/data/transfer_id", state };
  if (state === "received") return refuse("CONFLICT", `${id} was received already`, { facts });
  if (state === "reversed") {
    return refuse("CONFLICT", `${id} was reversed: its pieces went back to ${fromLocation}`, { facts });
  }
  if (orderId !== null && orderStatus !== "Completed" && orderStatus !== "NeedsAttention") {
    const reasons = `order ${orderId} is ${orderStatus}: what it moves can be received once it is through`;
    return refuse("CONFLICT", reasons, { facts: { ...facts, order_status: orderStatus } });
  }
  return null;
}

interface Settled {
  readonly ok: true;
  /** Once per SKU. */
  readonly came: CameIn[];
  readonly parts: { sku: string; bin: string; received: number; rejected: number }[];
  readonly state: "partially_received" | "received";
}

function settle({ lines }: FoundTransfer, command: Data): Settled | Refusal {
  const bySku = Map.groupBy(lines, (line) => line.sku);
  const openBySku = new Map([...bySku].map(([part, own]) => [part, own.reduce((sum, line) => sum + openOf(line), 0)]));
  const all = [...openBySku]
    .filter(([, open]) => open > 0)
    .map(([part, open]) => ({ sku: part, received: open, rejected: 0 }));
  const came = command.lines?.map((line) => ({ ...line, rejected: line.rejected ?? 0 })) ?? all;
  const parts: Settled["parts"] = [];
  for (const [at, line] of came.entries()) {
    const spreadOut = spread(bySku.get(line.sku) ?? [], line);
    if (spreadOut === null) {
      const open = openBySku.get(line.sku) ?? 0;
      const given = line.received + line.rejected;
      return refuse("CONFLICT", `${open} of ${line.sku} are on their way: ${given} can't be received`, {
        facts: { pointer: `/data/lines/${at}`, sku: line.sku, open, received: line.received, rejected: line.rejected },
      });
    }
    for (const part of spreadOut) {
      parts.push({ sku: line.sku, bin: part.line.bin, received: part.received, rejected: part.rejected });
    }
  }
  const open = [...openBySku.values()].reduce((sum, one) => sum + one, 0);
  const settled = came.reduce((sum, line) => sum + line.received + line.rejected, 0);
  return { ok: true, came, parts, state: settled === open ? "received" : "partially_received" };
}
