/**
 * One message at a time: handle, then ack or retry it by itself, so that a failing one never takes its batch with it.
 * A retry waits by the ladder; after the queue's last try the outbox row, still not done, brings the message back.
 */
import { messageOf } from "../domain/errors.ts";
import { log } from "../log.ts";
import { toQueueSeconds } from "../resilience/backoff.ts";
import { decideRetry, faultOf } from "../resilience/retry.ts";

export async function consumeEach<T>(
  batch: MessageBatch<T>,
  handle: (message: Message<T>) => Promise<void>,
): Promise<void> {
  for (const message of batch.messages) await consumeOne(batch.queue, message, handle);
}

/** All at once, for work that waits on others: a slow one doesn't hold up its batch. */
export async function consumeTogether<T>(
  batch: MessageBatch<T>,
  handle: (message: Message<T>) => Promise<void>,
): Promise<void> {
  await Promise.all(batch.messages.map((message) => consumeOne(batch.queue, message, handle)));
}

async function consumeOne<T>(
  queue: string,
  message: Message<T>,
  handle: (message: Message<T>) => Promise<void>,
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
    // The platform counts to max_retries itself: past the ladder's end the longest step is kept.
    message.retry({ delaySeconds: decision.do === "retry" ? toQueueSeconds(decision.delayMs) : 8 });
  }
}
