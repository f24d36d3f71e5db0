/** Runs of the nightly check: one at a time, each kept with what it has found and where it goes on. */
import { desc, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { invariantReports } from "../schema/audit.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

/** `place` null: it is complete. `durationMs`: from its start to what was checked last. */
export type InvariantReportRow = typeof invariantReports.$inferSelect;

/** CONFLICT while another one is under way. */
export function insertInvariantReport(r: InvariantReportRow): GuardedWrite {
  return {
    statement: sql`INSERT INTO invariant_reports(id, started_at, duration_ms, broken, findings, place)
      SELECT ${r.id}, ${r.startedAt}, ${r.durationMs}, ${r.broken}, ${r.findings}, ${r.place}
      WHERE NOT EXISTS (SELECT 1 FROM invariant_reports WHERE place IS NOT NULL)`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

/** The run is now as `to` says. DUPLICATE when it is no longer at the place `from`: what lies there was checked by another. */
export function advanceInvariantReport(from: string, to: InvariantReportRow): GuardedWrite {
  return {
    statement: sql`UPDATE invariant_reports SET duration_ms = ${to.durationMs}, broken = ${to.broken},
        findings = ${to.findings}, place = ${to.place} WHERE id = ${to.id} AND place = ${from}`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

export async function findRunningReport(db: Database): Promise<InvariantReportRow | null> {
  const [row] = await db
    .select()
    .from(invariantReports)
    .where(sql`place IS NOT NULL`)
    .limit(1);
  return row ?? null;
}

/** When the newest complete run ended; null: none did. */
export async function findLastComplete(db: Database): Promise<number | null> {
  const [row] = await db
    .select()
    .from(invariantReports)
    .where(sql`place IS NULL`)
    .orderBy(desc(invariantReports.startedAt))
    .limit(1);
  return row ? Date.parse(row.startedAt) + row.durationMs : null;
}

export function listInvariantReports(db: Database, limit: number): Promise<InvariantReportRow[]> {
  return db
    .select()
    .from(invariantReports)
    .orderBy(desc(invariantReports.startedAt), desc(invariantReports.id))
    .limit(limit);
}
