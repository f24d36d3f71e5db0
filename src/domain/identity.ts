/** Who is calling, and what their role allows. Deny by default: a right that isn't in the table doesn't exist. */
import type { Actor } from "./trace.ts";

export const ROLES = ["technician", "keeper", "manager", "operations", "admin", "integrator", "device"] as const;
export type Role = (typeof ROLES)[number];

export interface Principal {
  /** Person id or device id: the token's `sub`. */
  readonly subject: string;
  readonly kind: "person" | "device";
  readonly role: Role;
  /** null: every region. */
  readonly region: string | null;
  /** A keeper's or a device's own location. */
  readonly location: string | null;
  readonly deviceType: "truck" | "warehouse" | "person";
  /** Which credential of the device signed in; a rotation makes older ones worthless. */
  readonly credentialVersion: number;
}

export const RIGHTS = {
  "parts.read": ["technician", "keeper", "manager", "operations", "admin", "integrator", "device"],
  "stock.read": ["technician", "keeper", "manager", "operations", "admin", "integrator", "device"],
  "commands.send": ["device", "keeper", "operations", "admin"],
  "commands.replay": ["device"],
  "commands.read": ["device", "keeper", "manager", "operations", "admin"],
  "discrepancies.read": ["keeper", "manager", "operations"],
  "discrepancies.resolve": ["keeper", "manager", "operations"],
  "requests.create": ["device", "technician", "integrator"],
  "requests.read": ["device", "technician", "keeper", "manager", "operations", "integrator"],
  "documents.retry": ["manager", "operations"],
  "approvals.read": ["manager"],
  "approvals.decide": ["manager"],
  "orders.create": ["manager"],
  "orders.read": ["manager", "operations", "admin", "keeper", "integrator"],
  "orders.operate": ["manager", "operations", "admin"],
  "transfers.read": ["device", "keeper", "manager", "operations", "admin", "integrator"],
  "purchase_orders.read": ["device", "keeper", "manager", "operations", "admin", "integrator"],
  "purchase_orders.close": ["manager", "operations", "admin"],
  "exchange_rates.set": ["operations", "admin"],
  "purchase_proposals.read": ["manager", "operations", "admin"],
  "devices.read": ["manager", "operations", "admin"],
  "sockets.open": ["device", "technician", "keeper", "manager", "operations"],
  "notifications.read": ["device", "technician", "keeper", "manager", "operations", "admin", "integrator"],
  "webhooks.manage": ["integrator", "admin"],
  "imports.write": ["admin"],
  "ops.read": ["operations", "admin"],
  "audit.verify": ["operations", "admin"],
  "ops.repair": ["operations", "admin"],
  "audit.read": ["operations", "admin", "manager"],
} as const satisfies Record<string, readonly Role[]>;

export type Right = keyof typeof RIGHTS;

export function hasRight(principal: Principal, right: Right): boolean {
  return (RIGHTS[right] as readonly Role[]).includes(principal.role);
}

/** True when the principal's scope covers the region; null: what concerns every region, or none that is known. */
export function coversRegion(principal: Pick<Principal, "region">, region: string | null): boolean {
  return principal.region === null || principal.region === region;
}

export function actorOf(principal: Principal): Actor {
  return { id: principal.subject, kind: principal.kind };
}
