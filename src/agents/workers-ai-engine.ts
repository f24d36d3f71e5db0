/**
 * The engine on Workers AI. It is asked only what the rules leave open and answers with ids and levels of closed
 * lists; a failure, a time-out or a bad answer becomes `failure` in the advice, and the rules' answer holds.
 */
import { runWithTools as runLibrary } from "@cloudflare/ai-utils";
import { z } from "zod";
import { AI_MAX_LINES, AI_MAX_TOKENS, AI_TIMEOUT_MS, AI_TOKEN_BUDGET } from "../config.ts";
import { LEVELS, type Level } from "../domain/approval-level.ts";
import { messageOf } from "../domain/errors.ts";
import { formatMoney } from "../domain/money.ts";
import type { Clock } from "../domain/ports.ts";
import {
  REFUSED_CALL,
  wrapAi,
  type AiBinding,
  type AiMessage,
  type WrapOptions,
  type WrappedAi,
} from "./ai-binding.ts";
import { CHOOSE_LEVEL, CHOOSE_PARTS } from "./prompts.ts";
import type { Advice, DecisionEngine, OpenLine, Question } from "./engine.ts";

interface LibraryTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: { readonly type: "object"; readonly properties: object; readonly required: readonly string[] };
  readonly function: (args: unknown) => Promise<string>;
}

/** The library's types belong to an older workers-types; this is the part of it that is used. */
const runWithTools = runLibrary as unknown as (
  ai: Pick<WrappedAi, "run">,
  model: string,
  input: { messages: readonly AiMessage[]; tools: readonly LibraryTool[] },
  config: { maxRecursiveToolRuns: number },
) => Promise<unknown>;

export interface WorkersAiOptions {
  readonly ai: AiBinding;
  readonly model: string;
  readonly clock: Clock;
  /** Runs a call under the breaker `workers-ai`. */
  readonly guard?: WrapOptions["guard"];
}

const BOUNDS = { timeoutMs: AI_TIMEOUT_MS, maxTokens: AI_MAX_TOKENS, tokenBudget: AI_TOKEN_BUDGET };
/** One round and one repair; the library's own default is none. */
const REPAIRS = 1;

export function workersAiEngine(options: WorkersAiOptions): DecisionEngine {
  return {
    name: `workers-ai:${options.model}`,
    advise: (_agent, question) => {
      return question.kind === "choose_parts" ? chooseParts(options, question.lines) : chooseLevel(options, question);
    },
  };
}

const choiceSchema = z.strictObject({ line: z.int(), sku: z.string() });

async function chooseParts(options: WorkersAiOptions, open: readonly OpenLine[]): Promise<Advice> {
  const lines = open.slice(0, AI_MAX_LINES);
  const choices = new Map<number, string>();
  const contradicted = new Set<number>();
  const ai = wrapAi({
    ...options,
    prompt: CHOOSE_PARTS.version,
    bounds: BOUNDS,
    isDone: () => choices.size === lines.length,
  });
  const choose = (args: unknown): string => {
    const parsed = choiceSchema.safeParse(args);
    if (!parsed.success) return "Error: choose_part takes line (a whole number) and sku (a string).";
    const { line, sku } = parsed.data;
    const offered = lines.find((one) => one.line === line)?.candidates ?? [];
    if (!offered.some((one) => one.sku === sku)) return "Error: that sku is not a candidate of that line.";
    if (choices.has(line) && choices.get(line) !== sku) contradicted.add(line);
    choices.set(line, sku);
    return "Noted.";
  };
  const messages = [
    { role: "system", content: CHOOSE_PARTS.system },
    { role: "user", content: JSON.stringify({ lines }) },
  ];
  const failure = await failureOf(ai, async () => {
    await runWithTools(
      ai,
      options.model,
      { messages, tools: [choosePartTool(choose), refusedCallTool] },
      { maxRecursiveToolRuns: REPAIRS },
    );
  });
  const kept = [...choices].filter(([line]) => !contradicted.has(line)).map(([line, sku]) => ({ line, sku }));
  return { choices: kept, calls: [...ai.calls], ...(failure === null ? {} : { failure }) };
}

function choosePartTool(choose: (args: unknown) => string): LibraryTool {
  return {
    name: "choose_part",
    description: "Notes which of a line's candidates is meant.",
    parameters: {
      type: "object",
      properties: {
        line: { type: "integer", description: "The number of the line" },
        sku: { type: "string", description: "The sku of one of that line's candidates" },
      },
      required: ["line", "sku"],
    },
    function: (args) => Promise.resolve(choose(args)),
  };
}

/** Stands for calls that can't be made; the wrapper hides it from the model. */
const refusedCallTool: LibraryTool = {
  name: REFUSED_CALL,
  description: "",
  parameters: { type: "object", properties: {}, required: [] },
  function: (args) => {
    const parsed = z.object({ problem: z.string() }).safeParse(args);
    return Promise.resolve(`Error: ${parsed.success ? parsed.data.problem : "the call can't be read."}`);
  },
};

async function chooseLevel(options: WorkersAiOptions, question: Extract<Question, { kind: "level" }>): Promise<Advice> {
  const ai = wrapAi({ ...options, prompt: CHOOSE_LEVEL.version, bounds: BOUNDS });
  const { floor, total, currency, categories, note } = question;
  const facts = JSON.stringify({ floor, total: formatMoney(total, currency), categories, note });
  const messages: AiMessage[] = [
    { role: "system", content: CHOOSE_LEVEL.system },
    { role: "user", content: facts },
  ];
  let level: Level | null = null;
  const failure = await failureOf(ai, async () => {
    for (let round = 0; level === null && round <= REPAIRS; round++) {
      const text = await ai.ask(options.model, messages);
      level = readLevel(text);
      messages.push({ role: "assistant", content: text.slice(0, 200) });
      messages.push({ role: "user", content: CHOOSE_LEVEL.repair });
    }
  });
  const unread = failure === null && level === null ? "The model's answer is no level." : failure;
  return {
    choices: [],
    calls: [...ai.calls],
    ...(level === null ? {} : { level }),
    ...(unread === null ? {} : { failure: unread }),
  };
}

function readLevel(text: string): Level | null {
  const word = text
    .trim()
    .toLowerCase()
    .replaceAll(/^["'`]+|["'`.]+$/g, "");
  return LEVELS.find((level) => level === word) ?? null;
}

/** Why the work failed, or null. The wrapper's own record is used where it has one: the library hides the cause. */
async function failureOf(ai: WrappedAi, work: () => Promise<void>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    return ai.calls.at(-1)?.error ?? messageOf(error);
  }
}
