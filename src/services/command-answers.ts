/** What a sender is told of a command, in the same words by socket and for a replay: how it stands, and what came of it. */
import type { CommandRow } from "../db/queries/commands.ts";
import type { StockApproval } from "../domain/stock-approval.ts";
import type { Accepted } from "./command-acceptance.ts";

export interface CommandAnswer {
  readonly id: string;
  /** `accepted` isn't the end yet; `rejected` with a `code` and no `data.discrepancy_id` was refused, or changed nothing. */
  readonly status: "accepted" | "applied" | "awaiting_approval" | "rejected" | "failed";
  /** It had been accepted before: the answer is the first one's, as it stands now. */
  readonly duplicate?: true;
  readonly code?: string;
  readonly reason?: string;
  /** What the command brought about, or the figures of why not. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** `id`: as the sender named it. */
export function answerOf(id: string, accepted: Accepted): CommandAnswer {
  if (!accepted.ok) {
    const { code, reason, facts } = accepted;
    return { id, status: "rejected", code, reason, ...(facts ? { data: facts } : {}) };
  }
  const { row, replayed } = accepted;
  const result = resultOf(row);
  const code = result?.["code"];
  return {
    id: row.id,
    status: row.state === "dead" ? "failed" : row.state,
    ...(replayed ? { duplicate: true } : {}),
    ...(typeof code === "string" ? { code } : {}),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(result ? { data: result } : {}),
  };
}

/** The row's JSON answer; null until it has ended. */
export function resultOf(row: CommandRow): Record<string, unknown> | null {
  return row.result === null ? null : (JSON.parse(row.result) as Record<string, unknown>);
}

/** What a person is asked to approve; null: nothing of the command ever was. */
export function stockApprovalOf(row: CommandRow): StockApproval | null {
  return row.approval === null ? null : (JSON.parse(row.approval) as StockApproval);
}
