/** The last step of every end: one batch of response row, ResponseCreated and ResponseReady. */
import { listBallots, listSteps, voidOpenSteps } from "../db/queries/approvals.ts";
import { insertResponse } from "../db/queries/requests.ts";
import type { AuditEntry } from "../db/unit-of-work.ts";
import type { RequestContext } from "../domain/request-context.ts";
import { responseDocument } from "../domain/response.ts";
import type { ResponseOutcome } from "../domain/request.ts";
import { isoNow } from "../services/deps.ts";
import type { AgentTrace } from "./agent-trace.ts";
import type { Loaded, Move, OrchestratorDeps } from "./move.ts";

export interface Ending {
  readonly status: ResponseOutcome;
  /** For everything but `completed`. */
  readonly reason: string | null;
  readonly agents?: readonly AgentTrace[];
}

export async function endWith(
  deps: OrchestratorDeps,
  { request }: Loaded,
  context: RequestContext | null,
  ending: Ending,
): Promise<Move> {
  const at = isoNow(deps);
  const responseId = deps.newId("response");
  const [steps, ballots] = await Promise.all([listSteps(deps.db, request.id), listBallots(deps.db, request.id)]);
  const body = responseDocument({
    responseId,
    requestId: request.id,
    outcome: ending.status,
    reason: ending.reason,
    context,
    orderId: request.orderId,
    decidedBy: ballots.map((ballot) => ({
      step: ballot.stepId,
      by: ballot.approver,
      rule: steps.find((step) => step.id === ballot.stepId)?.rule ?? "",
      at: ballot.at,
    })),
    createdAt: at,
  });
  const told: AuditEntry = {
    actor: { id: "response-handler", kind: "system" },
    action: `request.${ending.status}`,
    subject: `request/${request.id}`,
    after: { response_id: responseId, total: body.total },
    ...(ending.reason === null ? {} : { reason: ending.reason }),
  };
  const base = { subject: `request/${request.id}`, region: request.region, sequence: request.version + 1 };
  const device = { device_id: request.deviceId };
  return {
    change: { status: ending.status, reason: ending.reason, ...(context ? { context: JSON.stringify(context) } : {}) },
    writes: [
      voidOpenSteps({ kind: "request", id: request.id }, at),
      insertResponse({ id: responseId, requestId: request.id, outcome: ending.status, body: JSON.stringify(body), at }),
    ],
    audit: [told],
    events: [
      {
        type: "ResponseCreated",
        ...base,
        data: { response_id: responseId, request_id: request.id, outcome: ending.status, timestamp: at, ...device },
      },
      { type: "ResponseReady", ...base, data: { request_id: request.id, timestamp: at, ...device } },
    ],
    ...(ending.agents ? { agents: ending.agents } : {}),
  };
}
