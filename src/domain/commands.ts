/** What all commands share: imperative, accepted with 202, executed from the queue. Quantities are integers in the part's stock unit. */
import { z } from "zod";
import type { Actor } from "./trace.ts";

export const MAX_QUANTITY = 1_000_000_000;

export const text = (max: number) => z.string().min(1).max(max);
export const sku = text(100);
export const deviceId = text(100);
export const reason = text(500);
export const quantity = z.int().min(1).max(MAX_QUANTITY);
/** Of what may be none. */
export const count = z.int().min(0).max(MAX_QUANTITY);

/** The command's own key, made by whoever sends it. */
export const commandId = z.string().regex(/^[A-Za-z0-9_-]{8,100}$/, "8 to 100 letters, digits, _ or -");

/**
 * What a device that was offline adds: its own number of the command (1, 2, 3, …, never used twice), when it happened by its
 * own clock, and the version of the stock level that it saw.
 */
export const deviceNumbering = {
  device_sequence: z.int().positive().optional(),
  device_time: z.iso.datetime().optional(),
  seen_version: z.int().nonnegative().optional(),
} as const;

/** Who sent a command, from its row's `{kind}:{id}`. */
export function actorOfSender(sender: string): Actor {
  const [kind, ...id] = sender.split(":");
  return { kind: kind === "device" ? "device" : "person", id: id.join(":") };
}

/** Where a bin lies: the label alone means the sender's own location. */
export function placeOf(label: string, ownLocation: string): { location: string; bin: string } {
  const slash = label.indexOf("/");
  if (slash <= 0 || slash === label.length - 1) return { location: ownLocation, bin: label };
  return { location: label.slice(0, slash), bin: label.slice(slash + 1) };
}
