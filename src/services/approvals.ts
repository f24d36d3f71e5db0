/**
 * Decisions on approval steps, of requests and of commands. A ballot is a row held here, bound to what is approved, its
 * version, payload hash, step and approver: what the client sends is only which step, which hash it saw, and yes or no.
 */
import {
  decideStep,
  findStep,
  insertBallot,
  listBallots,
  type Approved,
  type StepRow,
} from "../db/queries/approvals.ts";
import { findCommand } from "../db/queries/commands.ts";
import { findPerson } from "../db/queries/people.ts";
import { findRequest } from "../db/queries/requests.ts";
import { actorOfSender } from "../domain/commands.ts";
import { refuse, type Refusal } from "../domain/errors.ts";
import { actorOf, coversRegion, type Principal } from "../domain/identity.ts";
import type { Trace } from "../domain/trace.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

/** What a step is about, as far as a decision has to know it. */
interface Subject extends Approved {
  readonly region: string;
  /** Person or device that asked: never who decides. */
  readonly requester: string;
  readonly payloadHash: string | null;
  /** Of a request; a command doesn't change. */
  readonly version: number | null;
}

export interface Decision {
  readonly decision: "approve" | "reject";
  readonly payloadHash: string;
  readonly reason?: string | undefined;
}

interface Decided {
  readonly ok: true;
  readonly about: Approved;
  readonly state: "approved" | "rejected";
}

/** Decides one step, once. A later or second click gets ALREADY_DECIDED with the winner; another payload PAYLOAD_CHANGED. */
export async function decideApproval(
  deps: ServiceDeps,
  principal: Principal,
  stepId: string,
  decision: Decision,
  trace: Trace,
): Promise<Decided | Refusal> {
  const step = await findStep(deps.db, stepId);
  const subject = step ? await subjectOf(deps, step) : null;
  // Someone who isn't asked learns nothing of the step, not even that it exists.
  if (!step || !subject || !coversRegion(principal, subject.region))
    return refuse("NOT_FOUND", "no such approval step");
  if (step.approver !== principal.subject)
    return refuse("FORBIDDEN", `${step.approver} is asked, not ${principal.subject}`);
  // What someone may do comes from their row now, not from a token of some minutes ago.
  const person = await findPerson(deps.db, principal.subject);
  if (!person || person.role !== "manager") return refuse("FORBIDDEN", "only a manager decides");
  if (subject.requester === person.id) return refuse("FORBIDDEN", `nobody decides on their own ${subject.kind}`);
  const twice = (await listBallots(deps.db, subject.id)).some((b) => b.approver === person.id && b.stepId !== stepId);
  if (twice) return refuse("FORBIDDEN", `one person decides once per ${subject.kind}`);
  if (decision.payloadHash !== step.payloadHash || decision.payloadHash !== subject.payloadHash) {
    return refuse("PAYLOAD_CHANGED", `what you saw is not what would be done now; look at the ${subject.kind} again`, {
      facts: { payload_hash: subject.payloadHash },
    });
  }

  const at = isoNow(deps);
  const state = decision.decision === "approve" ? "approved" : "rejected";
  const decided: Decided = { ok: true, about: { kind: subject.kind, id: subject.id }, state };
  const committed = await deps.commit({
    trace: { ...trace, correlationId: subject.id },
    answers: decided,
    writes: [
      decideStep(step.id, { approver: person.id, payloadHash: decision.payloadHash, state, at }),
      insertBallot({
        id: deps.newId("ballot"),
        stepId: step.id,
        requestId: subject.kind === "request" ? subject.id : null,
        commandId: subject.kind === "command" ? subject.id : null,
        requestVersion: subject.version,
        payloadHash: decision.payloadHash,
        approver: person.id,
        decision: decision.decision,
        reason: decision.reason ?? null,
        at,
      }),
    ],
    audit: [
      {
        actor: actorOf(principal),
        action: `approval.${state}`,
        subject: `${subject.kind}/${subject.id}`,
        after: { step_id: step.id, rule: step.rule, payload_hash: decision.payloadHash },
        ...(decision.reason === undefined ? {} : { reason: decision.reason }),
      },
    ],
    events: [
      {
        type: "ApprovalDecided",
        subject: `${subject.kind}/${subject.id}`,
        region: subject.region,
        sequence: subject.version ?? 1,
        data: {
          ...(subject.kind === "request" ? { request_id: subject.id } : { command_id: subject.id }),
          step_id: step.id,
          approver: person.id,
          decision: decision.decision,
          timestamp: at,
        },
      },
    ],
  });
  if (committed.ok) return decided;
  const now = await findStep(deps.db, stepId);
  const winner = (await listBallots(deps.db, subject.id)).find((ballot) => ballot.stepId === stepId);
  return refuse("ALREADY_DECIDED", `the step is ${now?.state ?? "gone"}`, {
    facts: { winner: winner ? { approver: winner.approver, decision: winner.decision, at: winner.at } : null },
  });
}

async function subjectOf(deps: ServiceDeps, step: StepRow): Promise<Subject | null> {
  if (step.requestId !== null) {
    const { request } = (await findRequest(deps.db, step.requestId)) ?? {};
    return request ? { ...request, kind: "request" } : null;
  }
  const command = step.commandId === null ? null : await findCommand(deps.db, step.commandId);
  if (!command) return null;
  const { id, region, sender } = command;
  // The hash of a command's step is its own: what was asked for doesn't change.
  return {
    kind: "command",
    id,
    region,
    requester: actorOfSender(sender).id,
    payloadHash: step.payloadHash,
    version: null,
  };
}
