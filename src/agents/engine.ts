/**
 * The port of the decision engine. An engine advises; rules and people decide. Whatever comes back is an opinion on a
 * closed list, checked again by the agent that asked.
 */
import { z } from "zod";
import { LEVELS, type Level } from "../domain/approval-level.ts";

export const AGENTS = [
  "RequestRouter",
  "PartsSpecialist",
  "SupplierMatcher",
  "RegionalApprover",
  "OrderGenerator",
] as const;
export type AgentName = (typeof AGENTS)[number];

const count = z.int().nonnegative();

/** One call to a model, for the trace. */
const callSchema = z.object({
  model: z.string(),
  /** Name and hash of the prompt's text. */
  prompt: z.string(),
  ms: z.number(),
  tokens: count,
  /** In millionths of a dollar. */
  cost: count,
  /** The raw answer, cut to a readable length; absent when none came. */
  answer: z.string().optional(),
  error: z.string().optional(),
});

export const adviceSchema = z.object({
  /** For a `level` question. It can raise the rules' floor, never lower it. */
  level: z.enum(LEVELS).optional(),
  /** For a `choose_parts` question: ids of the lists that were offered. */
  choices: z.array(z.object({ line: z.int(), sku: z.string() })),
  /** Why the engine gave less than it was asked for; then the rules' answer holds. */
  failure: z.string().optional(),
  calls: z.array(callSchema),
  /** Hash of the question, by which the answer is found again. */
  asked: z.string().optional(),
});

export type Advice = z.output<typeof adviceSchema>;
export type AiCall = z.output<typeof callSchema>;

/** A line that the rules leave open. `text` is the sender's; `candidates` is the closed list. */
export interface OpenLine {
  readonly line: number;
  readonly text: string;
  readonly candidates: readonly { readonly sku: string; readonly name: string; readonly description: string }[];
}

export type Question =
  | { readonly kind: "choose_parts"; readonly lines: readonly OpenLine[] }
  /** Is more scrutiny called for than the rules' floor? `note` is the sender's. */
  | {
      readonly kind: "level";
      readonly floor: Level;
      readonly total: number;
      readonly currency: string;
      readonly categories: readonly string[];
      readonly note: string;
    };

export interface DecisionEngine {
  readonly name: string;
  /** Never rejects for a failing model: that is `failure` in the advice. */
  advise(agent: AgentName, question: Question): Promise<Advice>;
}

export const NO_ADVICE: Advice = { choices: [], calls: [] };
