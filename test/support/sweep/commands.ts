/** Commands as clients of the sweep send them, and whether what they were told came true. */
import type { Client, Send } from "./client.ts";

export function updateInventory(as: string, id: string, sku: string, quantity: number): Send {
  const device = as.startsWith("keeper-") ? as.replace("keeper", "warehouse") : as;
  return {
    as,
    method: "POST",
    path: "/api/commands",
    body: {
      id,
      type: "UpdateInventory",
      data: { device_id: device, sku, quantity_change: quantity, location: "Bin-T-1" },
    },
  };
}

/** Sends a command and waits for its end; returns its result. Throws unless it is applied. */
export async function applied(client: Client, as: string, id: string, type: string, data: object) {
  const answer = await client.send({ as, method: "POST", path: "/api/commands", body: { id, type, data } });
  if (answer.status !== 202)
    throw new Error(`a good ${type} is accepted: ${answer.status} ${JSON.stringify(answer.body)}`);
  const ended = await client.look(async () => {
    const { body } = await client.see({ as: "ops", method: "GET", path: `/api/commands/${id}` });
    return body.state === "accepted" ? null : body;
  });
  if (ended.state !== "applied") throw new Error(`a good ${type} is applied: ${JSON.stringify(ended)}`);
  return ended.result;
}

/** `sent`: status and id as answered. An accepted command is there, and over. */
export async function endOfCommand(client: Client, sent: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const one of sent) {
    const [status, id = ""] = one.split(" ");
    if (status !== "202") {
      found.push(`4 a good command is accepted: ${one}`);
      continue;
    }
    const seen = await client.see({ as: "ops", method: "GET", path: `/api/commands/${id}` });
    if (!["applied", "rejected"].includes(seen.body.state)) {
      found.push(`4 what was accepted ends: ${id} is ${seen.status} ${seen.body.state}`);
    }
  }
  return found;
}
