/** Every kind of command by its type, and the one schema of what may be sent: a new kind is its file and a line here. */
import { z } from "zod";
import { commandId, deviceNumbering } from "../../domain/commands.ts";
import { countStock } from "./count-stock.ts";
import type { CommandKind } from "./kind.ts";
import { receivePurchaseOrder } from "./receive-purchase-order.ts";
import { receiveTransfer } from "./receive-transfer.ts";
import { setMinimum } from "./set-minimum.ts";
import { shipTransfer } from "./ship-transfer.ts";
import { updateInventory } from "./update-inventory.ts";
import { updatePart } from "./update-part.ts";

const KINDS = {
  UpdateInventory: updateInventory,
  UpdatePart: updatePart,
  CountStock: countStock,
  SetMinimum: setMinimum,
  ShipTransfer: shipTransfer,
  ReceiveTransfer: receiveTransfer,
  ReceivePurchaseOrder: receivePurchaseOrder,
} as const;

type Kinds = typeof KINDS;
type CommandType = keyof Kinds;

function form<T extends CommandType>(type: T) {
  return z.strictObject({
    id: commandId.optional(),
    type: z.literal(type),
    data: KINDS[type].data,
    ...deviceNumbering,
  });
}

export const commandSchema = z.discriminatedUnion(
  "type",
  [
    form("UpdateInventory"),
    form("UpdatePart"),
    form("CountStock"),
    form("SetMinimum"),
    form("ShipTransfer"),
    form("ReceiveTransfer"),
    form("ReceivePurchaseOrder"),
  ],
  {
    error: (issue) => (issue.code === "invalid_union" ? `must be one of ${Object.keys(KINDS).join(", ")}` : undefined),
  },
);

export type Command = z.output<typeof commandSchema>;

export function kindOf(type: CommandType): CommandKind {
  return KINDS[type];
}
