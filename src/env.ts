/** The bindings and variables of wrangler.toml (generated into worker-configuration.d.ts), with the secrets. */
import type { Clock } from "./domain/ports.ts";
import type { DeviceHub } from "./durable-objects/device-hub.ts";
import type { OrderSaga } from "./durable-objects/order-saga.ts";
import type { OutboxRelay } from "./durable-objects/outbox-relay.ts";

type Generated = Omit<Cloudflare.Env, "HUB" | "RELAY" | "SAGA">;

export interface Env extends Generated {
  readonly HUB: DurableObjectNamespace<DeviceHub>;
  readonly RELAY: DurableObjectNamespace<OutboxRelay>;
  readonly SAGA: DurableObjectNamespace<OrderSaga>;
  readonly AUTH_PRIVATE_JWK: string;
  readonly AUDIT_KEY: string;
  readonly AUDIT_RETIRED_KEYS?: string;
  readonly SUPPLIER_SECRETS?: string;
  readonly OIDC_JWKS_URL?: string;
  readonly OIDC_ISSUER?: string;
  readonly OIDC_AUDIENCE?: string;
  readonly SHAREPOINT_TENANT_ID?: string;
  readonly SHAREPOINT_CLIENT_ID?: string;
  readonly SHAREPOINT_CLIENT_SECRET?: string;
  readonly SHAREPOINT_DRIVE_ID?: string;
  readonly SHAREPOINT_LOGIN_URL?: string;
  readonly SHAREPOINT_GRAPH_URL?: string;
  /** Absent when deployed: the system clock is used. */
  readonly CLOCK?: Clock;
}
