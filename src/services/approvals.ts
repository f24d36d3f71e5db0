/**
 * Decisions on approval steps. A ballot is a row held here, bound to request, version, payload hash, step and approver:
 * what the client sends is only which step, which hash it saw, and yes or no.
 */
import { decideStep, findStep, insertBallot, listBallots } from "../db/queries/approvals.ts";
import { findPerson } from "../db/queries/people.ts";
import { findRequest } from "../db/queries/requests.ts";
import { refuse, type Refusal } from "../domain/errors.ts";
import { actorOf, coversRegion, type Principal } from "../domain/identity.ts";
import type { Trace } from "../domain/trace.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export interface Decision {
  readonly decision: "approve" | "reject";
  readonly payloadHash: string;
  readonly reason?: string | undefined;
}

interface Decided {
  readonly ok: true;
  readonly requestId: string;
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
  const found = step ? await findRequest(deps.db, step.requestId) : null;
  // Someone who isn't asked learns nothing of the step, not even that it exists.
  if (!step || !found || !coversRegion(principal, found.request.region))
    return refuse("NOT_FOUND", "no such approval step");
  const { request } = found;
  if (step.approver !== principal.subject)
    return refuse("FORBIDDEN", `${step.approver} is asked, not ${principal.subject}`);
  // What someone may do comes from their row now, not from a token of some minutes ago.
  const person = await findPerson(deps.db, principal.subject);
  if (!person || person.role !== "manager") return refuse("FORBIDDEN", "only a manager decides");
  if (request.requester === person.id) return refuse("FORBIDDEN", "nobody decides on their own request");
  const twice = (await listBallots(deps.db, request.id)).some((b) => b.approver === person.id && b.stepId !== stepId);
  if (twice) return refuse("FORBIDDEN", "one person decides once per request");
  if (decision.payloadHash !== step.payloadHash || decision.payloadHash !== request.payloadHash) {
    return refuse("PAYLOAD_CHANGED", "what you saw is not what would be ordered now; look at the request again", {
      facts: { payload_hash: request.payloadHash },
    });
  }

  const at = isoNow(deps);
  const state = decision.decision === "approve" ? "approved" : "rejected";
  const decided: Decided = { ok: true, requestId: request.id, state };
  const committed = await deps.commit({
    trace: { ...trace, correlationId: request.id },
    answers: decided,
    writes: [
      decideStep(step.id, { approver: person.id, payloadHash: decision.payloadHash, state, at }),
      insertBallot({
        id: deps.newId("ballot"),
        stepId: step.id,
        requestId: request.id,
        requestVersion: request.version,
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
        subject: `request/${request.id}`,
        after: { step_id: step.id, rule: step.rule, payload_hash: decision.payloadHash },
        ...(decision.reason === undefined ? {} : { reason: decision.reason }),
      },
    ],
    events: [
      {
        type: "ApprovalDecided",
        subject: `request/${request.id}`,
        region: request.region,
        sequence: request.version,
        data: {
          request_id: request.id,
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
  const winner = (await listBallots(deps.db, request.id)).find((ballot) => ballot.stepId === stepId);
  return refuse("ALREADY_DECIDED", `the step is ${now?.state ?? "gone"}`, {
    facts: { winner: winner ? { approver: winner.approver, decision: winner.decision, at: winner.at } : null },
  });
}
