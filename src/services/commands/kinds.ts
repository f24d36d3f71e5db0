/** Every kind of command by its type, and the one schema of what may be sent: a new kind is its file and a line here. */
import { z } from "zod";
import { commandId, deviceNumbering } from "../../domain/commands.ts";
import type { CommandKind } from "./kind.ts";
import { updateInventory } from "./update-inventory.ts";
import { updatePart } from "./update-part.ts";

const KINDS = {
  UpdateInventory: updateInventory,
  UpdatePart: updatePart,
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

export const commandSchema = z.discriminatedUnion("type", [form("UpdateInventory"), form("UpdatePart")], {
  error: (issue) => (issue.code === "invalid_union" ? `must be one of ${Object.keys(KINDS).join(", ")}` : undefined),
});

export type Command = z.output<typeof commandSchema>;

export function kindOf(type: CommandType): CommandKind {
  return KINDS[type];
}
