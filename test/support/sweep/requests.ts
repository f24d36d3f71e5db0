/** Requests as clients of the sweep send and follow them. */
import type { Client, ClientAnswer } from "./client.ts";

export interface Line {
  readonly sku: string;
  readonly quantity: number;
}

/** A truck's file, sent until it is answered; the request's id, or what was answered instead. */
export async function upload(client: Client, device: string, lines: readonly Line[]): Promise<string> {
  const csv = ["sku,quantity,unit,note", ...lines.map(({ sku, quantity }) => `${sku},${quantity},,`)].join("\n");
  const answer = await client.send({
    as: device,
    method: "POST",
    path: `/api/uploads?device_id=${device}`,
    body: csv,
    headers: { "content-type": "text/csv" },
  });
  if (answer.status !== 202) throw new Error(`a good file is taken: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body.request_id;
}

/** The request, once it stands at one of these. */
export function requestIs(client: Client, id: string, ...statuses: string[]): Promise<ClientAnswer["body"]> {
  return client.look(async () => {
    const { body } = await client.see({ as: "ops", method: "GET", path: `/api/requests/${id}` });
    return statuses.includes(body.status) ? body : null;
  });
}

/** Decides on the request as soon as the approver is asked. */
export async function decide(
  client: Client,
  approver: string,
  requestId: () => string | undefined,
  decision: "approve" | "reject",
  lookMs?: number,
): Promise<ClientAnswer> {
  const asked = await client.look(async () => {
    const mine = await client.see({ as: approver, method: "GET", path: "/api/approvals" });
    const all: { id: string; payload_hash: string; request: { request_id: string } }[] = mine.body.data;
    return all.find((step) => step.request.request_id === requestId()) ?? null;
  }, lookMs);
  return client.send({
    as: approver,
    method: "POST",
    path: `/api/approvals/${asked.id}/decision`,
    body: { decision, payload_hash: asked.payload_hash, reason: "as asked" },
  });
}

/** A request that was accepted is there, and ended so. */
export async function endOfRequest(client: Client, id: string | undefined, status: string): Promise<string[]> {
  if (id === undefined) return ["4 a good file is taken: no answer"];
  const seen = await client.see({ as: "ops", method: "GET", path: `/api/requests/${id}` });
  const response = await client.see({ as: "ops", method: "GET", path: `/api/requests/${id}/response` });
  return seen.body.status === status && response.body.outcome === status
    ? []
    : [`4 what was accepted ends: ${id} is ${seen.status} ${seen.body.status}, response ${response.body.outcome}`];
}
