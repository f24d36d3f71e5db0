/**
 * Approval steps and ballots, of requests and of commands: exactly one outcome per step, by compare-and-set on its state.
 */
import { and, asc, eq, inArray, or, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { commands } from "../schema/messaging.ts";
import { approvalSteps, ballots, requests } from "../schema/requests.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export type StepRow = typeof approvalSteps.$inferSelect;
export type BallotRow = typeof ballots.$inferSelect;

/** What a step and its ballot are about. */
export interface Approved {
  readonly kind: "request" | "command";
  readonly id: string;
}

export interface NewStep {
  readonly id: string;
  readonly position: number;
  readonly approver: string;
  readonly rule: string;
  readonly state: "waiting" | "pending";
  readonly askedAt: string | null;
  readonly dueAt: string | null;
}

export function insertSteps(about: Approved, payloadHash: string, steps: readonly NewStep[]): GuardedWrite {
  const column = sql.identifier(`${about.kind}_id`);
  return {
    statement: sql`INSERT INTO approval_steps(id, ${column}, position, approver, rule, state, payload_hash, asked_at, due_at)
      SELECT value ->> 'id', ${about.id}, value ->> 'position', value ->> 'approver', value ->> 'rule', value ->> 'state',
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
        AND (EXISTS (SELECT 1 FROM requests r WHERE r.id = request_id AND r.status = 'awaiting_approval'
                     AND r.payload_hash = ${q.payloadHash})
          OR EXISTS (SELECT 1 FROM commands c WHERE c.id = command_id AND c.state = 'awaiting_approval'))`,
    expect: { rows: 1, otherwise: "ALREADY_DECIDED" },
  };
}

export function insertBallot(b: BallotRow): GuardedWrite {
  return {
    statement: sql`INSERT INTO ballots(id, step_id, request_id, command_id, request_version, payload_hash, approver, decision,
        reason, at)
      VALUES (${b.id}, ${b.stepId}, ${b.requestId}, ${b.commandId}, ${b.requestVersion}, ${b.payloadHash}, ${b.approver},
        ${b.decision}, ${b.reason}, ${b.at})`,
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
export function voidOpenSteps(about: Approved, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE approval_steps SET state = 'void', decided_at = ${at}
      WHERE ${sql.identifier(`${about.kind}_id`)} = ${about.id} AND state IN ('waiting', 'pending')`,
  };
}

export async function findStep(db: Database, id: string): Promise<StepRow | null> {
  const [row] = await db.select().from(approvalSteps).where(eq(approvalSteps.id, id)).limit(1);
  return row ?? null;
}

/** The steps of a request or a command, by its id. */
export async function listSteps(db: Database, aboutId: string): Promise<StepRow[]> {
  return db
    .select()
    .from(approvalSteps)
    .where(or(eq(approvalSteps.requestId, aboutId), eq(approvalSteps.commandId, aboutId)))
    .orderBy(asc(approvalSteps.position));
}

/** The ballots on a request or a command, by its id. */
export async function listBallots(db: Database, aboutId: string): Promise<BallotRow[]> {
  const steps = sql`(SELECT id FROM approval_steps WHERE request_id = ${aboutId} OR command_id = ${aboutId})`;
  return db
    .select()
    .from(ballots)
    .where(sql`${ballots.stepId} IN ${steps}`)
    .orderBy(asc(ballots.at));
}

/** What waits for this person, oldest due first, with the request or the command that it is about. */
export async function listPending(db: Database, approver: string) {
  return db
    .select({ step: approvalSteps, request: requests, command: commands })
    .from(approvalSteps)
    .leftJoin(requests, eq(requests.id, approvalSteps.requestId))
    .leftJoin(commands, eq(commands.id, approvalSteps.commandId))
    .where(and(eq(approvalSteps.approver, approver), inArray(approvalSteps.state, ["pending"])))
    .orderBy(asc(approvalSteps.dueAt))
    .limit(200);
}
