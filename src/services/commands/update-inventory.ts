/** UpdateInventory: adds to a bin or takes from it. What is reserved can't be taken away; a receipt may open a bin. */
import { z } from "zod";
import { inventoryAnswer, inventoryUpdated } from "../../db/queries/inventory.ts";
import { changeStock, findPlaceFigures } from "../../db/queries/stock.ts";
import { deviceId, MAX_QUANTITY, placeOf, reason, sku, text } from "../../domain/commands.ts";
import { refuse } from "../../domain/errors.ts";
import { watchLow } from "../low-stock.ts";
import { commandKind } from "./kind.ts";
import { homeOf, scopeOfBin } from "./sender.ts";

/** The seed's own shape. `location`: a bin label within the device's own location, or `{location}/{bin}`. */
const data = z.strictObject({
  device_id: deviceId,
  sku,
  quantity_change: z
    .int()
    .min(-MAX_QUANTITY)
    .max(MAX_QUANTITY)
    .refine((n) => n !== 0, "must not be 0: a command changes something"),
  location: text(200),
  reason: reason.optional(),
});

export const updateInventory = commandKind({
  senders: ["device", "keeper"],
  data,

  scope: (deps, principal, command) => scopeOfBin(deps, principal, command),

  async plan(deps, context, command) {
    const found = await homeOf(deps, command.device_id);
    if (!found.ok) return found;
    const change = {
      sku: command.sku,
      ...placeOf(command.location, found.home.location),
      quantity: command.quantity_change,
      kind: "adjustment",
      source: `command/${context.commandId}`,
      movementId: deps.newId("movement"),
      at: context.at,
    } as const;
    const low = watchLow(deps, [{ ...change, region: context.region }]);
    const work = {
      writes: [...changeStock(change), ...low.writes],
      audit: [
        {
          actor: context.actor,
          action: "inventory.updated",
          subject: `stock/${change.sku}@${change.location}`,
          after: { bin: change.bin, quantity_change: change.quantity, command_id: context.commandId },
          ...(command.reason === undefined ? {} : { reason: command.reason }),
        },
      ],
      events: [inventoryUpdated(change, context.region), ...low.events],
      result: inventoryAnswer(change),
      ...(change.quantity < 0 ? { stock: { ...change, change: change.quantity, isCount: false } } : {}),
    };
    return { ok: true, work };
  },

  async scan(deps, _context, command) {
    if (command.quantity_change > 0) return null;
    const found = await homeOf(deps, command.device_id);
    if (!found.ok) return null;
    const place = placeOf(command.location, found.home.location);
    return { sku: command.sku, ...place, says: "taken", quantity: -command.quantity_change };
  },

  async explain(deps, _context, { device_id: device, sku: part, quantity_change: change, location: label }, code) {
    const found = await homeOf(deps, device);
    if (code !== "INSUFFICIENT_STOCK" || !found.ok) return refuse(code, `the change was refused: ${code}`);
    const { location, bin } = placeOf(label, found.home.location);
    const figures = await findPlaceFigures(deps.db, part, location, bin);
    const facts = { pointer: "/data/quantity_change", wanted: -change, ...figures };
    if (figures.in_bin === null) {
      return refuse(code, `no bin ${bin} of ${part} at ${location} to take from`, {
        facts: { ...facts, pointer: "/data/location" },
      });
    }
    if (figures.in_bin < -change)
      return refuse(code, `${bin} holds ${figures.in_bin} of ${part}, fewer than ${-change}`, { facts });
    const free = `${figures.on_hand} on hand, ${figures.reserved} reserved`;
    return refuse(code, `${location} has fewer than ${-change} of ${part} that aren't reserved: ${free}`, { facts });
  },
});
