/** Fills an empty database with the demo fleet, once: the rows and the audit row that says so are one batch. */
import type { D1Database } from "@cloudflare/workers-types";
import { messageOf } from "../src/domain/errors.ts";
import { DEMO_SEED, demoData, seedStatements } from "./demo-data.ts";

export interface Persona {
  readonly id: string;
  readonly role: string;
  readonly region: string | null;
}

/** Returns whether anything was written. Throws an Error if the database refuses the rows. */
export async function seedOnce(db: D1Database, nowMs: number): Promise<boolean> {
  const done = await db
    .prepare("SELECT seq FROM audit WHERE subject = 'demo-data' AND action = 'DemoDataSeeded' LIMIT 1")
    .first();
  if (done !== null) return false;
  const note = db
    .prepare(
      `INSERT INTO audit(at, actor, actor_kind, action, subject, after, reason, trace)
       VALUES (?, 'waybill', 'system', 'DemoDataSeeded', 'demo-data', ?, 'the first start of this state folder', '')`,
    )
    .bind(new Date(nowMs).toISOString(), JSON.stringify({ seed: DEMO_SEED }));
  try {
    const rows = seedStatements(demoData()).map(({ sql, params }) => db.prepare(sql).bind(...params));
    await db.batch([...rows, note]);
  } catch (error) {
    throw new Error(`The demo data can't be loaded: ${messageOf(error)}`, { cause: error });
  }
  return true;
}

/** Everyone that a development token can be had for: people, then devices. */
export async function personas(db: D1Database): Promise<Persona[]> {
  const { results } = await db
    .prepare(
      `SELECT id, role, region FROM (SELECT 1 AS kind, rowid AS place, id, role, region FROM people
       UNION ALL SELECT 2, rowid, id, 'device', region FROM devices WHERE revoked_at IS NULL) ORDER BY kind, place`,
    )
    .all<Persona>();
  return results;
}
