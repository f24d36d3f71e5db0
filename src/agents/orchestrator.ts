/**
 * Moves a request along its states. D1 is the truth and events drive it: each move is one guarded batch on the version
 * that was read, and each agent's result is stored before the next agent starts, so a crash goes on from the last one.
 */
import { insertAgentStep, type NewAgentStep } from "../db/queries/agent-traces.ts";
import { findRequest, moveRequest } from "../db/queries/requests.ts";
import type { AnyEventDraft, AuditEntry, DoneMark } from "../db/unit-of-work.ts";
import { AppError } from "../domain/errors.ts";
import { parseRequestContext } from "../domain/request-context.ts";
import { canMove, isFinal, isRequestStatus, type RequestStatus } from "../domain/request.ts";
import type { Trace } from "../domain/trace.ts";
import { isoNow } from "../services/deps.ts";
import { dueMove, nextApprovalMove, reminderMove } from "./approval-moves.ts";
import type { Loaded, Move, NextMove, OrchestratorDeps } from "./move.ts";
import { nextAttentionMove, nextOrderMove } from "./order-moves.ts";
import { nextPricingMove, nextReadingMove, nextRoutingMove, nextUploadedMove } from "./reading-moves.ts";
import { storedStep } from "./stored-step.ts";

const MAX_MOVES = 20;
const MAX_CONFLICTS = 5;

/** Where a request rests until an event comes: the done bit of the event that brought it there is in that batch. */
const RESTING: ReadonlySet<RequestStatus> = new Set(["needs_clarification", "awaiting_approval", "needs_attention"]);

const NEXT: Readonly<Partial<Record<RequestStatus, NextMove>>> = {
  uploaded: nextUploadedMove,
  reading: nextReadingMove,
  pricing: nextPricingMove,
  routing: nextRoutingMove,
  awaiting_approval: nextApprovalMove,
  ordering: nextOrderMove,
  needs_attention: nextAttentionMove,
};

/** Takes the request as far as it goes now, and marks the event that asked for it done. */
export async function advanceRequest(
  deps: OrchestratorDeps,
  requestId: string,
  trace: Trace,
  done: DoneMark,
): Promise<void> {
  let conflicts = 0;
  for (let moves = 0; moves < MAX_MOVES; moves++) {
    const loaded = await loadRequest(deps, requestId, trace);
    const next = loaded && isRequestStatus(loaded.request.status) ? NEXT[loaded.request.status] : undefined;
    const move = loaded && next ? await next(deps, loaded) : null;
    if (!loaded || !move) {
      await deps.commit({ trace, done, writes: [] });
      return;
    }
    const rests = isResting(loaded, move);
    const committed = await commitMove(deps, loaded, move, rests ? done : null);
    if (committed === "done" && rests) return;
    if (committed === "duplicate") return;
    // Someone else moved the request in between: look again at where it stands now.
    if (committed === "conflict" && ++conflicts > MAX_CONFLICTS) {
      throw new AppError("CONFLICT", `request ${requestId} is moved by others all the time`, { retryable: true });
    }
  }
  throw new AppError("INTERNAL", `request ${requestId} doesn't come to rest`, { retryable: true });
}

/** A timer of an approval step: reminds, or escalates what nobody decided in time. The step's own state decides. */
export async function timerOfStep(
  deps: OrchestratorDeps,
  timer: { readonly kind: "reminder" | "due"; readonly requestId: string; readonly stepId: string },
  trace: Trace,
  done: DoneMark,
): Promise<void> {
  for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts++) {
    const loaded = await loadRequest(deps, timer.requestId, trace);
    const next = timer.kind === "due" ? dueMove : reminderMove;
    const move = loaded ? await next(deps, loaded, timer.stepId) : null;
    // Nothing to remind of: or the due step left the chain to the others, and the chain goes on.
    if (!loaded || !move) return advanceRequest(deps, timer.requestId, trace, done);
    const closesOnly = timer.kind === "due" && (move.events ?? []).length === 0;
    const committed = await commitMove(deps, loaded, move, closesOnly ? null : done);
    if (committed === "done" && closesOnly) return advanceRequest(deps, timer.requestId, trace, done);
    if (committed !== "conflict") return;
  }
  throw new AppError("CONFLICT", `request ${timer.requestId} is moved by others all the time`, { retryable: true });
}

function isResting(loaded: Loaded, move: Move): boolean {
  const to = move.change.status;
  // An order that was just placed is waited for; one that is yet to be drafted isn't.
  return RESTING.has(to) || isFinal(to) || (to === "ordering" && move.change.orderId !== undefined);
}

export async function loadRequest(deps: OrchestratorDeps, requestId: string, trace: Trace): Promise<Loaded | null> {
  const found = await findRequest(deps.db, requestId);
  if (!found) return null;
  const context = found.request.context === "{}" ? null : parseRequestContext(found.request.context);
  if (context && !context.ok) throw new AppError("INTERNAL", context.reason);
  return { ...found, context: context?.context ?? null, trace: { ...trace, correlationId: requestId } };
}

export async function commitMove(
  deps: OrchestratorDeps,
  loaded: Loaded,
  move: Move,
  done: DoneMark | null,
): Promise<"done" | "duplicate" | "conflict"> {
  const { request, trace } = loaded;
  const { change } = move;
  const from = request.status as RequestStatus;
  if (change.status !== from && !canMove(from, change.status)) {
    throw new AppError("INTERNAL", `a request can't go from ${from} to ${change.status}`);
  }
  const at = isoNow(deps);
  const steps: NewAgentStep[] = [];
  for (const agent of move.agents ?? []) steps.push(await storedStep(agent, deps.sha256));
  const traced = steps.flatMap((step) => insertAgentStep(request.id, step, at));
  const committed = await deps.commit({
    trace,
    ...(done ? { done } : {}),
    writes: [moveRequest(request.id, request.version, at, change), ...traced, ...(move.writes ?? [])],
    audit: withDecisions(move.audit, steps),
    events: [...statusEvents(loaded, change.status, at), ...(move.events ?? [])],
  });
  if (committed.ok) return "done";
  if (committed.code === "DUPLICATE") return "duplicate";
  if (committed.code === "CONFLICT") return "conflict";
  throw new AppError(committed.code, `request ${request.id}: ${committed.code}`, { retryable: true });
}

/**
 * The trail names each decision of the move by its hashes, in the entry of the agent that made it, else in the first: so
 * the sealed trail holds for the trace too.
 */
function withDecisions(audit: readonly AuditEntry[], steps: readonly NewAgentStep[]): AuditEntry[] {
  const of = Map.groupBy(steps, ({ agent }) =>
    Math.max(
      0,
      audit.findIndex((entry) => entry.actor.id === agent),
    ),
  );
  return audit.map((entry, index) => {
    const decisions = of.get(index)?.map((step) => {
      return { decision: step.decision, input: step.inputHash, decided: step.decisionHash };
    });
    return decisions ? { ...entry, after: { ...(entry.after as object), decisions } } : entry;
  });
}

function statusEvents({ request }: Loaded, to: RequestStatus, at: string): AnyEventDraft[] {
  if (to === request.status) return [];
  return [
    {
      type: "StatusChanged",
      subject: `request/${request.id}`,
      region: request.region,
      sequence: request.version + 1,
      data: {
        kind: "request",
        id: request.id,
        from: request.status,
        to,
        timestamp: at,
        device_id: request.deviceId,
        request_id: request.id,
      },
    },
  ];
}
