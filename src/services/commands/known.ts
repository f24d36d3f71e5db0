/** What the commands of one call name, read once: a replay of hundreds doesn't ask for the same part hundreds of times. */
import type { Database } from "../../db/database.ts";
import { findParts } from "../../db/queries/parts.ts";
import { findDevice } from "../../db/queries/people.ts";

type Device = Awaited<ReturnType<typeof findDevice>>;

export interface Known {
  /** Those of the SKUs that the catalogue has. */
  skus(named: readonly string[]): Promise<ReadonlySet<string>>;
  device(id: string): Promise<Device>;
}

/** `data`: of the commands to come; whatever stands there as a `sku` is asked for at once. */
export async function knownOf(db: Database, data: readonly unknown[]): Promise<Known> {
  const asked = [...new Set(data.flatMap(skusIn))];
  const have = new Set((await findParts(db, asked)).map((part) => part.sku));
  const looked = new Set(asked);
  const devices = new Map<string, Promise<Device>>();
  return {
    skus: async (named) => {
      const missing = named.filter((sku) => !looked.has(sku));
      for (const part of await findParts(db, missing)) have.add(part.sku);
      for (const sku of missing) looked.add(sku);
      return have;
    },
    device: (id) => {
      const known = devices.get(id) ?? findDevice(db, id);
      devices.set(id, known);
      return known;
    },
  };
}

function skusIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(skusIn);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    key === "sku" && typeof member === "string" ? [member] : skusIn(member),
  );
}
