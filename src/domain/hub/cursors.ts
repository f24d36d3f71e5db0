/**
 * Where a device stands in a hub's log, across its connections: whether it can resume, and whether it has received an
 * event. Resume is all or nothing: every missed event in order, or the client is told that its position is lost.
 */
import { mayReceive, type HubIdentity } from "./routing.ts";

export interface Cursor {
  readonly device: string;
  readonly identity: HubIdentity;
  /** Each topic with the seq from which on it was listened to without a hole. */
  readonly topics: Readonly<Record<string, number>>;
  /** The last seq that the device acknowledged, or stated as its own. */
  readonly acked: number;
  /** It is owed nothing up to here (≥ `acked`: what lies between wasn't for it). */
  readonly upto: number;
}

export interface LogState {
  /** Changes when a log starts anew: positions of another epoch mean nothing. */
  readonly epoch: string;
  readonly head: number;
  /** All seq up to here have been dropped by retention; 0 when none was. */
  readonly floor: number;
}

export type Resume =
  | {
      readonly ok: true;
      readonly sent: number;
      readonly scanned: number;
      /** Dropped by retention before the device heard it. */
      readonly gap: { readonly from: number; readonly to: number } | null;
    }
  | { readonly ok: false; readonly reason: string };

/** True when the hub alone can bring the device up to date, without the position in its `hello`. */
export function canResume(cursor: Cursor | null, log: LogState): boolean {
  return cursor !== null && cursor.upto >= log.floor;
}

/**
 * Where a device goes on after `hello`. With `last`: after it, or refused when it is of another epoch, ahead of the
 * log, or behind what is retained. Without: after the stored cursor (with a gap if retention overtook it), else at the
 * head.
 */
export function decideResume(
  log: LogState,
  cursor: Cursor | null,
  last: { readonly epoch: string; readonly seq: number } | undefined,
  topics: readonly string[],
): Resume {
  if (last) {
    if (last.epoch !== log.epoch) return { ok: false, reason: "the position is of another epoch: take the snapshot" };
    if (last.seq > log.head) return { ok: false, reason: "the position is ahead of the log: take the snapshot" };
    if (last.seq >= log.floor) return { ok: true, sent: last.seq, scanned: last.seq, gap: null };
    // Its last event is long dropped, but nothing since was for it: a device of a quiet topic has lost nothing.
    const quiet = cursor !== null && last.seq >= cursor.acked && canResume(cursor, log);
    if (quiet && topics.every((topic) => topic in cursor.topics)) {
      return { ok: true, sent: last.seq, scanned: cursor.upto, gap: null };
    }
    return { ok: false, reason: "the position is older than what is retained: take the snapshot" };
  }
  if (cursor === null) return { ok: true, sent: log.head, scanned: log.head, gap: null };
  if (cursor.upto >= log.floor) return { ok: true, sent: cursor.upto, scanned: cursor.upto, gap: null };
  return { ok: true, sent: log.floor, scanned: log.floor, gap: { from: cursor.upto + 1, to: log.floor } };
}

/**
 * The topics with their beginnings. A topic held before keeps its own, unless the device skipped ahead (a snapshot): of
 * what lies in between nothing was received, so nothing may be reported of it.
 */
export function topicsSince(cursor: Cursor | null, topics: readonly string[], scanned: number): Record<string, number> {
  const skipped = cursor === null || scanned > cursor.upto;
  return Object.fromEntries(topics.map((topic) => [topic, skipped ? scanned : (cursor.topics[topic] ?? scanned)]));
}

/** Whether the device has received the event; null when the event wasn't for it, or came before it listened. */
export function receiptOf(
  cursor: Cursor,
  event: { readonly seq: number; readonly type: string; readonly topics: readonly string[] },
): { readonly device: string; readonly acknowledged: boolean } | null {
  const held = Object.keys(cursor.topics).filter((topic) => (cursor.topics[topic] ?? Infinity) < event.seq);
  if (!mayReceive(cursor.identity, held, event)) return null;
  return { device: cursor.device, acknowledged: cursor.upto >= event.seq };
}
