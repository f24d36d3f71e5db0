/**
 * One connection and its acknowledged window: what may be sent next, and when it must be closed. The runtime has no
 * outgoing back-pressure, so nothing is sent that would put more than the window's bytes or the client's credit of
 * events in flight. The state is plain data that fits a socket's attachment (16 KiB) and so survives hibernation.
 */
import { CLOSE } from "./frames.ts";
import { grantTopics, mayReceive, type HubIdentity } from "./routing.ts";

export const CONNECTION_VERSION = 1;
/** Topics a connection holds at most: with 208 characters each they fill 10 KB of the attachment's 16. */
export const MAX_TOPICS = 48;
const MAX_MARKS = 64;

/** Events sent and not acknowledged, up to and with `seq` (from the mark before). */
interface Mark {
  readonly seq: number;
  readonly events: number;
  readonly bytes: number;
}

export interface Connection {
  readonly v: typeof CONNECTION_VERSION;
  readonly session: string;
  readonly identity: HubIdentity;
  /** ms since the epoch. */
  readonly connectedAt: number;
  readonly lastSeen: number;
  /** False until `hello`: nothing is sent but `welcome`. */
  readonly greeted: boolean;
  readonly topics: readonly string[];
  readonly credit: number;
  /** The last seq sent to the device, or where it resumed: the `prev` of its next frame. */
  readonly sent: number;
  /** The log has been looked through up to here: what lies between `sent` and here isn't for this device. */
  readonly scanned: number;
  /** The last seq acknowledged, or where the device resumed. */
  readonly acked: number;
  readonly marks: readonly Mark[];
  /** Since when an event waits because the window is full; null when none waits. */
  readonly fullSince: number | null;
}

export interface LogRow {
  readonly seq: number;
  readonly type: string;
  readonly topics: readonly string[];
  /** CloudEvent, JSON text. */
  readonly event: string;
  /** UTF-8 length of `event`. */
  readonly bytes: number;
}

export interface Limits {
  readonly frameBytes: number;
  readonly windowBytes: number;
  readonly helloMs: number;
  readonly fullMs: number;
  readonly lifeMs: number;
  readonly silentMs: number;
}

export function openConnection(session: string, identity: HubIdentity, now: number): Connection {
  return {
    v: CONNECTION_VERSION,
    session,
    identity,
    connectedAt: now,
    lastSeen: now,
    greeted: false,
    topics: [],
    credit: 0,
    sent: 0,
    scanned: 0,
    acked: 0,
    marks: [],
    fullSince: null,
  };
}

/** After `hello`: `sent` is the client's last event, `scanned` where the log goes on for it (≥ `sent`). */
export function greet(
  connection: Connection,
  hello: Pick<Connection, "topics" | "credit" | "sent" | "scanned">,
): Connection {
  return { ...connection, ...hello, acked: hello.sent, greeted: true };
}

/** The topics held after asking for more: `granted` is all of them, `refused` what wasn't allowed or didn't fit. */
export function holdTopics(
  identity: HubIdentity,
  held: readonly string[],
  wanted: readonly string[],
): { readonly granted: string[]; readonly refused: string[] } {
  const { granted, refused } = grantTopics(identity, wanted);
  const all = [...new Set([...held, ...granted])];
  return { granted: all.slice(0, MAX_TOPICS), refused: [...refused, ...all.slice(MAX_TOPICS)] };
}

export function unackedOf(connection: Connection): { readonly events: number; readonly bytes: number } {
  let events = 0;
  let bytes = 0;
  for (const mark of connection.marks) {
    events += mark.events;
    bytes += mark.bytes;
  }
  return { events, bytes };
}

/**
 * Cuts the rows that follow `connection.scanned` into frames, as far as the window allows. `rows` are the log's rows
 * after `scanned`, in order and without a hole. A frame has at most `limits.frameBytes` with its envelope; an event
 * that no frame can carry becomes a `gap`. With `fullSince` set on return, an event waits for an acknowledgement.
 */
export function planFrames(
  connection: Connection,
  rows: readonly LogRow[],
  limits: Pick<Limits, "frameBytes" | "windowBytes">,
  now: number,
): { readonly connection: Connection; readonly frames: readonly string[] } {
  if (!connection.greeted) return { connection, frames: [] };
  const frames: string[] = [];
  const marks: Mark[] = [...connection.marks];
  let { events, bytes } = unackedOf(connection);
  let { sent, scanned } = connection;
  let fullSince: number | null = null;
  let open = emptyFrame(sent);

  const flush = () => {
    if (open.items.length > 0) frames.push(textOf(open));
    open = emptyFrame(sent);
  };

  for (const row of rows) {
    if (!mayReceive(connection.identity, connection.topics, row)) {
      scanned = row.seq;
      continue;
    }
    const item = `{"seq":${row.seq},"event":${row.event}}`;
    const size = row.bytes + item.length - row.event.length + 1;
    if (size + ENVELOPE_BYTES > limits.frameBytes) {
      flush();
      frames.push(gapFrame(row.seq, row.seq));
      sent = scanned = row.seq;
      open = emptyFrame(sent);
      continue;
    }
    const full = events >= connection.credit || (events > 0 && bytes + size > limits.windowBytes);
    if (full) {
      fullSince = connection.fullSince ?? now;
      break;
    }
    if (open.bytes + size > limits.frameBytes) flush();
    open.items.push(item);
    open.bytes += size;
    marks.push({ seq: row.seq, events: 1, bytes: size });
    events += 1;
    bytes += size;
    sent = scanned = row.seq;
  }
  flush();
  return { connection: { ...connection, sent, scanned, marks: compact(marks), fullSince }, frames };
}

/** Room for `{"type":"events","prev":…,"batch":[…]}` around the items. */
const ENVELOPE_BYTES = 64;

interface OpenFrame {
  readonly prev: number;
  readonly items: string[];
  bytes: number;
}

function emptyFrame(prev: number): OpenFrame {
  return { prev, items: [], bytes: ENVELOPE_BYTES };
}

function textOf(frame: OpenFrame): string {
  return `{"type":"events","prev":${frame.prev},"batch":[${frame.items.join(",")}]}`;
}

export function gapFrame(from: number, to: number): string {
  return JSON.stringify({ type: "gap", from, to });
}

/** Keeps the attachment small: neighbours count as one, so an acknowledgement between them frees a little later. */
function compact(marks: readonly Mark[]): readonly Mark[] {
  let list = marks;
  while (list.length > MAX_MARKS) {
    const merged: Mark[] = [];
    for (let i = 0; i < list.length; i += 2) {
      const [first, second] = [list[i], list[i + 1]];
      if (!first) break;
      merged.push(
        second ? { seq: second.seq, events: first.events + second.events, bytes: first.bytes + second.bytes } : first,
      );
    }
    list = merged;
  }
  return list;
}

/** Skips what the log no longer has: the client is told by a `gap`, and the next `prev` is its end. */
export function skipTo(connection: Connection, seq: number): Connection {
  return { ...connection, sent: seq, scanned: seq };
}

/**
 * A cumulative acknowledgement; one of something never sent is a bad frame. Repeats and older ones change nothing. Any
 * progress ends the wait of a full window: the next `planFrames` says whether it is still full.
 */
export function acknowledge(
  connection: Connection,
  upto: number,
): { readonly ok: true; readonly connection: Connection } | { readonly ok: false; readonly reason: string } {
  if (upto > connection.sent) {
    return { ok: false, reason: `acknowledged ${upto}, but ${connection.sent} is the last that was sent` };
  }
  if (upto <= connection.acked) return { ok: true, connection };
  const marks = connection.marks.filter((mark) => mark.seq > upto);
  return { ok: true, connection: { ...connection, acked: upto, marks, fullSince: null } };
}

/** Up to where the device is owed nothing: all that was looked through once nothing is in flight. */
export function settledUpTo(connection: Connection): number {
  return connection.marks.length === 0 ? connection.scanned : connection.acked;
}

/** The close that is due now, or null. `silentMs`: how long the device has given no sign, frames and pings counted. */
export function closeDue(connection: Connection, silentMs: number, limits: Limits, now: number): number | null {
  if (!connection.greeted && now >= connection.connectedAt + limits.helloMs) return CLOSE.noHello;
  if (now >= connection.connectedAt + limits.lifeMs) return CLOSE.drain;
  if (connection.fullSince !== null && now >= connection.fullSince + limits.fullMs) return CLOSE.slow;
  if (silentMs >= limits.silentMs) return CLOSE.heartbeatLost;
  return null;
}

/** When this connection must be looked at next, in ms since the epoch. */
export function nextLook(connection: Connection, limits: Limits): number {
  const due = [connection.connectedAt + limits.lifeMs];
  if (!connection.greeted) due.push(connection.connectedAt + limits.helloMs);
  if (connection.fullSince !== null) due.push(connection.fullSince + limits.fullMs);
  return Math.min(...due);
}
