/**
 * ShipTransfer: pieces leave the device's location for another one of its region, in one transaction: out of their bins,
 * on their way to the destination. What is reserved stays; demand is summed per part before it is checked.
 */
import { z } from "zod";
import { MAX_COMMAND_LINES } from "../../config.ts";
import { depart } from "../../db/queries/departures.ts";
import { inventoryUpdated } from "../../db/queries/inventory.ts";
import { binsOf, shortages, takeAvailable } from "../../db/queries/order-stock.ts";
import { findLocation } from "../../db/queries/stock.ts";
import { transferAnswer } from "../../db/queries/transfers.ts";
import { deviceId, quantity, reason, sku, text } from "../../domain/commands.ts";
import { AppError, refuse, type Refusal } from "../../domain/errors.ts";
import { pickLines, sumDemand, type BinPick, type PlaceDemand } from "../../domain/stock.ts";
import type { ServiceDeps } from "../deps.ts";
import { watchLow } from "../low-stock.ts";
import { transferShipped } from "../transfer-events.ts";
import { commandKind } from "./kind.ts";
import { homeOf, homeOfSender, unknown, unknownSkus } from "./sender.ts";

/** `bin`: take from this one; without it the fewest bins are chosen. */
const data = z.strictObject({
  device_id: deviceId,
  to_location: text(100),
  lines: z
    .array(z.strictObject({ sku, quantity, bin: text(100).optional() }))
    .min(1)
    .max(MAX_COMMAND_LINES),
  reason: reason.optional(),
});

type Data = z.output<typeof data>;

/** Where a part that was handed over lies in no bin at all, by the books. */
const NO_BIN = "unknown";

export const shipTransfer = commandKind({
  senders: ["device", "keeper"],
  data,

  async scope(deps, principal, command) {
    const named = command.lines.map((line, at) => ({ pointer: `/data/lines/${at}/sku`, sku: line.sku }));
    const missing = await unknownSkus(deps, named);
    if (missing) return missing;
    const sender = await homeOfSender(deps, principal, command.device_id);
    if (!sender.ok) return sender;
    const { home } = sender;
    const to = await findLocation(deps.db, command.to_location);
    if (!to || to.region !== home.region) {
      return unknown("/data/to_location", `no location ${command.to_location} in ${home.region}`);
    }
    if (to.id === home.location) {
      const detail = `is where ${command.device_id} is: a transfer goes to another location`;
      return refuse("VALIDATION", `${to.id} ${detail}`, { problems: [{ pointer: "/data/to_location", detail }] });
    }
    return { ok: true, region: home.region };
  },

  async plan(deps, context, command) {
    const found = await homeOf(deps, command.device_id);
    if (!found.ok) return found;
    const { location } = found.home;
    const demand = demandOf(command.lines, location);
    const short = await shortage(deps, demand, command);
    if (short) return short;
    const chosen = await pick(deps, command, location);
    if (!chosen.ok) return chosen;
    const transferId = deps.newId("transfer");
    const picks = chosen.picks.map((one) => ({ ...one, location, transferId, movementId: deps.newId("movement") }));
    const source = `transfer/${transferId}`;
    const { at, region } = context;
    const places = demand.map((place) => ({ ...place, region }));
    const low = watchLow(deps, places);
    const transfer = { id: transferId, orderId: null, from: location, to: command.to_location, region };
    const work = {
      writes: [
        takeAvailable(demand),
        ...depart({ orderId: null, destination: command.to_location, picks, source, at }),
        ...low.writes,
      ],
      audit: [
        {
          actor: context.actor,
          action: "transfer.shipped",
          subject: source,
          after: { from: location, to: command.to_location, picks: chosen.picks, command_id: context.commandId },
          ...(command.reason === undefined ? {} : { reason: command.reason }),
        },
      ],
      events: [
        transferShipped(transfer, demand, at),
        ...picks.map((one) =>
          inventoryUpdated({ ...one, quantity: -one.quantity, kind: "ship", source, at }, context.region),
        ),
        ...low.events,
      ],
      result: transferAnswer(transferId),
    };
    return { ok: true, work };
  },

  /** The first line that the books don't have: what was handed over all the same is kept for a person. */
  async scan(deps, _context, command) {
    const found = await homeOf(deps, command.device_id);
    if (!found.ok) return null;
    const { location } = found.home;
    const bins = await binsOf(deps.db, demandOf(command.lines, location));
    const [short] = await shortages(deps.db, demandOf(command.lines, location));
    if (short) {
      const bin = fullest(bins, short.sku) ?? command.lines.find((line) => line.sku === short.sku)?.bin ?? NO_BIN;
      return { sku: short.sku, location, bin, says: "taken", quantity: short.wanted };
    }
    const picked = pickLines(command.lines, bins);
    const line = picked.ok ? undefined : command.lines[picked.line];
    if (line?.bin === undefined) return null;
    return { sku: line.sku, location, bin: line.bin, says: "taken", quantity: line.quantity };
  },

  async explain(deps, _context, command, code) {
    const found = await homeOf(deps, command.device_id);
    const short = found.ok ? await shortage(deps, demandOf(command.lines, found.home.location), command) : null;
    return short ?? refuse(code, "stock was taken by someone else in the same moment");
  },
});

function fullest(bins: Awaited<ReturnType<typeof binsOf>>, part: string): string | undefined {
  return bins.filter((bin) => bin.sku === part).sort((a, b) => b.quantity - a.quantity)[0]?.bin;
}

function demandOf(lines: Data["lines"], location: string): PlaceDemand[] {
  return sumDemand(lines.map((line) => ({ sku: line.sku, location, quantity: line.quantity })));
}

/** Names the first part of which less is available than all its lines ask for. */
async function shortage(deps: ServiceDeps, demand: readonly PlaceDemand[], { lines }: Data): Promise<Refusal | null> {
  const [short] = await shortages(deps.db, demand);
  if (!short) return null;
  const facts = { pointer: `/data/lines/${lines.findIndex((line) => line.sku === short.sku)}/quantity`, ...short };
  const figures = `wanted ${short.wanted}, available ${short.available}`;
  return refuse("INSUFFICIENT_STOCK", `${short.sku} at ${short.location}: ${figures}`, { facts });
}

async function pick(
  deps: ServiceDeps,
  { lines }: Data,
  location: string,
): Promise<{ readonly ok: true; readonly picks: BinPick[] } | Refusal> {
  const bins = await binsOf(deps.db, demandOf(lines, location));
  const picked = pickLines(lines, bins);
  if (picked.ok) return picked;
  const { line, bin, holds } = picked;
  const wanted = lines[line];
  if (!wanted || bin === undefined) {
    throw new AppError("CONFLICT", `the bins of ${wanted?.sku} at ${location} changed while they were read`, {
      retryable: true,
    });
  }
  const reasons =
    holds === null ? `no bin ${bin} of ${wanted.sku} at ${location}` : `${bin} holds ${holds} of ${wanted.sku}`;
  return refuse("INSUFFICIENT_STOCK", `${reasons}: ${wanted.quantity} can't be taken from it`, {
    facts: { pointer: `/data/lines/${line}/bin`, sku: wanted.sku, bin, wanted: wanted.quantity, in_bin: holds },
  });
}
