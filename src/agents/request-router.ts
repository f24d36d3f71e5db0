/**
 * RequestRouter: what kind of request it is, how urgent, whether the requester may make it; and after pricing, who
 * has to approve it. Rules set the floor; an engine may only raise it. Default: not permitted.
 */
import { maxLevel } from "../domain/approval-level.ts";
import { decideChain } from "../domain/approval-chain.ts";
import { coversRegion, hasRight, type Principal } from "../domain/identity.ts";
import { isoDateAfter } from "../domain/iso-date.ts";
import { decideFloor, POLICY, type ApprovalFacts, type ApprovalPerson, type Policy } from "../domain/policy.ts";
import type { Chain, RequestContext, Routed, RuleHit } from "../domain/request-context.ts";
import { traced, type AgentResult } from "./agent-trace.ts";
import type { DecisionEngine } from "./engine.ts";

/** A request needed within so many days is urgent. Urgency orders work; it never lowers an approval. */
export const URGENT_DAYS = 2;

export interface RoutingFacts {
  /** Ms since the epoch. */
  readonly now: number;
  /** The requester as D1 knows it; null: unknown or revoked. */
  readonly requester: Principal | null;
  /** The asking location; null: unknown. */
  readonly destination: { readonly id: string; readonly region: string } | null;
}

/** All that type, urgency and permission rest on. */
export interface RoutingInput {
  readonly request: RequestContext["trusted"]["request"];
  readonly facts: RoutingFacts;
}

/** Type, urgency and permission. What isn't permitted ends as rejected with `reason`. */
export function routeRequest(context: RequestContext, facts: RoutingFacts): AgentResult<Routed> {
  return decideRoute({ request: context.trusted.request, facts });
}

export function decideRoute(input: RoutingInput): AgentResult<Routed> {
  const { request, facts } = input;
  const refusal = refusalOf(input);
  const needed = request.neededBy?.slice(0, 10);
  const urgent = needed !== undefined && needed <= isoDateAfter(facts.now, URGENT_DAYS);
  const hits: RuleHit[] = [
    // Adjustments and returns are commands of their own; what comes in as a request file asks for parts.
    { rule: "type-parts-request", reason: "A request with lines asks for parts." },
    refusal ?? { rule: "permitted", reason: `${request.requester} may ask for parts for ${request.destination}.` },
    ...(urgent ? [{ rule: "urgent", reason: `Needed by ${needed}, within ${URGENT_DAYS} days.` }] : []),
  ];
  const section: Routed = {
    type: "parts_request",
    urgency: urgent ? "urgent" : "normal",
    permitted: refusal === null,
    reason: hits[1]?.reason ?? "",
  };
  return traced(section, {
    agent: "RequestRouter",
    decision: "route_request",
    engine: "rules",
    input,
    advice: null,
    ruleHits: hits,
    final: section,
  });
}

function refusalOf({ request, facts }: RoutingInput): RuleHit | null {
  const { requester, destination } = facts;
  if (!requester || requester.subject !== request.requester) {
    return { rule: "requester-unknown", reason: `${request.requester} is not known, or was revoked.` };
  }
  if (!hasRight(requester, "requests.create")) {
    return { rule: "requester-role", reason: `The role ${requester.role} may not ask for parts.` };
  }
  if (requester.kind === "device" && requester.subject !== request.deviceId) {
    return { rule: "own-device", reason: "A device may ask for itself only." };
  }
  if (!coversRegion(requester, request.region)) {
    return { rule: "requester-region", reason: `${requester.subject} may not ask in the region ${request.region}.` };
  }
  if (!destination || destination.id !== request.destination || destination.region !== request.region) {
    return {
      rule: "destination-region",
      reason: `${request.destination} is no place of the region ${request.region}.`,
    };
  }
  return null;
}

export interface ApprovalChainFacts {
  /** Everyone who may be asked in the region, and the requester if a person. */
  readonly people: readonly ApprovalPerson[];
}

/** All that the chain rests on but the advice. */
export interface ApprovalInput {
  readonly approval: ApprovalFacts;
  readonly policy: Policy;
  /** The sender's words: for the engine alone. */
  readonly note: string;
}

/**
 * The approval chain of a priced request. Needs the sections `routed`, `resolved` and `sources`. The engine is asked
 * when the sender left a note and the rules don't reject anyway; its level counts only where it is stricter.
 */
export async function routeApproval(
  context: RequestContext,
  facts: ApprovalChainFacts,
  engine: DecisionEngine,
  policy: Policy = POLICY,
): Promise<AgentResult<Chain>> {
  const note = context.untrusted.note?.untrusted.trim() ?? "";
  return decideApproval({ approval: approvalFacts(context, facts.people), policy, note }, engine);
}

export async function decideApproval(input: ApprovalInput, engine: DecisionEngine): Promise<AgentResult<Chain>> {
  const { approval, policy, note } = input;
  const floor = decideFloor(approval, policy);
  const { total, currency, categories } = approval;
  const asks = note !== "" && floor.level !== "reject";
  const advice = asks
    ? await engine.advise("RequestRouter", { kind: "level", floor: floor.level, total, currency, categories, note })
    : null;
  const section = decideChain(approval, policy, advice?.level);
  const lower = advice?.level !== undefined && maxLevel(floor.level, advice.level) !== advice.level;
  const reasons = [
    ...(lower ? [`The engine asked for ${advice.level}; the rules' floor ${floor.level} holds.`] : []),
    ...(advice?.failure === undefined ? [] : [`The engine failed, the rules' answer holds: ${advice.failure}`]),
  ];
  return traced(section, {
    agent: "RequestRouter",
    decision: "route_approval",
    engine: advice === null ? "rules" : engine.name,
    input,
    advice,
    ruleHits: section.hits,
    final: section,
    levels: { floor: section.floor, level: section.level },
    ...(reasons.length === 0 ? {} : { overrideReason: reasons.join(" ") }),
  });
}

function approvalFacts(context: RequestContext, people: readonly ApprovalPerson[]): ApprovalFacts {
  const { request, routed, resolved, sources } = context.trusted;
  const sourced = new Set(sources?.allocations.map((one) => one.line));
  const lines = resolved?.lines.filter((line) => sourced.has(line.line)) ?? [];
  return {
    total: sources?.total ?? Number.NaN, // nothing priced: the floor rejects it
    currency: request.currency,
    region: request.region,
    requester: request.requester,
    categories: [...new Set(lines.map((line) => line.category))].sort(),
    urgency: routed?.urgency ?? "normal",
    unpriced: sources?.allocations.some((one) => one.unitPrice === 0) ?? true,
    people,
  };
}
