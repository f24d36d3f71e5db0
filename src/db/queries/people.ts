/** People and devices as principals. What someone may do comes from these rows, never from what they send. */
import { and, eq, isNull, sql } from "drizzle-orm";
import type { Principal } from "../../domain/identity.ts";
import type { Database } from "../database.ts";
import { devices, people } from "../schema/catalogue.ts";

type PersonRow = typeof people.$inferSelect;
type DeviceRow = typeof devices.$inferSelect;

function personPrincipal(row: PersonRow): Principal {
  return {
    subject: row.id,
    kind: "person",
    role: row.role,
    region: row.region,
    location: row.location,
    deviceType: "person",
    credentialVersion: 1,
  };
}

function devicePrincipal(row: DeviceRow): Principal {
  return {
    subject: row.id,
    kind: "device",
    role: "device",
    region: row.region,
    location: row.location,
    deviceType: row.type,
    credentialVersion: row.credentialVersion,
  };
}

export async function findPrincipalByEmail(db: Database, email: string): Promise<Principal | null> {
  const [row] = await db
    .select()
    .from(people)
    .where(eq(sql`lower(${people.email})`, email))
    .limit(1);
  return row ? personPrincipal(row) : null;
}

export async function findPersonPrincipal(db: Database, id: string): Promise<Principal | null> {
  const [row] = await db.select().from(people).where(eq(people.id, id)).limit(1);
  return row ? personPrincipal(row) : null;
}

/** The device as a principal; null when it doesn't exist or was revoked. */
export async function findDevicePrincipal(db: Database, id: string): Promise<Principal | null> {
  const row = await findDevice(db, id);
  return row ? devicePrincipal(row) : null;
}

export async function findDevice(db: Database, id: string): Promise<DeviceRow | null> {
  const [row] = await db
    .select()
    .from(devices)
    .where(and(eq(devices.id, id), isNull(devices.revokedAt)))
    .limit(1);
  return row ?? null;
}

/** Everyone who may be asked to approve in a region: its managers and those of every region. */
export async function listManagers(db: Database, region: string): Promise<PersonRow[]> {
  return db
    .select()
    .from(people)
    .where(and(eq(people.role, "manager"), sql`(${people.region} IS NULL OR ${people.region} = ${region})`))
    .orderBy(people.approvalLimit, people.id);
}

/** Whoever runs the whole: operations without a region. */
export async function listOperations(db: Database): Promise<PersonRow[]> {
  return db
    .select()
    .from(people)
    .where(and(eq(people.role, "operations"), sql`${people.region} IS NULL`))
    .orderBy(people.id);
}

/** The keepers of a location. */
export async function listKeepers(db: Database, location: string): Promise<PersonRow[]> {
  return db
    .select()
    .from(people)
    .where(and(eq(people.role, "keeper"), eq(people.location, location)))
    .orderBy(people.id);
}

export async function findPerson(db: Database, id: string): Promise<PersonRow | null> {
  const [row] = await db.select().from(people).where(eq(people.id, id)).limit(1);
  return row ?? null;
}

export async function listPersonas(db: Database): Promise<{ id: string; role: string; region: string | null }[]> {
  return db.all(sql`SELECT id, role, region FROM people
    UNION ALL SELECT id, 'device' AS role, region FROM devices WHERE revoked_at IS NULL ORDER BY role, id`);
}
