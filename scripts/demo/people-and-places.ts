/** The demo fleet's regions, people, devices and locations. Fixed, so that the README and tests can name them. */
import { createHash } from "node:crypto";

export const REGIONS = [
  { id: "north", name: "North" },
  { id: "south", name: "South" },
  { id: "east", name: "East" },
  { id: "west", name: "West" },
] as const;

/** A device stands at the location of the same id. */
const PLACES: readonly { id: string; kind: "warehouse" | "truck"; region: string; name: string }[] = [
  { id: "warehouse-01", kind: "warehouse", region: "north", name: "Duluth depot" },
  { id: "warehouse-02", kind: "warehouse", region: "north", name: "Fargo depot" },
  { id: "warehouse-03", kind: "warehouse", region: "north", name: "Minneapolis hub" },
  { id: "warehouse-04", kind: "warehouse", region: "south", name: "Dallas hub" },
  { id: "warehouse-05", kind: "warehouse", region: "east", name: "Newark hub" },
  { id: "warehouse-06", kind: "warehouse", region: "west", name: "Reno hub" },
  { id: "truck-001", kind: "truck", region: "north", name: "Service truck 001" },
  { id: "truck-002", kind: "truck", region: "north", name: "Service truck 002" },
  { id: "truck-003", kind: "truck", region: "north", name: "Service truck 003" },
  { id: "truck-004", kind: "truck", region: "south", name: "Service truck 004" },
  { id: "truck-005", kind: "truck", region: "east", name: "Service truck 005" },
  { id: "truck-006", kind: "truck", region: "west", name: "Service truck 006" },
];

export const LOCATIONS = PLACES;
export const WAREHOUSES = PLACES.filter((place) => place.kind === "warehouse");

/** The secret of a demo device is known to everyone: `{device}-secret`. Demo data only; enrolment makes real ones. */
export function demoSecret(device: string): string {
  return `${device}-secret`;
}

export const DEVICES = PLACES.map((place) => ({
  id: place.id,
  type: place.kind,
  region: place.region,
  location: place.id,
  secret_hash: createHash("sha256").update(demoSecret(place.id)).digest("hex"),
}));

const REGION_LIMIT = 500_000; // $5,000
const NATIONAL_LIMIT = 10_000_000; // $100,000

const person = (
  id: string,
  name: string,
  role: "technician" | "keeper" | "manager" | "operations" | "admin" | "integrator",
  region: string | null,
  more: { location?: string; limit?: number } = {},
) => ({
  id,
  name,
  email: `${id}@waybill.example`,
  role,
  region,
  location: more.location ?? null,
  approval_limit: more.limit ?? 0,
  self_approval_limit: 0,
});

export const PEOPLE = [
  person("tech-north", "Robin Hale", "technician", "north"),
  person("keeper-03", "Sam Ortega", "keeper", "north", { location: "warehouse-03" }),
  person("manager-north", "Ingrid Berg", "manager", "north", { limit: REGION_LIMIT }),
  person("manager-south", "Luis Moreno", "manager", "south", { limit: REGION_LIMIT }),
  person("manager-east", "Priya Nair", "manager", "east", { limit: REGION_LIMIT }),
  person("manager-west", "Dana Whitfield", "manager", "west", { limit: REGION_LIMIT }),
  person("manager-national", "Amara Okafor", "manager", null, { limit: NATIONAL_LIMIT }),
  person("ops", "Jonas Lindqvist", "operations", null),
  person("admin", "Mei Tanaka", "admin", null),
  person("integrator", "ERP connector", "integrator", null),
];
