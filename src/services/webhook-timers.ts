/** The timer of a delivery's next try: written in the batch of the state that it guards, so no delivery is left without one. */
import type { AnyEventDraft } from "../db/unit-of-work.ts";

/** `notBeforeMs`: ms since the epoch; left out, it is due at once. The region is the endpoint's. */
export function webhookDue(
  endpoint: { readonly id: string; readonly region: string | null },
  due: { readonly id: string; readonly attempt: number; readonly at: string },
  notBeforeMs?: number,
): AnyEventDraft {
  return {
    type: "WebhookDue",
    subject: `webhook/${endpoint.id}`,
    region: endpoint.region,
    sequence: due.attempt,
    data: { delivery_id: due.id, attempt: due.attempt, timestamp: due.at },
    ...(notBeforeMs === undefined ? {} : { notBefore: notBeforeMs }),
  };
}
