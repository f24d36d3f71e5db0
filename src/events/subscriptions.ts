/**
 * Who receives what. An outbox row's `want` is fixed from this table when it is committed, so a subscriber that is
 * added tomorrow doesn't undo yesterday's events. Bits are stored: never reuse one.
 */
import { isEventType, type MessageType } from "../domain/events.ts";
import { isForDevices } from "../domain/hub/routing.ts";

export const SUBSCRIBER_BITS = {
  hub: 1,
  "request-processor": 2,
  "order-starter": 4,
  notification: 8,
  "cache-invalidation": 16,
  "cloud-archive": 32,
  "reservation-expiry": 64,
  webhooks: 128,
  "webhook-sender": 256,
} as const;

export type Subscriber = keyof typeof SUBSCRIBER_BITS;
/** Those that a queue message reaches; the hub is served by the relay itself. */
export type QueueSubscriber = Exclude<Subscriber, "hub">;

export const HUB_BIT = SUBSCRIBER_BITS.hub;

const QUEUE_SUBSCRIPTIONS: Readonly<Partial<Record<MessageType, readonly QueueSubscriber[]>>> = {
  RequestUploaded: ["request-processor"],
  ApprovalRequested: ["notification"],
  ApprovalReminderDue: ["request-processor"],
  ApprovalReminder: ["notification"],
  ApprovalDue: ["request-processor"],
  ApprovalEscalated: ["notification"],
  ApprovalDecided: ["request-processor", "notification"],
  OrderPlaced: ["order-starter"],
  OrderEnded: ["request-processor"],
  StatusChanged: ["notification"],
  ErrorOccurred: ["notification"],
  ResponseCreated: ["cloud-archive", "notification"],
  PartUpdated: ["cache-invalidation"],
  InventoryUpdated: ["cache-invalidation"],
  StockBelowMinimum: ["notification"],
  TransferReceived: ["cache-invalidation", "notification"],
  PurchaseOrderReceived: ["cache-invalidation"],
  PurchaseOrderClosed: ["cache-invalidation"],
  CacheDropDue: ["cache-invalidation"],
  DiscrepancyFound: ["notification"],
  ReservationDue: ["reservation-expiry"],
  WebhookDue: ["webhook-sender"],
};

/** The queue subscribers of a bit set, in the order in which the consumer runs them. */
export function queueSubscribersIn(bits: number): readonly QueueSubscriber[] {
  const names = Object.keys(SUBSCRIBER_BITS) as Subscriber[];
  return names.filter((name): name is QueueSubscriber => name !== "hub" && (bits & SUBSCRIBER_BITS[name]) !== 0);
}

/** The bit set of the subscribers that every message of a type has. */
export function wantOf(type: MessageType): number {
  const queue = (QUEUE_SUBSCRIPTIONS[type] ?? []).reduce((bits, name) => bits | SUBSCRIBER_BITS[name], 0);
  return isForDevices(type) ? queue | HUB_BIT : queue;
}

/** The bit that a message has besides where an endpoint of webhooks may hear of it; 0: a type that never leaves. */
export function webhookWantOf(type: MessageType): number {
  return isEventType(type) ? SUBSCRIBER_BITS.webhooks : 0;
}
