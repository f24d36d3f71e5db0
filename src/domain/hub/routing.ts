/**
 * Who hears what: which hub a device lives in, the topics of an event, and which topics an identity may hold.
 * Deny by default, and a topic that was granted is checked again whenever an event is published on it.
 */
import type { Message, MessageType } from "../events.ts";
import { fnv1a } from "../hash.ts";
import type { Role } from "../identity.ts";

/** Who a socket belongs to, as the Worker verified it. */
export interface HubIdentity {
  /** Device id, or person id for a browser. */
  readonly device_id: string;
  readonly device_type: "truck" | "warehouse" | "person";
  /** null: every region (people only). */
  readonly region: string | null;
  readonly role: Role;
  readonly credential_version: number;
}

/** `hub:{region}:{shard}`: the name of the object, for `idFromName`. */
export function hubName(region: string, shard: number): string {
  return `hub:${region}:${shard}`;
}

/**
 * The shard of a device by rendezvous hashing: growing from n to n+1 shards moves about one device in n+1, and only to
 * the new shard. `shards` ≥ 1. Source: Thaler, Ravishankar, "Using name-based mappings to increase hit rates" (1998).
 */
export function shardOf(deviceId: string, shards: number): number {
  let best = 0;
  let bestScore = -1;
  for (let shard = 0; shard < shards; shard++) {
    const score = mixed(fnv1a(`${shard}:${deviceId}`));
    if (score > bestScore) [best, bestScore] = [shard, score];
  }
  return best;
}

/** FNV-1a hardly spreads its last characters: without this finaliser (MurmurHash3, 32 bits) neighbours share shards. */
function mixed(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export const ALL = "all";
/** Published only, never granted: an event that concerns every region reaches whoever listens to a region. */
const EVERY_REGION = "region:*";

const FOR_DEVICES: ReadonlySet<string> = new Set<MessageType>([
  "RequestUploaded",
  "StatusChanged",
  "ResponseReady",
  "ErrorOccurred",
  "InventoryUpdated",
  "StockBelowMinimum",
  "TransferShipped",
  "TransferReceived",
  "PurchaseOrderReceived",
  "PurchaseOrderClosed",
  "PartUpdated",
  "CommandRejected",
  "DiscrepancyFound",
  "ApprovalRequested",
  "ApprovalReminder",
  "ApprovalEscalated",
  "ApprovalDecided",
  "OrderPlaced",
  "OrderEnded",
  "PurchaseOrderPlaced",
  "CircuitOpened",
  "CircuitClosed",
]);

/** True for the events that travel to devices at all; timers, imports and `ResponseCreated` stay inside. */
export function isForDevices(type: string): boolean {
  return FOR_DEVICES.has(type);
}

/** The topics of an event, `[]` when it isn't for devices. `region` is the outbox row's: null concerns every region. */
export function topicsOf(message: Message, region: string | null): string[] {
  if (!isForDevices(message.type)) return [];
  const regional = region === null ? [] : [`region:${region}`];
  switch (message.type) {
    case "CircuitOpened":
    case "CircuitClosed":
      return [ALL];
    case "CommandRejected":
      return [ALL, ...device(message.data.device_id)];
    case "PartUpdated":
      return [ALL, ...(region === null ? [EVERY_REGION] : regional), `sku:${message.data.sku}`];
    case "InventoryUpdated":
    case "StockBelowMinimum":
      return [ALL, ...regional, `sku:${message.data.sku}`];
    case "ApprovalRequested":
    case "ApprovalReminder":
    case "ApprovalDecided":
      return [ALL, ...regional, ...device(message.data.approver), ...request(message.data.request_id)];
    case "ApprovalEscalated":
      return [
        ALL,
        ...regional,
        ...device(message.data.from),
        ...device(message.data.to),
        ...request(message.data.request_id),
      ];
    case "StatusChanged":
      // What became of a device's command is its own mail, not its region's.
      if (message.data.kind === "command") return [ALL, ...device(message.data.device_id)];
      return [ALL, ...regional, ...device(message.data.device_id), ...requestNamed(message.data)];
    case "ErrorOccurred":
      return [ALL, ...regional, ...device(message.data.device_id), ...requestNamed(message.data)];
    default: {
      const data = message.data as { readonly device_id?: string; readonly request_id?: string };
      return [ALL, ...regional, ...device(data.device_id), ...request(data.request_id)];
    }
  }
}

function device(id: string | undefined): string[] {
  return id === undefined ? [] : [`device:${id}`];
}

function request(id: string | undefined): string[] {
  return id === undefined ? [] : [`request:${id}`];
}

/** The request that the event is about: named, or itself the aggregate. */
function requestNamed(data: { readonly kind: string; readonly id: string; readonly request_id?: string }): string[] {
  return request(data.request_id ?? (data.kind === "request" ? data.id : undefined));
}

/** What a device hears that names no topics: its own mail and its region. */
export function defaultTopics(identity: HubIdentity): string[] {
  return [`device:${identity.device_id}`, ...(identity.region === null ? [] : [`region:${identity.region}`])];
}

/** Splits what a client wants into what it may hold and what it may not, without repeats, in the order asked. */
export function grantTopics(
  identity: HubIdentity,
  wanted: readonly string[],
): { readonly granted: string[]; readonly refused: string[] } {
  const granted: string[] = [];
  const refused: string[] = [];
  for (const topic of new Set(wanted)) (isAllowed(identity, topic) ? granted : refused).push(topic);
  return { granted, refused };
}

const TOPIC = /^(device|region|request|sku):([\x21-\x7e]{1,200})$/;

function isAllowed(identity: HubIdentity, topic: string): boolean {
  if (topic === ALL) return identity.role === "operations" || identity.role === "admin";
  const [, kind, id] = TOPIC.exec(topic) ?? [];
  // `request:` and `sku:` are safe for all: a hub holds one region's events, so a topic can't name another region's.
  if (kind === "request" || kind === "sku") return true;
  if (kind === "device") return id === identity.device_id || ["manager", "operations"].includes(identity.role);
  if (kind !== "region" || topic === EVERY_REGION) return false;
  return id === identity.region || (identity.region === null && isSupervisor(identity.role));
}

function isSupervisor(role: Role): boolean {
  return role === "manager" || role === "operations" || role === "admin";
}

/** True when one of the held topics is one of the event's. */
export function matches(held: readonly string[], eventTopics: readonly string[]): boolean {
  return held.some((topic) => isTopicOf(topic, eventTopics));
}

function isTopicOf(topic: string, eventTopics: readonly string[]): boolean {
  return eventTopics.includes(topic) || (topic.startsWith("region:") && eventTopics.includes(EVERY_REGION));
}

/**
 * The check at publish: a held topic is one of the event's, the identity may still hold it, and approvals go only to
 * supervisors and to those whom they name (a truck hears its region, but not who approves what there).
 */
export function mayReceive(
  identity: HubIdentity,
  held: readonly string[],
  event: { readonly type: string; readonly topics: readonly string[] },
): boolean {
  if (!held.some((topic) => isTopicOf(topic, event.topics) && isAllowed(identity, topic))) return false;
  if (!event.type.startsWith("Approval")) return true;
  return isSupervisor(identity.role) || event.topics.includes(`device:${identity.device_id}`);
}
