/** Cuts what goes to a queue into batches that it takes: a sendBatch ends at 100 messages and 256 KB. */
import { OUTBOX_BATCH_BYTES, OUTBOX_BATCH_MESSAGES } from "../config.ts";

/** Room for what the queue adds to each message. */
const ENVELOPE_BYTES = 100;

/** Batches of at most 100 messages and 240 KB, in order. `sizeOf`: the bytes of a message's body. */
export function cutBatches<T>(messages: readonly T[], sizeOf: (message: T) => number): T[][] {
  const batches: T[][] = [];
  let current: T[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = sizeOf(message) + ENVELOPE_BYTES;
    if (current.length > 0 && (current.length === OUTBOX_BATCH_MESSAGES || bytes + size > OUTBOX_BATCH_BYTES)) {
      batches.push(current);
      current = [];
      bytes = 0;
    }
    current.push(message);
    bytes += size;
  }
  if (current.length > 0) batches.push(current);
  return batches;
}

export function bytesOf(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}
