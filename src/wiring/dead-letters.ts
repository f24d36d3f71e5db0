/** Wires redrives to the queues that a message can be sent to again. */
import { QUEUE_SEND_TIMEOUT_MS } from "../config.ts";
import type { Container } from "../container.ts";
import { AppError, messageOf } from "../domain/errors.ts";
import type { RedriveDeps } from "../services/dead-letters.ts";

export function redriveDeps(container: Container): RedriveDeps {
  const { clock, env } = container;
  const queues: Readonly<Record<string, Queue>> = {
    events: env.EVENTS_QUEUE,
    commands: env.COMMANDS_QUEUE,
    uploads: env.UPLOADS_QUEUE,
    "cloud-uploads": env.CLOUD_UPLOADS_QUEUE,
    webhooks: env.WEBHOOKS_QUEUE,
  };
  return {
    ...container,
    sendToQueue: async (name, bodies) => {
      const queue = queues[name];
      if (!queue) throw new AppError("CONFLICT", `there is no queue ${name} any more: discard the letter`);
      const sent = queue.sendBatch(bodies.map((body) => ({ body }))).then(
        () => null,
        (error: unknown) => messageOf(error),
      );
      const late = clock.after(QUEUE_SEND_TIMEOUT_MS).then(() => "no answer in time");
      const failure = await Promise.race([sent, late]);
      if (failure !== null) {
        throw new AppError("DEPENDENCY_FAILED", `the queue ${name} didn't take the messages; try again`, {
          retryable: true,
          cause: new Error(failure),
        });
      }
    },
  };
}
