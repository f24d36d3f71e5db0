/** Moves the request on that an event concerns: uploaded, decided, a timer of an approval step, its order ended. */
import type { OrchestratorDeps } from "../agents/move.ts";
import { advanceRequest, timerOfStep } from "../agents/orchestrator.ts";
import { markDone, type Delivery } from "./delivery.ts";

export type RequestProcessorDeps = OrchestratorDeps;

export async function processRequest(deps: RequestProcessorDeps, delivery: Delivery): Promise<void> {
  const { message, trace, done } = delivery;
  switch (message.type) {
    case "RequestUploaded":
    case "ApprovalDecided":
      return advanceRequest(deps, message.data.request_id, trace, done);
    case "OrderEnded":
      if (message.data.request_id === undefined) return markDone(deps, delivery);
      return advanceRequest(deps, message.data.request_id, trace, done);
    case "ApprovalReminderDue":
    case "ApprovalDue": {
      const kind = message.type === "ApprovalDue" ? "due" : "reminder";
      return timerOfStep(deps, { kind, requestId: message.data.request_id, stepId: message.data.step_id }, trace, done);
    }
    default:
      return markDone(deps, delivery);
  }
}
