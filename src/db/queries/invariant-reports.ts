/** Reports of the nightly check, newest first. */
import { desc, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { invariantReports } from "../schema/audit.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export type InvariantReportRow = typeof invariantReports.$inferSelect;

export function insertInvariantReport(r: InvariantReportRow): GuardedWrite {
  return {
    statement: sql`INSERT INTO invariant_reports(id, started_at, duration_ms, broken, findings)
      VALUES (${r.id}, ${r.startedAt}, ${r.durationMs}, ${r.broken}, ${r.findings})`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

export function listInvariantReports(db: Database, limit: number): Promise<InvariantReportRow[]> {
  return db
    .select()
    .from(invariantReports)
    .orderBy(desc(invariantReports.startedAt), desc(invariantReports.id))
    .limit(limit);
}
