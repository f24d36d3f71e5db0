/** Asking along the chain: one step pending at a time, with its timers; a decision activates the next or ends the chain. */
import {
  activateStep,
  escalateStep as closeAsEscalated,
  insertSteps,
  listBallots,
  listSteps,
  type NewStep,
  type StepRow,
} from "../db/queries/approvals.ts";
import { listManagers } from "../db/queries/people.ts";
import type { AnyEventDraft } from "../db/unit-of-work.ts";
import { approversNeeded } from "../domain/approval-level.ts";
import { approvalPayload } from "../domain/approval-payload.ts";
import type { Chain, ChainStep, RequestContext } from "../domain/request-context.ts";
import { eventsOfAsk } from "../services/approval-asks.ts";
import { isoNow } from "../services/deps.ts";
import { byAgent, mustHave } from "./by-agent.ts";
import { endWith } from "./ending.ts";
import type { Loaded, Move, OrchestratorDeps } from "./move.ts";
import { askApprover, escalateStep, type Ask } from "./regional-approver.ts";

/** Between two places of the chain there is room for those to whom a step is escalated. */
const POSITION_GAP = 10;

/** routing → awaiting_approval: the whole chain is written, bound to the payload's hash, and the first one is asked. */
export async function askFirst(
  deps: OrchestratorDeps,
  loaded: Loaded,
  context: RequestContext,
  chain: Chain,
): Promise<Move> {
  const { request } = loaded;
  const payloadHash = await deps.sha256(approvalPayload(request, context.trusted.sources?.allocations ?? []));
  const asks = chain.steps.map((step, index) => ({
    step,
    id: deps.newId("approvalStep"),
    asked: index === 0 ? askApprover(context, step, deps.clock.now()) : null,
  }));
  const rows = asks.map(({ step, id, asked }): NewStep => ({
    id,
    position: step.position * POSITION_GAP,
    approver: step.approver,
    rule: step.rule,
    state: asked ? "pending" : "waiting",
    askedAt: asked?.section.askedAt ?? null,
    dueAt: asked?.section.dueAt ?? null,
  }));
  const first = asks[0];
  const ask = first?.asked;
  return {
    change: { status: "awaiting_approval", payloadHash, context: JSON.stringify(context) },
    writes: [insertSteps({ kind: "request", id: request.id }, payloadHash, rows)],
    audit: first ? [askedAudit(loaded, first.step)] : [],
    events: first && ask ? askEvents(deps, loaded, first.id, ask.section) : [],
    agents: ask ? [ask.trace] : [],
  };
}

/** awaiting_approval: on to the next of the chain, to the order, or to a rejection; null while someone is asked. */
export async function nextApprovalMove(deps: OrchestratorDeps, loaded: Loaded): Promise<Move | null> {
  const context = mustHave(loaded);
  const steps = await listSteps(deps.db, loaded.request.id);
  const rejected = steps.find((step) => step.state === "rejected");
  if (rejected) {
    const ballot = (await listBallots(deps.db, loaded.request.id)).find((one) => one.stepId === rejected.id);
    const reason = `rejected by ${rejected.approver} (${rejected.rule})${ballot?.reason ? `: ${ballot.reason}` : ""}`;
    return endWith(deps, loaded, context, { status: "rejected", reason });
  }
  if (steps.some((step) => step.state === "pending")) return null;
  const next = steps.find((step) => step.state === "waiting");
  if (next) return askNext(deps, loaded, context, next);
  const approvers = steps.filter((step) => step.state === "approved").map((step) => step.approver);
  if (approvers.length === 0) return null;
  return {
    change: { status: "ordering" },
    audit: [
      byAgent(loaded, "RegionalApprover", "request.approved", { approvers }, `approved by ${approvers.join(", ")}`),
    ],
  };
}

function askNext(deps: OrchestratorDeps, loaded: Loaded, context: RequestContext, row: StepRow): Move {
  const step = chainStepOf(context, row);
  const { section, trace } = askApprover(context, step, deps.clock.now());
  return {
    change: { status: "awaiting_approval" },
    writes: [activateStep(row.id, section.askedAt, section.dueAt)],
    audit: [askedAudit(loaded, step)],
    events: askEvents(deps, loaded, row.id, section),
    agents: [trace],
  };
}

function chainStepOf(context: RequestContext, row: StepRow): ChainStep {
  const position = Math.floor(row.position / POSITION_GAP);
  const planned = context.trusted.chain?.steps.find((step) => step.position === position);
  return { position, approver: row.approver, rule: row.rule, reason: planned?.reason ?? row.rule };
}

function askedAudit(loaded: Loaded, step: ChainStep) {
  return byAgent(
    loaded,
    "RegionalApprover",
    "approval.asked",
    { approver: step.approver, rule: step.rule },
    step.reason,
  );
}

function askEvents(deps: OrchestratorDeps, { request }: Loaded, stepId: string, ask: Ask): AnyEventDraft[] {
  const base = { subject: `request/${request.id}`, region: request.region, sequence: request.version + 1 };
  return eventsOfAsk(base, { about: { request_id: request.id }, stepId, at: isoNow(deps), ...ask });
}

/** A step that is due without a decision: asked of someone else, left to the others, or held in sight. Never approved. */
export async function dueMove(deps: OrchestratorDeps, loaded: Loaded, stepId: string): Promise<Move | null> {
  const { request } = loaded;
  const steps = await listSteps(deps.db, request.id);
  const due = steps.find((step) => step.id === stepId);
  if (!due || due.state !== "pending" || request.status !== "awaiting_approval") return null;
  const context = mustHave(loaded);
  const others = steps.filter((step) => step.id !== stepId && ["approved", "pending", "waiting"].includes(step.state));
  const { section, trace } = escalateStep(context, {
    people: await listManagers(deps.db, request.region),
    step: {
      approver: due.approver,
      region: request.region,
      requester: request.requester,
      needed: approversNeeded(context.trusted.chain?.level ?? "one"),
      others: others.map((step) => step.approver),
    },
    taken: steps.map((step) => step.approver),
  });
  const at = isoNow(deps);
  const audit = [byAgent(loaded, "RegionalApprover", `approval.escalation ${section.kind}`, section, section.reason)];
  const base = { subject: `request/${request.id}`, region: request.region, sequence: request.version + 1 };
  if (section.kind === "leave") {
    return { change: { status: "awaiting_approval" }, writes: [closeAsEscalated(due.id, at)], audit, agents: [trace] };
  }
  if (section.kind === "hold") {
    const held: AnyEventDraft = {
      type: "ErrorOccurred",
      ...base,
      data: {
        code: "APPROVAL_HELD",
        kind: "request",
        id: request.id,
        message: section.reason,
        retryable: false,
        timestamp: at,
        device_id: request.deviceId,
      },
    };
    return { change: { status: "awaiting_approval", reason: section.reason }, audit, events: [held], agents: [trace] };
  }
  const id = deps.newId("approvalStep");
  const chained: ChainStep = { ...chainStepOf(context, due), approver: section.approver, reason: section.reason };
  const ask = askApprover(context, chained, deps.clock.now());
  const row: NewStep = {
    id,
    position: due.position + 1,
    approver: section.approver,
    rule: due.rule,
    state: "pending",
    askedAt: ask.section.askedAt,
    dueAt: ask.section.dueAt,
  };
  return {
    change: { status: "awaiting_approval" },
    writes: [closeAsEscalated(due.id, at), insertSteps({ kind: "request", id: request.id }, due.payloadHash, [row])],
    audit,
    events: [
      {
        type: "ApprovalEscalated",
        ...base,
        data: { request_id: request.id, step_id: due.id, from: due.approver, to: section.approver, timestamp: at },
      },
      ...askEvents(deps, loaded, id, ask.section),
    ],
    agents: [trace, ask.trace],
  };
}

/** A reminder for a step that still waits. */
export async function reminderMove(deps: OrchestratorDeps, loaded: Loaded, stepId: string): Promise<Move | null> {
  const { request } = loaded;
  const step = (await listSteps(deps.db, request.id)).find((one) => one.id === stepId);
  if (!step || step.state !== "pending" || step.dueAt === null) return null;
  return {
    change: { status: "awaiting_approval" },
    audit: [byAgent(loaded, "RegionalApprover", "approval.reminded", { approver: step.approver, due_at: step.dueAt })],
    events: [
      {
        type: "ApprovalReminder",
        subject: `request/${request.id}`,
        region: request.region,
        sequence: request.version + 1,
        data: {
          request_id: request.id,
          step_id: step.id,
          approver: step.approver,
          due_at: step.dueAt,
          timestamp: isoNow(deps),
        },
      },
    ],
  };
}
