/**
 * The `dead-letters` queue: what the other queues gave up, each message as it was, without a word of which queue or why. Its
 * shape says what it is. A failure here is tried again for hours: it is the last place where a message is looked at.
 */
import { DEAD_LETTER_RETRY_S, QUEUE_ATTEMPTS } from "../config.ts";
import { createContainer, type Container, type Lifetime } from "../container.ts";
import { UNKNOWN_QUEUE } from "../domain/dead-letter.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { buryCommand, buryEvent, buryMessage } from "../services/burials.ts";
import { cloudUploadMessage } from "./cloud-uploads.ts";
import { commandMessage } from "./commands.ts";
import { consumeEach } from "./consume.ts";
import { eventMessage } from "./events.ts";
import { uploadMessage } from "./uploads.ts";

export async function consumeDeadLetters(batch: MessageBatch, env: Env, lifetime: Lifetime): Promise<void> {
  const container = createContainer(env, lifetime);
  await consumeEach(
    batch,
    async ({ id, body }) => {
      log("error", "queue.message_died", { id });
      await bury(container, id, body);
    },
    DEAD_LETTER_RETRY_S,
  );
}

async function bury(container: Container, messageId: string, body: unknown): Promise<void> {
  const event = eventMessage.safeParse(body);
  if (event.success) {
    return buryEvent(container, { seq: event.data.seq, eventId: event.data.event_id, messageId });
  }
  const command = commandMessage.safeParse(body);
  if (command.success) return buryCommand(container, { commandId: command.data.command_id, messageId });
  const error = "its consumer failed each time: the log has what at, under queue.message_failed";
  await buryMessage(container, { queue: queueOf(body), body, messageId, error, attempts: QUEUE_ATTEMPTS });
}

function queueOf(body: unknown): string {
  if (uploadMessage.safeParse(body).success) return "uploads";
  return cloudUploadMessage.safeParse(body).success ? "cloud-uploads" : UNKNOWN_QUEUE;
}
