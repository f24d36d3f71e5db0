/**
 * The logic of a device's connection (`waybill.v1`) without any I/O: what to send, what to hand to the application and
 * what to do after a close. The position moves only when the application has handled an event, so what is cut off is
 * sent again, and an event that comes twice is handled once.
 *
 * A shell owns the socket and calls, one after the other: `opened`, `received` for each message (and carries out its
 * steps in order, `handled` after each event; if the application throws, it drops the rest and closes), `closed`.
 */

export const SUBPROTOCOL = "waybill.v1";
export const PROTOCOL_VERSION = 1;

const SEEN_IDS = 1_000;
const RECONNECT_BASE_MS = 500;
const RECONNECT_MAX_MS = 30_000;
const STABLE_MS = 30_000;
const POSITION_LOST = 4009;
/** The client's own close when a frame doesn't follow the one before: it reconnects and resumes. */
export const CLOSE_GAP_NOTICED = 4000;
/** The client's own close when it obeys `drain`. */
export const CLOSE_DRAINED = 4001;

/** A place in a hub's log: everything up to `seq` has been handled. */
export interface Position {
  readonly epoch: string;
  readonly seq: number;
}

export interface DeviceOptions {
  readonly deviceType: "truck" | "warehouse" | "person";
  /** Name and version of the software. */
  readonly client: string;
  /** Absent or empty: the device's own mail and its region. */
  readonly topics?: readonly string[];
  /** Events that may be under way at once; the hub's default is 512. */
  readonly credit?: number;
}

export interface DeviceState {
  readonly options: DeviceOptions;
  /** What has been handled; null before the first event or snapshot. Worth persisting. */
  readonly position: Position | null;
  /** Of the connection that is open: its epoch after `welcome`, and the last seq received. */
  readonly epoch: string | null;
  readonly received: number | null;
  /** Ids of the last 1,000 events handled, the oldest first. */
  readonly seen: ReadonlySet<string>;
  /** Failed attempts in a row. */
  readonly attempts: number;
}

export interface CloudEvent {
  readonly id: string;
  readonly type: string;
  readonly subject?: string;
  readonly data?: unknown;
  readonly [attribute: string]: unknown;
}

export type Step =
  | { readonly do: "send"; readonly text: string }
  /** Hand the event to the application, then call `handled`. */
  | { readonly do: "handle"; readonly seq: number; readonly event: CloudEvent }
  /** Nothing to do for the application (an event it has had): call `handled`. */
  | { readonly do: "skip"; readonly seq: number; readonly event: CloudEvent }
  /** Events are gone for good (both ends included): take the snapshot, then call `placed`. */
  | { readonly do: "gap"; readonly from: number; readonly to: number }
  /** Send `ping` this often; no `pong` for twice as long means that the connection is dead. */
  | { readonly do: "heartbeat"; readonly everyMs: number }
  /** Close and reconnect after a time drawn from [afterMs, afterMs + jitterMs]. */
  | { readonly do: "leave"; readonly afterMs: number; readonly jitterMs: number }
  /** For the application: answers to `subscribe` and `command`. */
  | { readonly do: "tell"; readonly frame: Readonly<Record<string, unknown>> }
  | { readonly do: "close"; readonly code: number; readonly reason: string };

export type Next =
  | { readonly do: "stop" }
  | {
      readonly do: "reconnect";
      /** Get a new token first. */
      readonly newToken: boolean;
      /** Take the snapshot (and call `placed`) first: the position was lost. */
      readonly snapshot: boolean;
      /** For `reconnectDelayMs`. */
      readonly attempt: number;
    };

export function deviceState(options: DeviceOptions, position: Position | null): DeviceState {
  return { options, position, epoch: null, received: null, seen: new Set(), attempts: 0 };
}

/** A socket has opened: what was known of the one before is forgotten, the position stays. */
export function opened(state: DeviceState): DeviceState {
  return { ...state, epoch: null, received: null };
}

/** What follows from a message. Frames of a kind that this client doesn't know are passed over. */
export function received(state: DeviceState, text: string): { readonly state: DeviceState; readonly steps: Step[] } {
  if (text === "pong") return { state, steps: [] };
  const frame = JSON.parse(text) as Frame;
  switch (frame.type) {
    case "welcome":
      return welcomed(state, frame);
    case "events":
      return eventsReceived(state, frame);
    case "gap":
      return { state: { ...state, received: frame.to }, steps: [{ do: "gap", from: frame.from, to: frame.to }] };
    case "drain":
      return { state, steps: [{ do: "leave", afterMs: frame.reconnect_in_ms, jitterMs: frame.jitter_ms }] };
    case "topics":
    case "result":
      return { state, steps: [{ do: "tell", frame: { ...frame } }] };
    default:
      return { state, steps: [] };
  }
}

function welcomed(state: DeviceState, frame: WelcomeFrame): { state: DeviceState; steps: Step[] } {
  const { options, position } = state;
  const hello = {
    type: "hello",
    device_type: options.deviceType,
    ...(position ? { last: position } : {}),
    ...(options.topics?.length ? { topics: options.topics } : {}),
    ...(options.credit ? { credit: options.credit } : {}),
    client: options.client,
    version: PROTOCOL_VERSION,
  };
  return {
    state: { ...state, epoch: frame.epoch, received: position?.seq ?? null },
    steps: [
      { do: "send", text: JSON.stringify(hello) },
      { do: "heartbeat", everyMs: frame.ping_s * 1000 },
    ],
  };
}

function eventsReceived(state: DeviceState, frame: EventsFrame): { state: DeviceState; steps: Step[] } {
  if (state.received !== null && frame.prev !== state.received) {
    const reason = `after ${state.received} came ${frame.prev}`;
    return { state, steps: [{ do: "close", code: CLOSE_GAP_NOTICED, reason }] };
  }
  const inFrame = new Set<string>();
  const steps: Step[] = frame.batch.map(({ seq, event }) => {
    const known = state.seen.has(event.id) || inFrame.has(event.id);
    inFrame.add(event.id);
    return { do: known ? "skip" : "handle", seq, event };
  });
  const upto = frame.batch.at(-1)?.seq ?? frame.prev;
  steps.push({ do: "send", text: JSON.stringify({ type: "ack", upto }) });
  return { state: { ...state, received: upto }, steps };
}

/** The application is done with the event: the position moves to it. */
export function handled(state: DeviceState, seq: number, eventId: string): DeviceState {
  const seen = new Set(state.seen);
  seen.add(eventId);
  for (const oldest of seen) {
    if (seen.size <= SEEN_IDS) break;
    seen.delete(oldest);
  }
  return { ...state, seen, position: positionAt(state, seq) };
}

/** The application took a snapshot at this position, or accepts a gap up to it. null: start from what the hub knows. */
export function placed(state: DeviceState, position: Position | null): DeviceState {
  return { ...state, position };
}

/** The position `seq` in the log of the open connection. */
export function positionAt(state: DeviceState, seq: number): Position | null {
  return state.epoch === null ? state.position : { epoch: state.epoch, seq };
}

/**
 * What to do after a close. `openMs`: how long the connection was open; 30 s count as stable and forgive the failures
 * before. Codes from 4400 on are final, 4100–4199 want a new token, all others are worth another try.
 */
export function closed(
  state: DeviceState,
  code: number,
  openMs: number,
): { readonly state: DeviceState; readonly next: Next } {
  if (code >= 4400 && code < 5000) return { state, next: { do: "stop" } };
  const attempt = openMs >= STABLE_MS ? 0 : state.attempts;
  const newToken = code >= 4100 && code < 4200;
  return {
    state: { ...state, epoch: null, received: null, attempts: attempt + 1 },
    next: { do: "reconnect", newToken, snapshot: code === POSITION_LOST, attempt },
  };
}

/** Full jitter, the first try too: a fleet that was cut at once must not come back at once. `random` is in [0, 1). */
export function reconnectDelayMs(attempt: number, random: number): number {
  return Math.floor(random * Math.min(RECONNECT_MAX_MS, RECONNECT_BASE_MS * 2 ** attempt));
}

interface WelcomeFrame {
  readonly type: "welcome";
  readonly epoch: string;
  readonly ping_s: number;
}

interface EventsFrame {
  readonly type: "events";
  readonly prev: number;
  readonly batch: readonly { readonly seq: number; readonly event: CloudEvent }[];
}

type Frame =
  | WelcomeFrame
  | EventsFrame
  | { readonly type: "gap"; readonly from: number; readonly to: number }
  | { readonly type: "drain"; readonly reconnect_in_ms: number; readonly jitter_ms: number }
  | { readonly type: "topics" | "result" };
