/**
 * Which events an endpoint may hear of: those of its owner's role and of its region, and nothing that isn't listed. The same
 * rule decides at subscription (types) and at each event (region), so a role that was lost is a stream that ends.
 */
import { EVENT_DATA, type EventType, type Message } from "./events.ts";
import type { Role } from "./identity.ts";

export const EVENT_TYPES = Object.keys(EVENT_DATA) as [EventType, ...EventType[]];

/** What an integrator's rights cover: requests, orders, stock and parts. Who approves what is for supervisors. */
const FOR_INTEGRATORS: ReadonlySet<EventType> = new Set<EventType>([
  "RequestUploaded",
  "StatusChanged",
  "ResponseCreated",
  "ResponseReady",
  "ErrorOccurred",
  "InventoryUpdated",
  "PartUpdated",
  "OrderPlaced",
  "OrderEnded",
  "PurchaseOrderPlaced",
  "PurchaseOrderReceived",
  "PurchaseOrderClosed",
  "TransferShipped",
  "TransferReceived",
  "StockBelowMinimum",
]);

/** Of what concerns every region, this alone is for each region to know. */
const FOR_EVERY_REGION: ReadonlySet<string> = new Set<EventType>(["PartUpdated"]);

/** The types that an owner of this role may subscribe to. */
export function typesFor(role: Role): EventType[] {
  if (role === "admin") return [...EVENT_TYPES];
  return role === "integrator" ? EVENT_TYPES.filter((type) => FOR_INTEGRATORS.has(type)) : [];
}

export interface Listener {
  readonly role: Role;
  /** The owner's own region as it is now; null: every region. */
  readonly ownerRegion: string | null;
  /** The endpoint's. */
  readonly region: string | null;
}

/** `region`: the event's; null concerns every region. */
export function mayHear(listener: Listener, message: Message, region: string | null): boolean {
  if (!(typesFor(listener.role) as string[]).includes(message.type) || isAboutWebhooks(message)) return false;
  return [listener.ownerRegion, listener.region].every(
    (scope) => scope === null || scope === region || (region === null && FOR_EVERY_REGION.has(message.type)),
  );
}

/** The troubles of webhooks aren't told by webhooks: an endpoint that is down would make its own events for ever. */
function isAboutWebhooks(message: Message): boolean {
  if (message.type === "ErrorOccurred") return message.data.kind === "webhook";
  return (
    (message.type === "CircuitOpened" || message.type === "CircuitClosed") &&
    message.data.dependency.startsWith("webhook:")
  );
}
