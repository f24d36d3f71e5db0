/** The `commands` queue: executes accepted commands. The message is only the id; the row is the truth. */
import { z } from "zod";
import { createContainer, type Lifetime } from "../container.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { executeCommand } from "../services/commands.ts";
import { consumeEach } from "./consume.ts";

const messageSchema = z.object({ command_id: z.string().min(1) });

export async function consumeCommands(batch: MessageBatch, env: Env, lifetime: Lifetime): Promise<void> {
  const container = createContainer(env, lifetime);
  await consumeEach(batch, async (message) => {
    const parsed = messageSchema.safeParse(message.body);
    if (!parsed.success) {
      log("error", "queue.not_a_command", { id: message.id });
      return;
    }
    await executeCommand(container, parsed.data.command_id);
  });
}
