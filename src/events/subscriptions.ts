/**
 * Who receives what. An outbox row's `want` is fixed from this table when it is committed, so a subscriber that is
 * added tomorrow doesn't undo yesterday's events. Bits are stored: never reuse one.
 */
import type { MessageType } from "../domain/events.ts";
import { isForDevices } from "../domain/hub/routing.ts";

export const SUBSCRIBER_BITS = {
  hub: 1,
  "request-processor": 2,
  "order-starter": 4,
  notification: 8,
  "cache-invalidation": 16,
  "cloud-archive": 32,
  "reservation-expiry": 64,
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
  CacheDropDue: ["cache-invalidation"],
  DiscrepancyFound: ["notification"],
  ReservationDue: ["reservation-expiry"],
};

/** The queue subscribers of a type, in the order in which the consumer runs them. */
export function queueSubscribersOf(type: MessageType): readonly QueueSubscriber[] {
  return QUEUE_SUBSCRIPTIONS[type] ?? [];
}

/** The bit set of all subscribers of a type. */
export function wantOf(type: MessageType): number {
  const queue = queueSubscribersOf(type).reduce((bits, name) => bits | SUBSCRIBER_BITS[name], 0);
  return isForDevices(type) ? queue | HUB_BIT : queue;
}
