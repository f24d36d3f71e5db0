/** The `commands` queue: executes accepted commands. The message is only the id; the row is the truth. */
import { z } from "zod";
import { createContainer, type Lifetime } from "../container.ts";
import { messageOf } from "../domain/errors.ts";
import type { Env } from "../env.ts";
import { noteFailedCommand } from "../services/burials.ts";
import { executeCommand } from "../services/commands.ts";
import { consumeEach, readingAs } from "./consume.ts";

export const commandMessage = z.object({ command_id: z.string().min(1) });

export async function consumeCommands(batch: MessageBatch, env: Env, lifetime: Lifetime): Promise<void> {
  const container = createContainer(env, lifetime);
  const handle = readingAs(commandMessage, batch.queue, container, async (body) => {
    try {
      await executeCommand(container, body.command_id);
    } catch (error) {
      await noteFailedCommand(container, body.command_id, messageOf(error));
      throw error;
    }
  });
  await consumeEach(batch, handle);
}
