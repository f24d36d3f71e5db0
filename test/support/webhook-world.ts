/** Endpoints of webhooks as a test subscribes them, what their log says, and the relay and breaker that a test drives. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { as, env, until } from "./harness.ts";
import { runRelayAlarm } from "./relay.ts";
import { sent, updateInventory } from "./stock.ts";
import { webhookReceiver, type Receiver } from "./webhook-receiver.ts";
import { moveClock } from "./world.ts";

export interface Endpoint extends Receiver {
  readonly id: string;
  readonly secret: string;
  readonly owner: string;
}

export interface DeliveryEntry {
  readonly id: string;
  readonly event_id: string;
  readonly type: string;
  readonly state: "pending" | "delivered" | "failed";
  readonly attempts: number;
  readonly last_status: number | null;
  readonly last_error: string | null;
  readonly next_at: string | null;
  readonly log: readonly {
    readonly attempt: number;
    readonly at: string;
    readonly status: number | null;
    readonly error: string | null;
    readonly latency_ms: number;
  }[];
}

let made = 0;

/** A new endpoint at a receiver of its own. */
export async function subscribed(
  owner = "integrator",
  body: { types?: readonly string[]; region?: string | null } = { types: ["InventoryUpdated"] },
): Promise<Endpoint> {
  const receiver = webhookReceiver(`r${++made}-${crypto.randomUUID()}`);
  const answer = await as(owner, "POST", "/api/webhooks", { url: receiver.url, ...body });
  if (answer.status !== 201) throw new Error(`not subscribed: ${JSON.stringify(answer.body)}`);
  return { ...receiver, id: answer.body.id, secret: answer.body.secret, owner };
}

/** People whose region isn't everything. */
export async function addIntegrators(...regions: readonly string[]): Promise<void> {
  await env.DB.batch(
    regions.map((region) =>
      env.DB.prepare(
        "INSERT OR IGNORE INTO people(id, name, email, role, region) VALUES (?1, ?1, ?1 || '@example.com', 'integrator', ?2)",
      ).bind(`integrator-${region}`, region),
    ),
  );
}

/** Ends every endpoint, so that the next test's events reach its own alone. */
export async function deleteEndpoints(): Promise<void> {
  const { body } = await as("admin", "GET", "/api/webhooks");
  for (const { id } of body.data) await as("admin", "DELETE", `/api/webhooks/${id}`);
}

/** Makes an InventoryUpdated event. */
export async function changeStock(sku: string, location = "warehouse-01"): Promise<void> {
  const done = await sent(location, updateInventory(location, sku, 1, "Bin-O-01"));
  if (done.state !== "applied") throw new Error(JSON.stringify(done));
}

export async function deliveriesOf(endpoint: Endpoint): Promise<DeliveryEntry[]> {
  const { body } = await as(endpoint.owner, "GET", `/api/webhooks/${endpoint.id}/deliveries`);
  return body.data;
}

/** The endpoint's only delivery, once `is` says so. */
export function deliveryOf(
  endpoint: Endpoint,
  what: string,
  is: (one: DeliveryEntry) => boolean,
): Promise<DeliveryEntry> {
  return until(`the delivery ${what}`, async () => {
    const [one, ...more] = await deliveriesOf(endpoint);
    if (more.length > 0) throw new Error(`${more.length} deliveries more than expected`);
    return one && is(one) ? one : null;
  });
}

/** Once so many tries are counted. */
export function tried(endpoint: Endpoint, attempts: number): Promise<DeliveryEntry> {
  return deliveryOf(endpoint, `has been tried ${attempts} times`, (one) => one.attempts === attempts);
}

/** Time passes, and the relay looks for what is due. */
export async function after(ms: number): Promise<void> {
  moveClock(ms);
  await runRelayAlarm();
}

/** The breaker of the endpoint asks after its health: a receiver has none to tell, so one probe is let through. */
export function checkHealth(endpoint: Endpoint): Promise<boolean> {
  return runDurableObjectAlarm(env.BREAKER.get(env.BREAKER.idFromName(`webhook:${endpoint.id}`)));
}
