/** Direct orders as a manager of the sweep places them. */
import type { Client } from "./client.ts";
import { env } from "./small-world.ts";
import type { Line } from "./requests.ts";

export const BUYER = "manager-north";

/** The demo's managers may order nothing by themselves. */
export async function mayOrder(): Promise<void> {
  await env.DB.prepare("UPDATE people SET self_approval_limit = 1000000 WHERE id = ?").bind(BUYER).run();
}

export async function order(client: Client, number: string, lines: readonly Line[]): Promise<string> {
  const answer = await client.send({
    as: BUYER,
    method: "POST",
    path: "/api/orders",
    body: { order_number: number, device_id: "truck-001", lines },
  });
  if (answer.status !== 202) throw new Error(`a good order is taken: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body.order_id;
}

/** An order that was accepted is there, and ended so. */
export async function endOfOrder(client: Client, id: string | undefined, ...statuses: string[]): Promise<string[]> {
  if (id === undefined) return ["4 a good order is taken: no answer"];
  const seen = await client.see({ as: "ops", method: "GET", path: `/api/orders/${id}` });
  return statuses.includes(seen.body.status)
    ? []
    : [`4 what was accepted ends: ${id} is ${seen.status} ${seen.body.status}`];
}
