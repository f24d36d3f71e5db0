/**
 * Every decision that the trace keeps, by its kind: a function of the kept input and the engine's advice, and of nothing
 * else, so that it can be decided again.
 */
import type { AgentResult, DecisionKind } from "./agent-trace.ts";
import type { DecisionEngine } from "./engine.ts";
import { decideDraft, type DraftInput } from "./order-generator.ts";
import { decideParts, type PartsInput } from "./parts-specialist.ts";
import { decideAsk, decideEscalation, type AskInput, type EscalationInput } from "./regional-approver.ts";
import { decideApproval, decideRoute, type ApprovalInput, type RoutingInput } from "./request-router.ts";
import { decideSources, type SupplyInput } from "./supplier-matcher.ts";

export type Decide = (input: unknown, engine: DecisionEngine) => Promise<AgentResult<unknown>>;

/** The inputs are our own, kept as they were and hashed: they are taken for what they were typed as. */
export const DECISIONS: Readonly<Record<DecisionKind, Decide>> = {
  route_request: async (input) => decideRoute(input as RoutingInput),
  resolve_parts: (input, engine) => decideParts(input as PartsInput, engine),
  match_suppliers: async (input) => decideSources(input as SupplyInput),
  route_approval: (input, engine) => decideApproval(input as ApprovalInput, engine),
  ask_approver: async (input) => decideAsk(input as AskInput),
  escalate_step: async (input) => decideEscalation(input as EscalationInput),
  draft_order: async (input) => decideDraft(input as DraftInput),
};
