/** What the moves of a request share: the audit entry of an agent, and the context that a state must have. */
import type { AuditEntry } from "../db/unit-of-work.ts";
import { AppError } from "../domain/errors.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { Loaded } from "./move.ts";

export function mustHave(loaded: Loaded): RequestContext {
  if (!loaded.context)
    throw new AppError("INTERNAL", `request ${loaded.request.id} has no context in ${loaded.request.status}`);
  return loaded.context;
}

/** `after` is an object: the decisions of the move are named in it. */
export function byAgent(loaded: Loaded, agent: string, action: string, after: object, reason?: string): AuditEntry {
  return {
    actor: { id: agent, kind: "agent" },
    action,
    subject: `request/${loaded.request.id}`,
    after,
    ...(reason === undefined ? {} : { reason }),
  };
}
