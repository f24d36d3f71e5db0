/** Approval steps and ballots: exactly one outcome per step, by compare-and-set on its state. */
import { and, asc, eq, inArray, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { approvalSteps, ballots, requests } from "../schema/requests.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export type StepRow = typeof approvalSteps.$inferSelect;
export type BallotRow = typeof ballots.$inferSelect;

export interface NewStep {
  readonly id: string;
  readonly position: number;
  readonly approver: string;
  readonly rule: string;
  readonly state: "waiting" | "pending";
  readonly askedAt: string | null;
  readonly dueAt: string | null;
}

export function insertSteps(requestId: string, payloadHash: string, steps: readonly NewStep[]): GuardedWrite {
  return {
    statement: sql`INSERT INTO approval_steps(id, request_id, position, approver, rule, state, payload_hash, asked_at, due_at)
      SELECT value ->> 'id', ${requestId}, value ->> 'position', value ->> 'approver', value ->> 'rule', value ->> 'state',
        ${payloadHash}, value ->> 'askedAt', value ->> 'dueAt' FROM json_each(${JSON.stringify(steps)})`,
    expect: { rows: steps.length, otherwise: "CONFLICT" },
  };
}

/** Asks the next approver in the chain. */
export function activateStep(stepId: string, askedAt: string, dueAt: string): GuardedWrite {
  return {
    statement: sql`UPDATE approval_steps SET state = 'pending', asked_at = ${askedAt}, due_at = ${dueAt}
      WHERE id = ${stepId} AND state = 'waiting'`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

/** Decides a pending step, once, for the payload that the approver saw, and only by the one who was asked. */
export function decideStep(
  stepId: string,
  q: { approver: string; payloadHash: string; state: "approved" | "rejected"; at: string },
): GuardedWrite {
  return {
    statement: sql`UPDATE approval_steps SET state = ${q.state}, decided_at = ${q.at}
      WHERE id = ${stepId} AND state = 'pending' AND approver = ${q.approver} AND payload_hash = ${q.payloadHash}
        AND EXISTS (SELECT 1 FROM requests r WHERE r.id = request_id AND r.status = 'awaiting_approval'
                    AND r.payload_hash = ${q.payloadHash})`,
    expect: { rows: 1, otherwise: "ALREADY_DECIDED" },
  };
}

export function insertBallot(b: Omit<BallotRow, "reason"> & { reason: string | null }): GuardedWrite {
  return {
    statement: sql`INSERT INTO ballots(id, step_id, request_id, request_version, payload_hash, approver, decision, reason, at)
      VALUES (${b.id}, ${b.stepId}, ${b.requestId}, ${b.requestVersion}, ${b.payloadHash}, ${b.approver}, ${b.decision},
        ${b.reason}, ${b.at})`,
  };
}

/** A step that came due is closed as escalated; the next person gets a step of their own at the same place in the chain. */
export function escalateStep(stepId: string, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE approval_steps SET state = 'escalated', decided_at = ${at} WHERE id = ${stepId} AND state = 'pending'`,
    expect: { rows: 1, otherwise: "ALREADY_DECIDED" },
  };
}

/** Steps that nobody will be asked any more: after a rejection, or when what was to be approved has changed. */
export function voidOpenSteps(requestId: string, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE approval_steps SET state = 'void', decided_at = ${at}
      WHERE request_id = ${requestId} AND state IN ('waiting', 'pending')`,
  };
}

export async function findStep(db: Database, id: string): Promise<StepRow | null> {
  const [row] = await db.select().from(approvalSteps).where(eq(approvalSteps.id, id)).limit(1);
  return row ?? null;
}

export async function listSteps(db: Database, requestId: string): Promise<StepRow[]> {
  return db
    .select()
    .from(approvalSteps)
    .where(eq(approvalSteps.requestId, requestId))
    .orderBy(asc(approvalSteps.position));
}

export async function listBallots(db: Database, requestId: string): Promise<BallotRow[]> {
  return db.select().from(ballots).where(eq(ballots.requestId, requestId)).orderBy(asc(ballots.at));
}

/** What waits for this person, oldest due first, with the request that it is about. */
export async function listPending(db: Database, approver: string) {
  return db
    .select({ step: approvalSteps, request: requests })
    .from(approvalSteps)
    .innerJoin(requests, eq(requests.id, approvalSteps.requestId))
    .where(and(eq(approvalSteps.approver, approver), inArray(approvalSteps.state, ["pending"])))
    .orderBy(asc(approvalSteps.dueAt))
    .limit(200);
}
