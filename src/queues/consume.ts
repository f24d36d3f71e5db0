/**
 * One message at a time: handle, then ack or retry it by itself, so that a failing one never takes its batch with it.
 * A retry waits by the ladder; after the queue's last try the message goes to the queue of dead letters.
 */
import { z } from "zod";
import type { Container } from "../container.ts";
import { messageOf } from "../domain/errors.ts";
import { log } from "../log.ts";
import { toQueueSeconds } from "../resilience/backoff.ts";
import { decideRetry, faultOf } from "../resilience/retry.ts";
import { buryMessage } from "../services/burials.ts";

type Handle<T> = (message: Message<T>) => Promise<void>;

const LAST_STEP_S = 8;

export async function consumeEach<T>(
  batch: MessageBatch<T>,
  handle: Handle<T>,
  afterLadderSeconds = LAST_STEP_S,
): Promise<void> {
  for (const message of batch.messages) await consumeOne(batch.queue, message, handle, afterLadderSeconds);
}

/** All at once, for work that waits on others: a slow one doesn't hold up its batch. */
export async function consumeTogether<T>(batch: MessageBatch<T>, handle: Handle<T>): Promise<void> {
  await Promise.all(batch.messages.map((message) => consumeOne(batch.queue, message, handle, LAST_STEP_S)));
}

async function consumeOne<T>(
  queue: string,
  message: Message<T>,
  handle: Handle<T>,
  afterLadderSeconds: number,
): Promise<void> {
  try {
    await handle(message);
    message.ack();
  } catch (error) {
    const fault = faultOf(error);
    const decision = decideRetry({
      attempt: message.attempts,
      error: { ...fault, retryable: true },
      random: Math.random,
    });
    log("warn", "queue.message_failed", { queue, id: message.id, attempt: message.attempts, error: messageOf(error) });
    // The platform counts to max_retries itself, and after the last one it makes a dead letter of the message.
    message.retry({ delaySeconds: decision.do === "retry" ? toQueueSeconds(decision.delayMs) : afterLadderSeconds });
  }
}

/** Handles the bodies that the queue carries. Any other is a dead letter at once: no retry makes it readable. */
export function readingAs<T>(
  schema: z.ZodType<T>,
  queue: string,
  container: Container,
  handle: (body: T) => Promise<void>,
): Handle<unknown> {
  return async ({ id: messageId, body, attempts }) => {
    const parsed = schema.safeParse(body);
    if (parsed.success) return handle(parsed.data);
    const error = `not a message of this queue: ${z.prettifyError(parsed.error)}`;
    await buryMessage(container, { queue, body, messageId, error, attempts });
  };
}
