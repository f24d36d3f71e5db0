/** SetMinimum: how much of a part a place should hold. Below it the place is low, and its people are told once. */
import { z } from "zod";
import { minimumAnswer, setMinimumRow } from "../../db/queries/minimums.ts";
import { findLocation } from "../../db/queries/stock.ts";
import { count, deviceId, MAX_QUANTITY, reason, sku, text } from "../../domain/commands.ts";
import { refuse, type Refusal } from "../../domain/errors.ts";
import { coversRegion } from "../../domain/identity.ts";
import type { ServiceDeps } from "../deps.ts";
import { watchLow } from "../low-stock.ts";
import { commandKind } from "./kind.ts";
import { homeOf, homeOfSender, unknown, unknownSkus } from "./sender.ts";

/** The place is the device's own location, or `location`. `maximum`: null takes it away; left out it stays. */
const data = z
  .strictObject({
    device_id: deviceId.optional(),
    location: text(100).optional(),
    sku,
    minimum: count,
    maximum: z.int().min(1).max(MAX_QUANTITY).nullable().optional(),
    reason: reason.optional(),
  })
  .refine((place) => (place.device_id === undefined) !== (place.location === undefined), {
    path: ["location"],
    error: "name either the location or a device there",
  })
  .refine(({ minimum, maximum }) => maximum === undefined || maximum === null || minimum <= maximum, {
    path: ["maximum"],
    error: "must not be below the minimum",
  });

type Data = z.output<typeof data>;

export const setMinimum = commandKind({
  senders: ["device", "keeper", "operations", "admin"],
  data,

  async scope(deps, principal, command) {
    const missing = await unknownSkus(deps, [{ pointer: "/data/sku", sku: command.sku }]);
    if (missing) return missing;
    if (command.device_id !== undefined) {
      const sender = await homeOfSender(deps, principal, command.device_id);
      return sender.ok ? { ok: true, region: sender.home.region } : sender;
    }
    const place = await findLocation(deps.db, command.location ?? "");
    if (!place || !coversRegion(principal, place.region))
      return unknown("/data/location", `no location ${command.location}`);
    if (principal.location !== null && principal.location !== place.id) {
      return refuse(
        "FORBIDDEN",
        `${principal.subject} sets minimums of ${principal.location} only, not of ${place.id}`,
      );
    }
    return { ok: true, region: place.region };
  },

  async plan(deps, context, command) {
    const place = await placeOfCommand(deps, command);
    if (!place.ok) return place;
    const { location } = place;
    const { sku: part, minimum, maximum } = command;
    const low = watchLow(deps, [{ sku: part, location, region: context.region }]);
    const work = {
      writes: [setMinimumRow({ sku: part, location, minimum, maximum }), ...low.writes],
      audit: [
        {
          actor: context.actor,
          action: "stock.minimum set",
          subject: `stock/${part}@${location}`,
          after: { minimum, ...(maximum === undefined ? {} : { maximum }), command_id: context.commandId },
          ...(command.reason === undefined ? {} : { reason: command.reason }),
        },
      ],
      events: low.events,
      result: minimumAnswer(part, location),
    };
    return { ok: true, work };
  },

  async explain(_deps, _context, command, code) {
    const facts = { pointer: "/data/minimum", minimum: command.minimum };
    return refuse(code, `the maximum of ${command.sku} there is below ${command.minimum}: set it too`, { facts });
  },
});

async function placeOfCommand(
  deps: ServiceDeps,
  { device_id: device, location }: Data,
): Promise<{ readonly ok: true; readonly location: string } | Refusal> {
  if (location !== undefined) return { ok: true, location };
  const found = await homeOf(deps, device ?? "");
  return found.ok ? { ok: true, location: found.home.location } : found;
}
