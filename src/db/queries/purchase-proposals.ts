/** What could be bought together: requests that wait for an approval, and the device that would order for a region's shelf. */
import { sql } from "drizzle-orm";
import type { Database } from "../database.ts";

export interface WaitingRow {
  readonly id: string;
  readonly request_number: string;
  readonly region: string;
  readonly destination: string;
  readonly currency: string;
  /** JSON: what the request was priced with; null: the older ones have `allocations` already. */
  readonly allocations: string | null;
}

/**
 * The oldest first, found from the managers by the steps that each is asked about: CROSS JOIN keeps to this order, or all
 * steps there ever were would be walked.
 */
export async function listWaitingPurchases(
  db: Database,
  q: { readonly region: string | null; readonly requests: number; readonly allocations: number },
): Promise<WaitingRow[]> {
  const { region } = q;
  const regions = region === null ? sql`` : sql`AND r.region = ${region}`;
  return db.all<WaitingRow>(sql`
    WITH waiting AS (SELECT DISTINCT r.id, r.request_number, r.region, r.destination, r.currency, r.created_at,
      json_array_length(r.context, '$.trusted.sources.allocations') AS n
    FROM people p CROSS JOIN approval_steps s ON s.approver = p.id AND s.state = 'pending'
    CROSS JOIN requests r ON r.id = s.request_id
    WHERE p.role = 'manager' AND r.status = 'awaiting_approval' AND r.order_id IS NULL ${regions}
      AND json_extract(r.context, '$.trusted.sources.allocations') LIKE '%"source":"purchase"%'
    ORDER BY r.created_at, r.id LIMIT ${q.requests}),
    counted AS (SELECT *, SUM(n) OVER (ORDER BY created_at, id) - n AS older FROM waiting)
    SELECT w.id, w.request_number, w.region, w.destination, w.currency,
      CASE WHEN w.older < ${q.allocations} THEN json_extract(r.context, '$.trusted.sources.allocations') END AS allocations
    FROM counted w CROSS JOIN requests r ON r.id = w.id ORDER BY w.created_at, w.id`);
}

/** For each region the device of a warehouse: what is bought for a shelf goes there. */
export async function listWarehouseDevices(db: Database): Promise<{ readonly id: string; readonly region: string }[]> {
  return db.all(sql`SELECT MIN(d.id) AS id, d.region FROM devices d JOIN locations l ON l.id = d.location
    WHERE d.type = 'warehouse' AND l.kind = 'warehouse' AND d.revoked_at IS NULL GROUP BY d.region`);
}
