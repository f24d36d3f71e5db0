/** When the relay will next find something to do in the tables, timers after the horizon left out: ms since the epoch, or null. */
import { HUB_BIT } from "../../../src/events/subscriptions.ts";
import { stage } from "./stage.ts";

export async function dueInTables(db: D1Database, horizon: number): Promise<number | null> {
  // An order whose saga has its alarm is the saga's; without one the cron must find it.
  const sagaSleeps = [...stage.alarms.values()].some(({ namespace }) => namespace === "SAGA");
  const at = await db
    .prepare(
      `SELECT MIN(at) FROM (
         SELECT CASE WHEN want & ~done & ${HUB_BIT} <> 0 THEN not_before ELSE MAX(not_before, lease_until) END AS at
         FROM outbox WHERE (done | dead) <> want AND parked_at IS NULL AND not_before <= ?2
         UNION ALL SELECT lease_until FROM commands WHERE state = 'accepted'
         UNION ALL SELECT next_wake_at FROM orders WHERE ?1 AND status IN ('Pending', 'Cancelling'))
       WHERE at = '' OR at GLOB '2*'`,
    )
    .bind(Number(!sagaSleeps), new Date(Math.max(horizon, stage.now)).toISOString())
    .first<string | null>("MIN(at)");
  if (at === null) return null;
  return at === "" ? stage.now : Date.parse(at);
}
