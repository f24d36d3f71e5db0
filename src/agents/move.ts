/** One move of a request: what the orchestrator commits in one batch, with the trace of the agent that led to it. */
import type { RequestChange, RequestLineRow, RequestRow } from "../db/queries/requests.ts";
import type { AnyEventDraft, AuditEntry, GuardedWrite } from "../db/unit-of-work.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { Trace } from "../domain/trace.ts";
import type { ServiceDeps } from "../services/deps.ts";
import type { AgentTrace } from "./agent-trace.ts";
import type { DecisionEngine } from "./engine.ts";

export interface OrchestratorDeps extends ServiceDeps {
  readonly engine: DecisionEngine;
  /** The bytes of an uploaded file, or null when it is gone. */
  readonly readUpload: (objectKey: string) => Promise<Uint8Array | null>;
}

export interface Loaded {
  readonly request: RequestRow;
  readonly lines: readonly RequestLineRow[];
  /** Null before the request was read. */
  readonly context: RequestContext | null;
  readonly trace: Trace;
}

export interface Move {
  readonly change: RequestChange;
  readonly writes?: readonly GuardedWrite[];
  readonly audit: readonly AuditEntry[];
  readonly events?: readonly AnyEventDraft[];
  readonly agents?: readonly AgentTrace[];
}

/** What a request does next; null: it waits for something that will come as an event. */
export type NextMove = (deps: OrchestratorDeps, loaded: Loaded) => Promise<Move | null>;
