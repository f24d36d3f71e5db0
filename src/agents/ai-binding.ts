/**
 * The wrapper around the AI binding that ai-utils' `runWithTools` talks to. It bounds every call (time, answer,
 * tokens of the whole decision), records it for the trace, and makes up for what the library leaves out: it reads one
 * answer shape only, skips unknown tools and broken arguments in silence, and always makes one call too many.
 */
import { aiCost } from "../config/ai.ts";
import { AppError, messageOf } from "../domain/errors.ts";
import type { Clock } from "../domain/ports.ts";
import { readAnswer, type ModelAnswer } from "./ai-answer.ts";
import type { AiCall } from "./engine.ts";

/** What is used of the `AI` binding. */
export interface AiBinding {
  run(model: string, inputs: Record<string, unknown>): Promise<unknown>;
}

export interface AiMessage {
  readonly role: string;
  readonly content: string;
  readonly name?: string;
}

export interface AiBounds {
  readonly timeoutMs: number;
  readonly maxTokens: number;
  /** Tokens of all calls of one decision. */
  readonly tokenBudget: number;
}

export interface WrapOptions {
  /** Version of the prompt, for the record. */
  readonly prompt: string;
  readonly ai: AiBinding;
  readonly clock: Clock;
  readonly bounds: AiBounds;
  /** Runs a call under the dependency's circuit breaker; throws when that is open. */
  readonly guard?: (<T>(call: () => Promise<T>) => Promise<T>) | undefined;
  /** True when nothing is left to ask: the library's further rounds are answered without a call. */
  readonly isDone?: () => boolean;
}

/** The tool to which unknown and unreadable calls are turned; the model never sees it, only its answer. */
export const REFUSED_CALL = "refused_call";

/** The answer shape that the library reads. */
export interface LibraryAnswer {
  readonly response: string;
  readonly tool_calls?: readonly { readonly name: string; readonly arguments: unknown }[];
}

interface ToolEntry {
  readonly function: { readonly name: string };
}

export interface WrappedAi {
  /** For the library. A call without tools is its last one, and is answered with the text that is there already. */
  run(model: string, inputs: { messages: readonly AiMessage[]; tools?: readonly ToolEntry[] }): Promise<LibraryAnswer>;
  /** One call without tools: the text of the answer. */
  ask(model: string, messages: readonly AiMessage[]): Promise<string>;
  readonly calls: readonly AiCall[];
}

const RAW_ANSWER_CHARACTERS = 2_000;

export function wrapAi(options: WrapOptions): WrappedAi {
  const { ai, clock, bounds, prompt } = options;
  const guard = options.guard ?? ((work) => work());
  const calls: AiCall[] = [];
  let spent = 0;
  let lastText = "";
  let shape: ModelAnswer["shape"] = "plain";

  async function call(
    model: string,
    messages: readonly AiMessage[],
    tools: readonly ToolEntry[],
  ): Promise<ModelAnswer> {
    if (spent >= bounds.tokenBudget)
      throw new AppError("OVER_LIMIT", `The token budget of ${bounds.tokenBudget} is used up.`);
    const inputs = {
      messages,
      stream: false,
      temperature: 0,
      max_tokens: bounds.maxTokens,
      ...(tools.length === 0 ? {} : { tools, tool_choice: "auto" }),
    };
    const sent = estimateTokens(JSON.stringify(inputs));
    const started = clock.now();
    let raw: unknown;
    try {
      raw = await guard(() => inTime(ai.run(model, inputs), clock, bounds.timeoutMs));
      const answer = readAnswer(raw);
      if (!answer) throw new AppError("DEPENDENCY_FAILED", "The model's answer has no known shape.");
      const tokens = answer.tokens ?? sent + estimateTokens(JSON.stringify(raw));
      spent += tokens;
      const cost = aiCost(model, sent, Math.max(0, tokens - sent));
      calls.push({ model, prompt, ms: clock.now() - started, tokens, cost, answer: shownAnswer(raw) });
      return answer;
    } catch (error) {
      spent += sent;
      const answer = raw === undefined ? {} : { answer: shownAnswer(raw) };
      const cost = aiCost(model, sent, 0);
      calls.push({ model, prompt, ms: clock.now() - started, tokens: sent, cost, ...answer, error: messageOf(error) });
      throw error;
    }
  }

  return {
    calls,
    async run(model, inputs) {
      const known = (inputs.tools ?? []).filter((tool) => tool.function.name !== REFUSED_CALL);
      if (known.length === 0 || options.isDone?.() === true) return { response: lastText };
      const answer = await call(
        model,
        shape === "openai" ? inputs.messages.map(withoutToolRole) : inputs.messages,
        known,
      );
      shape = answer.shape;
      lastText = answer.text;
      const names = known.map((tool) => tool.function.name);
      return { response: answer.text, tool_calls: answer.toolCalls.map((one) => checkedCall(one, names)) };
    },
    async ask(model, messages) {
      return (await call(model, messages, [])).text;
    },
  };
}

/** OpenAI's shape wants a call's id in each tool message, and the library has none: the result goes as plain words. */
function withoutToolRole(message: AiMessage): AiMessage {
  if (message.role !== "tool") return message;
  return { role: "user", content: `Result of ${message.name ?? "the tool"}: ${message.content}` };
}

function checkedCall(
  call: ModelAnswer["toolCalls"][number],
  names: readonly string[],
): { name: string; arguments: unknown } {
  const called = call.name.slice(0, 100);
  if (!names.includes(call.name)) {
    return {
      name: REFUSED_CALL,
      arguments: { called, problem: `There is no tool ${called}; use ${names.join(", ")}.` },
    };
  }
  if (call.arguments === null) {
    return { name: REFUSED_CALL, arguments: { called, problem: `The arguments of ${called} are not a JSON object.` } };
  }
  return { name: call.name, arguments: call.arguments };
}

async function inTime<T>(work: Promise<T>, clock: Clock, ms: number): Promise<T> {
  const late = clock.after(ms).then((): never => {
    throw new AppError("DEADLINE_EXCEEDED", `The model didn't answer within ${ms} ms.`, { retryable: true });
  });
  return Promise.race([work, late]);
}

/** About four characters a token: for answers that don't state their usage. */
function estimateTokens(text: string | undefined): number {
  return Math.ceil((text?.length ?? 0) / 4);
}

function shownAnswer(raw: unknown): string {
  const text = typeof raw === "string" ? raw : (JSON.stringify(raw) ?? String(raw));
  return text.slice(0, RAW_ANSWER_CHARACTERS);
}
