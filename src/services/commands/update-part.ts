/** UpdatePart: changes fields of a part in the catalogue; devices and cached views hear of it. */
import { z } from "zod";
import { partAnswer, partUpdated, updatePartRow } from "../../db/queries/part-writes.ts";
import { MAX_QUANTITY, sku, text } from "../../domain/commands.ts";
import { refuse } from "../../domain/errors.ts";
import { commandKind } from "./kind.ts";
import { unknownSkus } from "./sender.ts";

const data = z
  .strictObject({
    sku,
    name: text(200).optional(),
    description: z.string().max(2_000).optional(),
    category: text(100).optional(),
    list_price: z.int().min(0).max(MAX_QUANTITY).optional(),
    discontinued: z.boolean().optional(),
  })
  .refine((fields) => Object.keys(fields).length > 1, "name at least one field to change besides sku");

export const updatePart = commandKind({
  senders: ["admin", "operations"],
  data,

  async scope(deps, principal, command) {
    const missing = await unknownSkus(deps, [{ pointer: "/data/sku", sku: command.sku }]);
    return missing ?? { ok: true, region: principal.region ?? "*" };
  },

  async plan(_deps, context, command) {
    const { sku: part, ...after } = command;
    const work = {
      writes: [updatePartRow(command)],
      audit: [
        {
          actor: context.actor,
          action: "part.updated",
          subject: `part/${part}`,
          after: { ...after, command_id: context.commandId },
        },
      ],
      events: [partUpdated(part, context.at)],
      result: partAnswer(part),
    };
    return { ok: true, work };
  },

  async explain(_deps, _context, { sku: part }, code) {
    return refuse(code, `no part ${part}`);
  },
});
