/** What is known of a command's row wherever it is worked on: who sent it, in which story, and whom its events concern. */
import type { CommandRow, OpenState } from "../db/queries/commands.ts";
import type { DoneMark } from "../db/unit-of-work.ts";
import { actorOfSender } from "../domain/commands.ts";
import type { Trace } from "../domain/trace.ts";
import type { CommandContext } from "./commands/kind.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

/** From which state a command is moved on, and the event that asked for it. */
export interface From {
  readonly from: OpenState;
  readonly done?: DoneMark;
}

/** `again`: what was read has changed meanwhile; look at it anew. */
export type Ended = "ended" | "again";

export function contextOf(deps: ServiceDeps, row: CommandRow): CommandContext {
  return { commandId: row.id, actor: actorOfSender(row.sender), region: row.region, at: isoNow(deps) };
}

export function traceOf(row: CommandRow): Trace {
  return { traceparent: row.traceparent, correlationId: row.id };
}

/** null: every region. */
export function regionOf(row: CommandRow): string | null {
  return row.region === "*" ? null : row.region;
}
