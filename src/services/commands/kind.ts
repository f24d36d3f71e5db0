/** What a kind of command is: who may send it, what it carries, where it acts, and the work that it makes. One kind a file. */
import type { SQL } from "drizzle-orm";
import type { z } from "zod";
import type { AnyEventDraft, AuditEntry, UnitOfWork } from "../../db/unit-of-work.ts";
import type { Scan } from "../../domain/discrepancy.ts";
import type { ErrorCode, Refusal } from "../../domain/errors.ts";
import type { Principal, Role } from "../../domain/identity.ts";
import type { Actor } from "../../domain/trace.ts";
import type { ServiceDeps } from "../deps.ts";
import type { ScopeDeps } from "./sender.ts";

/** The accepted command that is being executed. */
export interface CommandContext {
  readonly commandId: string;
  readonly actor: Actor;
  /** As found by `scope`; `*`: every region. */
  readonly region: string;
  readonly at: string;
}

/** What the work does to one bin, where a policy may want it approved first. */
export interface StockEffect {
  readonly sku: string;
  readonly location: string;
  readonly bin: string;
  /** Signed, in stock units; 0: nothing. */
  readonly change: number;
  /** A count corrects in either direction. */
  readonly isCount: boolean;
}

/** One batch's work; the claim of the command is added by whoever executes it. */
export interface CommandWork {
  readonly writes: UnitOfWork["writes"];
  readonly audit: readonly AuditEntry[];
  readonly events: readonly AnyEventDraft[];
  /** An expression over the batch's own rows that makes the command's JSON answer. */
  readonly result: SQL;
  readonly stock?: StockEffect;
}

export interface CommandKind<Data = unknown> {
  readonly senders: readonly Role[];
  readonly data: z.ZodType<Data>;
  /** At acceptance: the sender may act there and what is named exists. Finds the region that the command belongs to. */
  scope(
    deps: ScopeDeps,
    principal: Principal,
    data: Data,
  ): Promise<{ readonly ok: true; readonly region: string } | Refusal>;
  /** At execution: the work, from what is in the database now. Made anew when its batch ends in CONFLICT. */
  plan(
    deps: ServiceDeps,
    context: CommandContext,
    data: Data,
  ): Promise<{ readonly ok: true; readonly work: CommandWork } | Refusal>;
  /** What to tell the sender when an assertion of the batch failed: with the figures. */
  explain(deps: ServiceDeps, context: CommandContext, data: Data, code: ErrorCode): Promise<Refusal>;
  /** What the sender saw with their own eyes: where it contradicts the books it is kept as a discrepancy. */
  scan?(deps: ServiceDeps, context: CommandContext, data: Data): Promise<Scan | null>;
}

/** Keeps a kind's own type of data, which its schema says. */
export function commandKind<Data>(kind: CommandKind<Data>): CommandKind<Data> {
  return kind;
}
