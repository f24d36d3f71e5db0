/**
 * The catalogue: every event's data as one zod union, in a CloudEvents 1.0 envelope (JSON format).
 * Fields may be added, never renamed. Timers are events that only our own subscribers see.
 * Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 */
import { z } from "zod";

const timestamp = z.iso.datetime();
const id = z.string().min(1).max(200);
/** What an approval step is about: a request or a command, exactly one. */
const approved = { request_id: id.optional(), command_id: id.optional() };

/** Data of the events that devices, webhooks and subscribers see. */
export const EVENT_DATA = {
  RequestUploaded: z.object({ request_id: id, device_id: id, timestamp }),
  StatusChanged: z.object({
    kind: z.enum(["request", "order", "command"]),
    id,
    from: z.string(),
    to: z.string(),
    timestamp,
    device_id: id.optional(),
    request_id: id.optional(),
  }),
  ResponseCreated: z.object({
    response_id: id,
    request_id: id,
    outcome: z.string(),
    timestamp,
    device_id: id.optional(),
  }),
  ResponseReady: z.object({ request_id: id, timestamp, device_id: id.optional() }),
  ErrorOccurred: z.object({
    code: z.string(),
    kind: z.string(),
    id,
    message: z.string(),
    retryable: z.boolean(),
    timestamp,
    device_id: id.optional(),
  }),
  InventoryUpdated: z.object({
    sku: id,
    location: id,
    bin: z.string(),
    quantity_change: z.int(),
    on_hand: z.int().nonnegative(),
    timestamp,
  }),
  StockBelowMinimum: z.object({
    sku: id,
    location: id,
    on_hand: z.int().nonnegative(),
    reserved: z.int().nonnegative(),
    incoming: z.int().nonnegative(),
    minimum: z.int().positive(),
    timestamp,
  }),
  /** `lines`: at most the first `MAX_COMMAND_LINES` of `line_count`. */
  TransferShipped: z.object({
    transfer_id: id,
    order_id: id.optional(),
    from_location: id,
    to_location: id,
    line_count: z.int().positive(),
    lines: z.array(z.object({ sku: id, quantity: z.int().positive() })),
    timestamp,
  }),
  TransferReceived: z.object({
    transfer_id: id,
    from_location: id,
    to_location: id,
    state: z.enum(["partially_received", "received"]),
    lines: z.array(z.object({ sku: id, received: z.int().nonnegative(), rejected: z.int().nonnegative() })),
    timestamp,
  }),
  PurchaseOrderReceived: z.object({
    purchase_order_id: id,
    order_id: id,
    supplier: id,
    location: id,
    status: z.enum(["placed", "completed"]),
    lines: z.array(
      z.object({ line: z.int(), sku: id, received: z.int().nonnegative(), rejected: z.int().nonnegative() }),
    ),
    timestamp,
  }),
  /** The rest was given up: it is no longer awaited. */
  PurchaseOrderClosed: z.object({
    purchase_order_id: id,
    order_id: id,
    supplier: id,
    location: id,
    reason: z.string(),
    lines: z.array(z.object({ line: z.int(), sku: id, closed: z.int().positive() })),
    timestamp,
  }),
  PartUpdated: z.object({ sku: id, version: z.int().positive(), timestamp }),
  CommandRejected: z.object({
    command_id: id,
    type: z.string(),
    code: z.string(),
    reason: z.string(),
    timestamp,
    device_id: id.optional(),
    discrepancy_id: id.optional(),
  }),
  ApprovalRequested: z.object({
    ...approved,
    step_id: id,
    approver: id,
    rule: z.string(),
    due_at: timestamp,
    timestamp,
  }),
  ApprovalReminder: z.object({ ...approved, step_id: id, approver: id, due_at: timestamp, timestamp }),
  ApprovalEscalated: z.object({ ...approved, step_id: id, from: id, to: id, timestamp }),
  ApprovalDecided: z.object({
    ...approved,
    step_id: id,
    approver: id,
    decision: z.enum(["approve", "reject"]),
    timestamp,
  }),
  OrderPlaced: z.object({ order_id: id, request_id: id.optional(), timestamp }),
  OrderEnded: z.object({
    order_id: id,
    request_id: id.optional(),
    status: z.enum(["Completed", "Cancelled", "NeedsAttention"]),
    timestamp,
  }),
  PurchaseOrderPlaced: z.object({
    purchase_order_id: id,
    order_id: id,
    supplier: id,
    reference: z.string(),
    timestamp,
  }),
  DiscrepancyFound: z.object({
    discrepancy_id: id,
    command_id: id,
    kind: z.enum(["shortage", "count", "stale", "not_approved"]),
    device_id: id,
    sku: id,
    location: id,
    bin: z.string(),
    expected: z.int().nonnegative(),
    found: z.int().nonnegative(),
    timestamp,
  }),
  CircuitOpened: z.object({ dependency: id, timestamp }),
  CircuitClosed: z.object({ dependency: id, timestamp }),
  ImportCompleted: z.object({ kind: z.string(), rows: z.int(), timestamp }),
} as const;

/** Data of timers: outbox rows with `not_before`, written in the batch of the state that they guard. */
export const TIMER_DATA = {
  ApprovalReminderDue: z.object({ ...approved, step_id: id, timestamp }),
  ApprovalDue: z.object({ ...approved, step_id: id, timestamp }),
  ReservationDue: z.object({ order_id: id, timestamp }),
  CacheDropDue: z.object({ keys: z.array(z.string()).min(1), timestamp }),
  WebhookDue: z.object({ delivery_id: id, attempt: z.int().positive(), timestamp }),
} as const;

export type EventType = keyof typeof EVENT_DATA;
export type TimerType = keyof typeof TIMER_DATA;
export type MessageType = EventType | TimerType;

const MESSAGE_DATA = { ...EVENT_DATA, ...TIMER_DATA };
export type DataOf<T extends MessageType> = z.output<(typeof MESSAGE_DATA)[T]>;

/** True of what others may see; timers are our own. */
export function isEventType(type: string): type is EventType {
  return Object.hasOwn(EVENT_DATA, type);
}

export const MESSAGE_TYPES = Object.keys(MESSAGE_DATA) as MessageType[];

export interface Envelope<T extends MessageType = MessageType> {
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  readonly type: T;
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly dataschema: string;
  /** Version of the aggregate that `subject` names: a builder of state ignores what is older than it has. */
  readonly sequence: number;
  readonly traceparent: string;
  readonly correlationid: string;
  readonly data: DataOf<T>;
}

/** Any message, as a union that narrows by `type`. */
export type Message = { [T in MessageType]: Envelope<T> }[MessageType];

const envelopeSchema = z.object({
  specversion: z.literal("1.0"),
  id,
  source: z.string().min(1),
  type: z.enum(MESSAGE_TYPES as [MessageType, ...MessageType[]]),
  subject: z.string().min(1),
  time: timestamp,
  datacontenttype: z.literal("application/json"),
  dataschema: z.string().min(1),
  sequence: z.int().nonnegative(),
  traceparent: z.string().regex(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/),
  correlationid: z.string().min(1),
  data: z.unknown(),
});

/** The message, or null with the reason when it isn't one of ours (malformed, or of a newer version). */
export function parseMessage(value: unknown): { ok: true; message: Message } | { ok: false; reason: string } {
  const envelope = envelopeSchema.safeParse(value);
  if (!envelope.success) return { ok: false, reason: z.prettifyError(envelope.error) };
  const data = MESSAGE_DATA[envelope.data.type].safeParse(envelope.data.data);
  if (!data.success) return { ok: false, reason: z.prettifyError(data.error) };
  return { ok: true, message: { ...envelope.data, data: data.data } as Message };
}

/** The message of an event as the outbox keeps it: always JSON, since the table computes `sequence` from it. */
export function parseEvent(text: string): ReturnType<typeof parseMessage> {
  return parseMessage(JSON.parse(text));
}

/** Where the JSON Schema of a type's data stands. Source attribute and schema are relative URIs: deployments differ. */
export function dataSchemaOf(type: MessageType): string {
  return `/schemas/${type}.v1.json`;
}
