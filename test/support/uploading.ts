/** A request file as a person or a device sends it. */
import { as } from "./harness.ts";

/** Sends a CSV of `[sku, quantity]` lines for the device; returns the request's id. */
export async function uploadLines(
  subject: string,
  device: string,
  lines: readonly (readonly [string, number])[],
): Promise<string> {
  const csv = ["sku,quantity,unit,note", ...lines.map(([sku, quantity]) => `${sku},${quantity},,`)].join("\n");
  const answer = await as(subject, "POST", `/api/uploads?device_id=${device}`, csv, { "content-type": "text/csv" });
  if (answer.status !== 202) throw new Error(`not accepted: ${JSON.stringify(answer.body)}`);
  return answer.body.request_id;
}
