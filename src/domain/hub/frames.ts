/**
 * The frames of `waybill.v1` both ways and the close codes. A frame is JSON text `{ "type": …, … }` of at most 64 KiB,
 * checked before it is parsed; fields that this version doesn't know are ignored, so that releases N−1 and N can talk.
 *
 * A command's own type travels as `command`, since `type` names the frame. `topics` answers `hello` (when it named
 * topics), `subscribe` and `unsubscribe`: `granted` is all that is held now, `refused` what this frame asked in vain.
 */
import { z } from "zod";

export const SUBPROTOCOL = "waybill.v1";
export const PROTOCOL_VERSION = 1;
export const PING = "ping";
export const PONG = "pong";

/** Close codes carry the policy: 4000–4099 reconnect, 4100–4199 get a new token and reconnect, 4400 and above final. */
export const CLOSE = {
  drain: 4001,
  moved: 4002,
  slow: 4008,
  positionLost: 4009,
  heartbeatLost: 4012,
  rateLimited: 4029,
  tokenExpired: 4101,
  credentialChanged: 4102,
  badFrame: 4400,
  unauthenticated: 4401,
  forbidden: 4403,
  noHello: 4408,
  superseded: 4409,
  tooBig: 4413,
  version: 4426,
} as const;

export type ClosePolicy = "reconnect" | "new-token" | "final";

/** What a client does after a close. Codes that aren't ours (1000–3999: network, restart) mean reconnect. */
export function closePolicyOf(code: number): ClosePolicy {
  if (code >= 4400 && code < 5000) return "final";
  if (code >= 4100 && code < 4200) return "new-token";
  return "reconnect";
}

/** The code that answers a peer's close: 1005, 1006 and 1015 are never on the wire and can't be sent back. */
export function answerableCloseCode(code: number): number {
  return code === 1000 || (code >= 3000 && code < 5000) ? code : 1000;
}

const seq = z.int().nonnegative();
const topic = z.string().min(1).max(256);
const topics = z.array(topic).max(100);

const hello = z.object({
  type: z.literal("hello"),
  device_type: z.enum(["truck", "warehouse", "person"]),
  /** The last event that the client has handled, or the position of the snapshot it took. */
  last: z.object({ epoch: z.string().min(1).max(100), seq }).optional(),
  /** Absent or empty: `device:{own}` and `region:{own}`. */
  topics: topics.optional(),
  /** Events that may be unacknowledged at once. */
  credit: z.int().positive().max(10_000).optional(),
  /** Name and version of the client's software. */
  client: z.string().max(200),
  version: z.int().positive(),
});

const clientFrame = z.discriminatedUnion("type", [
  hello,
  z.object({ type: z.literal("ack"), upto: seq }),
  z.object({ type: z.literal("subscribe"), topics }),
  z.object({ type: z.literal("unsubscribe"), topics }),
  z.object({
    type: z.literal("command"),
    /** Made by the client; the same id never takes effect twice. */
    id: z.string().min(1).max(200),
    command: z.string().min(1).max(100),
    data: z.unknown(),
    /** Of a device that was offline; checked with the command, so that a wrong one is answered and cuts nothing. */
    device_sequence: z.unknown().optional(),
    device_time: z.unknown().optional(),
    seen_version: z.unknown().optional(),
  }),
]);

export type ClientFrame = z.output<typeof clientFrame>;
export type HelloFrame = Extract<ClientFrame, { type: "hello" }>;
export type CommandFrame = Extract<ClientFrame, { type: "command" }>;

const serverFrame = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("welcome"),
    session: z.string(),
    epoch: z.string(),
    /** Head of the log now. */
    seq,
    ping_s: z.int().positive(),
    max_bytes: z.int().positive(),
    /** `full`: the hub knows where this device stopped and still has all that came after. */
    resume: z.enum(["full", "none"]),
    version: z.int().positive(),
  }),
  z.object({
    type: z.literal("events"),
    /** The last seq sent to this device before this frame; a client whose own last differs reconnects and resumes. */
    prev: seq,
    batch: z.array(z.object({ seq, event: z.unknown() })).min(1),
  }),
  z.object({ type: z.literal("topics"), granted: z.array(z.string()), refused: z.array(z.string()) }),
  z.object({
    type: z.literal("result"),
    id: z.string(),
    status: z.enum(["accepted", "applied", "awaiting_approval", "rejected", "failed"]),
    /** The command had come before: this is how the first one stands. */
    duplicate: z.literal(true).optional(),
    code: z.string().optional(),
    reason: z.string().optional(),
    data: z.unknown().optional(),
  }),
  z.object({
    type: z.literal("drain"),
    reconnect_in_ms: z.int().nonnegative(),
    jitter_ms: z.int().nonnegative(),
  }),
  /** What the hub no longer has, both ends included: the client takes the snapshot. Events go on after `to`. */
  z.object({ type: z.literal("gap"), from: seq, to: seq }),
]);

export type ServerFrame = z.output<typeof serverFrame>;
export type ResultFrame = Extract<ServerFrame, { type: "result" }>;

export type ParsedFrame<Frame> =
  | { readonly ok: true; readonly frame: Frame }
  | { readonly ok: false; readonly code: number; readonly reason: string };

/** The frame of a client, or the close code that answers what isn't one: 4413 before parsing, 4426, else 4400. */
export function parseClientFrame(message: string | ArrayBuffer, maxBytes: number): ParsedFrame<ClientFrame> {
  const parsed = parse(message, maxBytes, clientFrame);
  if (!parsed.ok || parsed.frame.type !== "hello" || parsed.frame.version === PROTOCOL_VERSION) return parsed;
  return { ok: false, code: CLOSE.version, reason: `this hub speaks version ${PROTOCOL_VERSION}` };
}

/** The frame of a server: for clients and for the replay of recorded frames. */
export function parseServerFrame(message: string | ArrayBuffer, maxBytes: number): ParsedFrame<ServerFrame> {
  return parse(message, maxBytes, serverFrame);
}

function parse<Frame>(message: string | ArrayBuffer, maxBytes: number, schema: z.ZodType<Frame>): ParsedFrame<Frame> {
  if (byteLengthOf(message) > maxBytes) {
    return { ok: false, code: CLOSE.tooBig, reason: `a frame has at most ${maxBytes} bytes` };
  }
  if (typeof message !== "string") return { ok: false, code: CLOSE.badFrame, reason: "a frame is text" };
  const value = jsonOf(message);
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, frame: parsed.data };
  const issue = parsed.error.issues[0];
  const reason = `/${issue?.path.join("/") ?? ""}: ${issue?.message ?? "not a frame"}`;
  return { ok: false, code: CLOSE.badFrame, reason };
}

/** The value, or `undefined` (which no schema takes) for text that isn't JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const encoder = new TextEncoder();

/** Bytes on the wire: UTF-8 for text. */
export function byteLengthOf(message: string | ArrayBuffer): number {
  return typeof message === "string" ? encoder.encode(message).byteLength : message.byteLength;
}

/** A close reason fits its control frame (123 bytes, RFC 6455) and names no character that could be cut in two. */
export function closeReason(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 120);
}
