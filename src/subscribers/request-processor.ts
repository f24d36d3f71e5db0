/**
 * Moves on what an event concerns: a request that was uploaded or whose order ended, and the request or command whose
 * approval was decided or is due.
 */
import type { OrchestratorDeps } from "../agents/move.ts";
import { advanceRequest, timerOfStep } from "../agents/orchestrator.ts";
import { escalateCommand, remindOfCommand, settleCommand } from "../services/command-approvals.ts";
import { markDone, type Delivery } from "./delivery.ts";

export type RequestProcessorDeps = OrchestratorDeps;

export async function processRequest(deps: RequestProcessorDeps, delivery: Delivery): Promise<void> {
  const { message, trace, done } = delivery;
  switch (message.type) {
    case "RequestUploaded":
      return advanceRequest(deps, message.data.request_id, trace, done);
    case "ApprovalDecided": {
      const { request_id: requestId, command_id: commandId } = message.data;
      if (commandId !== undefined) return settleCommand(deps, commandId, done);
      return requestId === undefined ? markDone(deps, delivery) : advanceRequest(deps, requestId, trace, done);
    }
    case "OrderEnded":
      if (message.data.request_id === undefined) return markDone(deps, delivery);
      return advanceRequest(deps, message.data.request_id, trace, done);
    case "ApprovalReminderDue":
    case "ApprovalDue": {
      const kind = message.type === "ApprovalDue" ? "due" : "reminder";
      const { request_id: requestId, command_id: commandId, step_id: stepId } = message.data;
      if (commandId !== undefined) {
        return (kind === "due" ? escalateCommand : remindOfCommand)(deps, commandId, stepId, done);
      }
      return requestId === undefined
        ? markDone(deps, delivery)
        : timerOfStep(deps, { kind, requestId, stepId }, trace, done);
    }
    default:
      return markDone(deps, delivery);
  }
}
