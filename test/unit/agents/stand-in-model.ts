/**
 * A stand-in for the AI binding. Its answers are written by hand in the two shapes that Workers AI documents; nothing
 * here shows how well a model would choose, only what becomes of whatever it answers.
 */
import type { AiBinding } from "../../../src/agents/ai-binding.ts";

export interface Asked {
  readonly model: string;
  readonly messages: readonly { role: string; content: string; name?: string }[];
  readonly tools?: readonly { type: string; function: { name: string; parameters: unknown } }[];
  readonly tool_choice?: string;
  readonly temperature?: number;
  readonly max_tokens?: number;
}

/** Answers in order; a function is called, so that it can throw or hang. The last answer repeats. */
export function standInModel(...answers: readonly unknown[]): AiBinding & { readonly asked: Asked[] } {
  const asked: Asked[] = [];
  return {
    asked,
    run: async (model, inputs) => {
      const answer = answers[Math.min(asked.length, answers.length - 1)];
      asked.push({ model, ...(JSON.parse(JSON.stringify(inputs)) as Omit<Asked, "model">) });
      return typeof answer === "function" ? await (answer as () => unknown)() : answer;
    },
  };
}

/** The shape of the older models: arguments are an object. */
export function plainCall(name: string, args: unknown) {
  return { response: null, tool_calls: [{ name, arguments: args }] };
}

/** The shape of OpenAI: arguments are a string, calls have ids. */
export function openAiCall(name: string, args: unknown, usage = 120) {
  const call = { id: "call_1", type: "function", function: { name, arguments: JSON.stringify(args) } };
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    choices: [
      { index: 0, finish_reason: "tool_calls", message: { role: "assistant", content: null, tool_calls: [call] } },
    ],
    usage: { prompt_tokens: usage - 20, completion_tokens: 20, total_tokens: usage },
  };
}
