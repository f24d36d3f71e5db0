/** What could be bought together: requests that wait for an approval, and the device that would order for a region's shelf. */
import { sql } from "drizzle-orm";
import type { Database } from "../database.ts";

export interface WaitingRow {
  readonly id: string;
  readonly request_number: string;
  readonly region: string;
  readonly destination: string;
  readonly currency: string;
  /** JSON: what the request was priced with. */
  readonly allocations: string;
}

/**
 * The oldest first, found from the managers by the steps that each is asked about: CROSS JOIN keeps to this order, or all
 * steps there ever were would be walked.
 */
export async function listWaitingPurchases(db: Database, region: string | null, limit: number): Promise<WaitingRow[]> {
  const regions = region === null ? sql`` : sql`AND r.region = ${region}`;
  return db.all<WaitingRow>(sql`
    SELECT DISTINCT r.id, r.request_number, r.region, r.destination, r.currency, r.created_at,
      json_extract(r.context, '$.trusted.sources.allocations') AS allocations
    FROM people p CROSS JOIN approval_steps s ON s.approver = p.id AND s.state = 'pending'
    CROSS JOIN requests r ON r.id = s.request_id
    WHERE p.role = 'manager' AND r.status = 'awaiting_approval' AND r.order_id IS NULL ${regions}
      AND json_extract(r.context, '$.trusted.sources.allocations') LIKE '%"source":"purchase"%'
    ORDER BY r.created_at, r.id LIMIT ${limit}`);
}

/** For each region the device of a warehouse: what is bought for a shelf goes there. */
export async function listWarehouseDevices(db: Database): Promise<{ readonly id: string; readonly region: string }[]> {
  return db.all(sql`SELECT MIN(d.id) AS id, d.region FROM devices d JOIN locations l ON l.id = d.location
    WHERE d.type = 'warehouse' AND l.kind = 'warehouse' AND d.revoked_at IS NULL GROUP BY d.region`);
}
