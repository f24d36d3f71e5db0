/** The story of a request: the audit rows of the request and of its order, in the order in which they were written. */
import type { Database } from "../db/database.ts";
import { listAudit } from "../db/queries/audit.ts";
import type { RequestRow } from "../db/queries/requests.ts";

const MAX_STEPS = 500;

export async function storyOf(db: Database, request: RequestRow) {
  const subjects = [`request/${request.id}`, ...(request.orderId === null ? [] : [`order/${request.orderId}`])];
  return trailOf(db, subjects);
}

/** The audit rows of some subjects, as they are shown. */
export async function trailOf(db: Database, subjects: readonly string[]) {
  const rows = await listAudit(db, subjects, MAX_STEPS);
  return rows.map((row) => ({
    at: row.at,
    actor: row.actor,
    actor_kind: row.actorKind,
    action: row.action,
    subject: row.subject,
    reason: row.reason,
    after: row.after === null ? null : (JSON.parse(row.after) as unknown),
    trace: row.trace,
  }));
}
