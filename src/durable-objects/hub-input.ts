/** What a hub takes from the Worker and the relay: a socket's identity and the events for the log, both checked. */
import { z } from "zod";
import { byteLengthOf, jsonOf } from "../domain/hub/frames.ts";
import type { HubIdentity } from "../domain/hub/routing.ts";
import { ROLES } from "../domain/identity.ts";
import { log } from "../log.ts";
import type { NewEvent } from "./hub-log.ts";

/** The Worker's word on who connects: always overwritten there, never taken from a client. */
export const IDENTITY_HEADER = "x-waybill-identity";

const identitySchema = z.object({
  device_id: z.string().min(1).max(200),
  device_type: z.enum(["truck", "warehouse", "person"]),
  region: z.string().nullable(),
  role: z.enum(ROLES),
  credential_version: z.int(),
});

/** An event on its way to devices. `event`: CloudEvent, JSON text. Without topics it is accepted and goes to no one. */
export interface HubEvent {
  readonly event_id: string;
  readonly topics: readonly string[];
  readonly event: string;
}

const typedEvent = z.object({ type: z.string().min(1) });

/** The identity in the header's JSON, or null when there is none that is whole. */
export function identityOf(header: string | null): HubIdentity | null {
  const parsed = identitySchema.safeParse(header === null ? null : jsonOf(header));
  return parsed.success ? parsed.data : null;
}

/** The events that belong in the log. One that isn't JSON would break every frame it is in, and never gets better. */
export function toNewEvents(events: readonly HubEvent[]): NewEvent[] {
  return events
    .filter((event) => event.topics.length > 0)
    .flatMap(({ event_id: eventId, topics, event }) => {
      const parsed = typedEvent.safeParse(jsonOf(event));
      if (parsed.success) return [{ eventId, type: parsed.data.type, topics, event, bytes: byteLengthOf(event) }];
      log("error", "hub.event_unreadable", { event_id: eventId });
      return [];
    });
}
