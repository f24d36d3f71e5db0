/** Where a command's sender acts: a device at its own location, a person for the devices of their location or region. */
import { findLocation } from "../../db/queries/stock.ts";
import { placeOf } from "../../domain/commands.ts";
import { refuse, type InputProblem, type Refusal } from "../../domain/errors.ts";
import { coversRegion, type Principal } from "../../domain/identity.ts";
import type { ServiceDeps } from "../deps.ts";
import { knownOf, type Known } from "./known.ts";

/** `known`: what was read for all commands of the call. */
export type ScopeDeps = ServiceDeps & { readonly known?: Known };

export interface Home {
  readonly location: string;
  readonly region: string;
}

/** The device's place, if the sender may act as the device. */
export async function homeOfSender(
  deps: ScopeDeps,
  principal: Principal,
  deviceId: string,
): Promise<{ readonly ok: true; readonly home: Home } | Refusal> {
  if (principal.kind === "device" && principal.subject !== deviceId) {
    return refuse("FORBIDDEN", `device ${principal.subject} may not send commands as ${deviceId}`);
  }
  const found = await homeOf(deps, deviceId);
  if (!found.ok) return found;
  if (principal.kind === "person") {
    const own =
      principal.location === null
        ? coversRegion(principal, found.home.region)
        : principal.location === found.home.location;
    if (!own) return refuse("FORBIDDEN", `${deviceId} is not at a location of ${principal.subject}`);
  }
  return found;
}

export async function homeOf(
  deps: ScopeDeps,
  deviceId: string,
): Promise<{ readonly ok: true; readonly home: Home } | Refusal> {
  const known = deps.known ?? (await knownOf(deps.db, []));
  const device = await known.device(deviceId);
  if (!device) return unknown("/data/device_id", `no device ${deviceId}`);
  return { ok: true, home: { location: device.location, region: device.region } };
}

/** The scope of a command that changes one bin: a known part, a sender who may act as the device, a bin of its own location. */
export async function scopeOfBin(
  deps: ScopeDeps,
  principal: Principal,
  command: { readonly device_id: string; readonly sku: string; readonly location: string },
): Promise<{ readonly ok: true; readonly region: string } | Refusal> {
  const missing = await unknownSkus(deps, [{ pointer: "/data/sku", sku: command.sku }]);
  if (missing) return missing;
  const sender = await homeOfSender(deps, principal, command.device_id);
  if (!sender.ok) return sender;
  const elsewhere = await ownBin(deps, command, sender.home);
  return elsewhere ?? { ok: true, region: sender.home.region };
}

/** A bin that the command names must be one of the device's own location. Null: it is. */
async function ownBin(
  deps: ServiceDeps,
  command: { readonly device_id: string; readonly location: string },
  home: Home,
): Promise<Refusal | null> {
  const { location } = placeOf(command.location, home.location);
  if (location === home.location) return null;
  if (!(await findLocation(deps.db, location))) return unknown("/data/location", `no location ${location}`);
  return refuse("FORBIDDEN", `${command.device_id} changes stock at ${home.location} only, not at ${location}`);
}

/** Names each SKU that the catalogue doesn't have, by where it stands in the command. Null: all are known. */
export async function unknownSkus(
  deps: ScopeDeps,
  named: readonly { readonly pointer: string; readonly sku: string }[],
): Promise<Refusal | null> {
  const known = deps.known ?? (await knownOf(deps.db, named));
  const have = await known.skus(named.map(({ sku }) => sku));
  const problems: InputProblem[] = named
    .filter(({ sku }) => !have.has(sku))
    .map(({ pointer, sku }) => ({ pointer, detail: `no part ${sku}` }));
  const [first] = problems;
  return first ? refuse("UNKNOWN_REFERENCE", first.detail, { problems }) : null;
}

export function unknown(pointer: string, detail: string): Refusal {
  return refuse("UNKNOWN_REFERENCE", detail, { problems: [{ pointer, detail }] });
}
