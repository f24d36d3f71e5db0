/** Commands: imperative, accepted with 202 and executed from the queue. Quantities are integers in the part's stock unit. */
import { z } from "zod";
import type { Principal, Role } from "./identity.ts";

const MAX_QUANTITY = 1_000_000_000;
const name = (max: number) => z.string().min(1).max(max);

/** The seed's own shape. `location`: a bin label within the device's own location, or `{location}/{bin}`. */
const updateInventory = z.strictObject({
  device_id: name(100),
  sku: name(100),
  quantity_change: z
    .int()
    .min(-MAX_QUANTITY)
    .max(MAX_QUANTITY)
    .refine((n) => n !== 0, "must not be 0: a command changes something"),
  location: name(200),
  reason: name(500).optional(),
});

const updatePart = z
  .strictObject({
    sku: name(100),
    name: name(200).optional(),
    description: z.string().max(2_000).optional(),
    category: name(100).optional(),
    list_price: z.int().min(0).max(MAX_QUANTITY).optional(),
    discontinued: z.boolean().optional(),
  })
  .refine((data) => Object.keys(data).length > 1, "name at least one field to change besides sku");

const id = z.string().regex(/^[A-Za-z0-9_-]{8,100}$/, "8 to 100 letters, digits, _ or -");

export const commandSchema = z.discriminatedUnion("type", [
  z.strictObject({ id: id.optional(), type: z.literal("UpdateInventory"), data: updateInventory }),
  z.strictObject({ id: id.optional(), type: z.literal("UpdatePart"), data: updatePart }),
]);

export type Command = z.output<typeof commandSchema>;
export type CommandType = Command["type"];
export type CommandData<T extends CommandType> = Extract<Command, { type: T }>["data"];

const SENDERS: Readonly<Record<CommandType, readonly Role[]>> = {
  UpdateInventory: ["device", "keeper"],
  UpdatePart: ["admin", "operations"],
};

export function maySend(principal: Principal, type: CommandType): boolean {
  return SENDERS[type].includes(principal.role);
}

/** Where a bin lies: the label alone means the sender's own location. */
export function placeOf(label: string, ownLocation: string): { location: string; bin: string } {
  const slash = label.indexOf("/");
  if (slash <= 0 || slash === label.length - 1) return { location: ownLocation, bin: label };
  return { location: label.slice(0, slash), bin: label.slice(slash + 1) };
}
