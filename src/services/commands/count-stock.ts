/**
 * CountStock: the bin holds what was counted, by a movement of the difference. A count that finds less than is reserved at
 * the place is refused with the figures, and so is one that was begun when the bin held something else.
 */
import { z } from "zod";
import { countAnswer, countWrites } from "../../db/queries/counts.ts";
import { inventoryUpdated } from "../../db/queries/inventory.ts";
import { findPlaceFigures } from "../../db/queries/stock.ts";
import { count, deviceId, placeOf, reason, sku, text } from "../../domain/commands.ts";
import { refuse } from "../../domain/errors.ts";
import { watchLow } from "../low-stock.ts";
import { commandKind } from "./kind.ts";
import { homeOf, scopeOfBin } from "./sender.ts";

/** `expected`: what the bin held, as the device saw it, when the counting began. `location`: as in UpdateInventory. */
const data = z.strictObject({
  device_id: deviceId,
  sku,
  location: text(200),
  counted: count,
  expected: count.optional(),
  reason: reason.optional(),
});

export const countStock = commandKind({
  senders: ["device", "keeper"],
  data,

  scope: (deps, principal, command) => scopeOfBin(deps, principal, command),

  async plan(deps, context, command) {
    const found = await homeOf(deps, command.device_id);
    if (!found.ok) return found;
    const { location, bin } = placeOf(command.location, found.home.location);
    const { sku: part, counted, expected } = command;
    const figures = await findPlaceFigures(deps.db, part, location, bin);
    const held = figures.in_bin ?? 0;
    const facts = { counted, ...figures, in_bin: held };
    if (expected !== undefined && expected !== held) {
      const reasons = `${bin} held ${expected} of ${part} when it was counted and holds ${held} now: count it again`;
      return refuse("CONFLICT", reasons, { facts: { pointer: "/data/expected", expected, ...facts } });
    }
    const difference = counted - held;
    if (figures.on_hand + difference < figures.reserved) {
      const left = `${location} would have ${figures.on_hand + difference} of ${part}`;
      const reasons = `${left}, but ${figures.reserved} are reserved`;
      return refuse("INSUFFICIENT_STOCK", reasons, { facts: { pointer: "/data/counted", ...facts } });
    }
    const change = {
      sku: part,
      location,
      bin,
      quantity: difference,
      kind: "count",
      source: `command/${context.commandId}`,
      movementId: deps.newId("movement"),
      at: context.at,
    } as const;
    const low = watchLow(deps, [{ sku: part, location, region: context.region }]);
    const moved = difference === 0 ? [] : [...countWrites(change, figures.in_bin), ...low.writes];
    const work = {
      writes: moved,
      audit: [
        {
          actor: context.actor,
          action: "stock.counted",
          subject: `stock/${part}@${location}`,
          before: { bin, quantity: held },
          after: { bin, quantity: counted, difference, command_id: context.commandId },
          ...(command.reason === undefined ? {} : { reason: command.reason }),
        },
      ],
      events: difference === 0 ? [] : [inventoryUpdated(change, context.region), ...low.events],
      result: countAnswer({ sku: part, location, bin, counted, difference }),
      stock: { sku: part, location, bin, change: difference, isCount: true },
    };
    return { ok: true, work };
  },

  async scan(deps, _context, command) {
    const found = await homeOf(deps, command.device_id);
    if (!found.ok) return null;
    const place = placeOf(command.location, found.home.location);
    return { sku: command.sku, ...place, says: "counted", quantity: command.counted };
  },

  async explain(_deps, _context, { sku: part }, code) {
    return refuse(code, `${part} was reserved while it was counted: count it again`);
  },
});
