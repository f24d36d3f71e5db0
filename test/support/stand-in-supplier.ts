/** What a test does to the stand-in supplier over its own API. Take a supplier's id of its own for each test. */
import { env } from "cloudflare:workers";
import type { SupplierAddress } from "../../src/domain/ports.ts";
import type { PurchaseOrder } from "../../supplier/src/purchase-order.ts";
import type { Switches } from "../../supplier/src/switches.ts";

const BASE = "https://suppliers.waybill.example";

/** What the stand-in verifies with. */
export const [SECRET] = Object.values(
  JSON.parse((env as unknown as { SUPPLIER_SECRETS: string }).SUPPLIER_SECRETS) as Record<string, string>,
) as [string];

export interface StandInSupplier extends SupplierAddress {
  /** Sets these switches and turns all others off. */
  switchOn(switches: Partial<Switches>): Promise<void>;
  /** Every order under the key, oldest first, past all switches but those that stop every answer. */
  ordersUnder(key: string): Promise<PurchaseOrder[]>;
  /** How often its API was called so far, or since then (real time, ISO 8601), by `{method} {what}`, also while it is down. */
  calls(since?: string): Promise<Readonly<Record<string, number>>>;
  /** Accepts what waits for its late acceptance; how many that were. */
  acceptLateNow(): Promise<number>;
}

export function standInSupplier(supplier: string): StandInSupplier {
  const url = `${BASE}/${supplier}`;
  const call = async <T>(path: string, init?: RequestInit): Promise<T> => {
    const answer = await fetch(`${url}/${path}`, init);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  return {
    supplier,
    url,
    secrets: [SECRET],
    switchOn: async (switches) => {
      const headers = { "content-type": "application/json" };
      await call("switches", { method: "PUT", headers, body: JSON.stringify(switches) });
    },
    ordersUnder: async (key) => {
      const path = `purchase-orders?idempotency_key=${encodeURIComponent(key)}`;
      return (await call<{ orders: PurchaseOrder[] }>(path)).orders;
    },
    calls: (since = "") => call<Record<string, number>>(`calls?since=${since}`),
    acceptLateNow: async () => (await call<{ accepted: number }>("late-acceptances", { method: "POST" })).accepted,
  };
}
