/** The stand-in receiver of webhooks, seen over its own API. Take a name of its own for each test. */
import { Webhook } from "standardwebhooks";
import { vi } from "vitest";
import type { ReceivedWebhook, ReceiverSwitches } from "../../supplier/src/webhook-receiver.ts";
import { until } from "./harness.ts";
import { testClock } from "./world.ts";

const BASE = "https://hooks.waybill.example";

export interface Receiver {
  readonly url: string;
  /** Sets these switches and turns all others off. */
  behave(switches: Partial<ReceiverSwitches>): Promise<void>;
  /** Every request that came, oldest first, and how many different ids were taken. */
  received(): Promise<{ readonly requests: ReceivedWebhook[]; readonly taken: number }>;
  /** The requests, once there are so many. */
  has(count: number): Promise<ReceivedWebhook[]>;
}

export function webhookReceiver(name: string): Receiver {
  const url = `${BASE}/${name}`;
  const received = async () => (await fetch(`${url}/received`)).json<Awaited<ReturnType<Receiver["received"]>>>();
  return {
    url,
    behave: async (switches) => {
      const answer = await fetch(`${url}/switches`, { method: "PUT", body: JSON.stringify(switches) });
      if (!answer.ok) throw new Error(`${name}: ${answer.status} ${await answer.text()}`);
    },
    received,
    has: (count) =>
      until(`${name} has got ${count} requests`, async () => {
        const { requests } = await received();
        return requests.length >= count ? requests : null;
      }),
  };
}

/** What a receiver does by Standard Webhooks: the event, or a throw. Its clock is the test's, or stands at `nowMs`. */
export function verified(
  secret: string,
  request: Omit<ReceivedWebhook, "answered">,
  nowMs = testClock.now(),
): Record<string, unknown> {
  const clock = vi.spyOn(Date, "now").mockReturnValue(nowMs);
  try {
    return new Webhook(secret).verify(request.body, {
      "webhook-id": request.id,
      "webhook-timestamp": request.timestamp,
      "webhook-signature": request.signature,
    }) as Record<string, unknown>;
  } finally {
    clock.mockRestore();
  }
}
