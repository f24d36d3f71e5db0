/**
 * Reads what a model answered, in either shape that Workers AI gives: `{response, tool_calls: [{name, arguments}]}` or
 * OpenAI's `{choices: [{message: {content, tool_calls: [{function: {name, arguments: "…"}}]}}]}`.
 * Source: https://developers.cloudflare.com/workers-ai/features/function-calling/
 */
import { z } from "zod";

export interface ToolCall {
  readonly name: string;
  /** null: the model's arguments are no JSON object. */
  readonly arguments: Readonly<Record<string, unknown>> | null;
}

export interface ModelAnswer {
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  /** As the answer states; null when it doesn't. */
  readonly tokens: number | null;
  readonly shape: "plain" | "openai";
}

const callSchema = z.union([
  z.object({ function: z.object({ name: z.string(), arguments: z.unknown() }) }).transform((call) => call.function),
  z.object({ name: z.string(), arguments: z.unknown() }),
]);
const callsSchema = z.array(callSchema).nullish();
const usageSchema = z.object({ total_tokens: z.number().nonnegative().nullish() }).nullish();

const plainSchema = z
  .object({ response: z.unknown(), tool_calls: callsSchema, usage: usageSchema })
  .refine((answer) => typeof answer.response === "string" || Array.isArray(answer.tool_calls));
const openAiSchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string().nullish(), tool_calls: callsSchema }) })).min(1),
  usage: usageSchema,
});

type RawCalls = z.output<typeof callsSchema>;

/** The answer, or null when it has neither shape. */
export function readAnswer(raw: unknown): ModelAnswer | null {
  const openAi = openAiSchema.safeParse(raw);
  if (openAi.success) {
    const message = openAi.data.choices[0]?.message;
    const tokens = openAi.data.usage?.total_tokens;
    return { shape: "openai", ...answerOf(message?.content ?? "", message?.tool_calls, tokens) };
  }
  const plain = plainSchema.safeParse(raw);
  if (!plain.success) return null;
  const { response, tool_calls, usage } = plain.data;
  const text = typeof response === "string" ? response : "";
  return { shape: "plain", ...answerOf(text, tool_calls, usage?.total_tokens) };
}

function answerOf(text: string, calls: RawCalls, tokens: number | null | undefined): Omit<ModelAnswer, "shape"> {
  const toolCalls = (calls ?? []).map((call) => ({ name: call.name, arguments: readArguments(call.arguments) }));
  return { text, toolCalls, tokens: tokens === null || tokens === undefined ? null : Math.ceil(tokens) };
}

function readArguments(written: unknown): ToolCall["arguments"] {
  let value = written;
  if (typeof written === "string") {
    try {
      value = JSON.parse(written);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return null;
    }
  }
  const parsed = z.record(z.string(), z.unknown()).safeParse(value);
  return parsed.success ? parsed.data : null;
}
