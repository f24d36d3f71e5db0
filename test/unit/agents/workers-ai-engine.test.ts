import fc from "fast-check";
import { describe, it } from "vitest";
import { readAnswer } from "../../../src/agents/ai-answer.ts";
import { adviceSchema, type OpenLine } from "../../../src/agents/engine.ts";
import { workersAiEngine } from "../../../src/agents/workers-ai-engine.ts";
import { AI_MAX_TOKENS, AI_TIMEOUT_MS, AI_TOKEN_BUDGET } from "../../../src/config.ts";
import { LEVELS } from "../../../src/domain/approval-level.ts";
import { AppError } from "../../../src/domain/errors.ts";
import { stoppedClock } from "../../support/stopped-clock.ts";
import { openAiCall, plainCall, standInModel } from "./stand-in-model.ts";

const MODEL = "@cf/zai-org/glm-4.7-flash";
const pump: OpenLine = {
  line: 1,
  text: "coolant pump",
  candidates: [
    { sku: "PUMP-001", name: "Coolant pump", description: "Volvo" },
    { sku: "PUMP-002", name: "Coolant pump", description: "Scania" },
  ],
};
const fuse: OpenLine = { line: 2, text: "fuse", candidates: [{ sku: "FUSE-005", name: "Fuse 5A", description: "" }] };

function engineOn(...answers: unknown[]) {
  const ai = standInModel(...answers);
  const clock = stoppedClock();
  const engine = workersAiEngine({ ai, model: MODEL, clock });
  const choose = (...lines: OpenLine[]) => engine.advise("PartsSpecialist", { kind: "choose_parts", lines });
  return { ai, clock, engine, choose };
}

const right = { line: 1, sku: "PUMP-002" };

describe("choosing parts with runWithTools (the model's answers are hand-written)", () => {
  it.for([
    ["the plain shape", plainCall("choose_part", right)],
    ["the plain shape with arguments as a string", plainCall("choose_part", JSON.stringify(right))],
    ["OpenAI's shape", openAiCall("choose_part", right)],
  ] as const)("reads %s, in one call, bounded and without randomness", async ([, answer], { expect }) => {
    const { ai, choose } = engineOn(answer);
    const advice = await choose(pump);
    expect(advice).toMatchObject({ choices: [right], calls: [{ model: MODEL, ms: 0 }] });
    expect(advice.failure).toBeUndefined();
    expect(ai.asked).toHaveLength(1);
    expect(ai.asked[0]).toMatchObject({
      model: MODEL,
      temperature: 0,
      max_tokens: AI_MAX_TOKENS,
      tool_choice: "auto",
      stream: false,
    });
    expect(ai.asked[0]?.tools?.map((tool) => tool.function.name)).toEqual(["choose_part"]);
    expect(adviceSchema.parse(advice)).toEqual(advice);
  });

  it("takes several lines from one answer and counts the tokens that the answer states", async ({ expect }) => {
    const { choices } = openAiCall("choose_part", right);
    const second = {
      id: "call_2",
      type: "function",
      function: { name: "choose_part", arguments: '{"line":2,"sku":"FUSE-005"}' },
    };
    choices[0]?.message.tool_calls.push(second);
    const { ai, choose } = engineOn({ choices, usage: { total_tokens: 321 } });
    const advice = await choose(pump, fuse);
    expect(advice.choices).toEqual([right, { line: 2, sku: "FUSE-005" }]);
    expect(advice.calls[0]?.tokens).toBe(321);
    expect(ai.asked).toHaveLength(1);
  });

  it("spares the library's last call when the model chooses nothing", async ({ expect }) => {
    const { ai, choose } = engineOn({ response: "Both pumps are possible." });
    expect(await choose(pump)).toMatchObject({ choices: [] });
    expect(ai.asked).toHaveLength(1);
  });

  it.for([
    ["an unknown tool", "approve_request", { line: 1 }, "There is no tool approve_request; use choose_part."],
    ["arguments that are no JSON", "choose_part", "{line:", "The arguments of choose_part are not a JSON object."],
    [
      "arguments of another form",
      "choose_part",
      { line: "1" },
      "choose_part takes line (a whole number) and sku (a string).",
    ],
    [
      "a SKU outside the list",
      "choose_part",
      { line: 1, sku: "PUMP-999" },
      "that sku is not a candidate of that line.",
    ],
    [
      "a SKU of another line's list",
      "choose_part",
      { line: 2, sku: "PUMP-001" },
      "that sku is not a candidate of that line.",
    ],
    [
      "an extra field",
      "choose_part",
      { ...right, approved: true },
      "choose_part takes line (a whole number) and sku (a string).",
    ],
  ] as const)(
    "answers %s with a tool message and lets the model repair it once",
    async ([, tool, args, says], { expect }) => {
      const { ai, choose } = engineOn(plainCall(tool, args), plainCall("choose_part", right));
      const advice = await choose(pump);
      expect(advice.choices).toEqual([right]);
      const messages = ai.asked[1]?.messages ?? [];
      expect(messages.at(-1)).toMatchObject({ role: "tool", content: expect.stringContaining(says) as string });
      expect(ai.asked[1]?.tools?.map((one) => one.function.name)).toEqual(["choose_part"]);
    },
  );

  it("gives the result as plain words to a model of OpenAI's shape, which would miss the call's id", async ({
    expect,
  }) => {
    const { ai, choose } = engineOn(openAiCall("choose_part", { line: 1, sku: "X" }), openAiCall("choose_part", right));
    expect((await choose(pump)).choices).toEqual([right]);
    const last = ai.asked[1]?.messages.at(-1);
    expect(last?.role).toBe("user");
    expect(last?.content).toMatch(/^Result of choose_part: .*not a candidate/);
  });

  it("stops after one repair, whatever the model goes on asking for", async ({ expect }) => {
    const { ai, choose } = engineOn(plainCall("delete_everything", {}));
    expect(await choose(pump)).toMatchObject({ choices: [] });
    expect(ai.asked).toHaveLength(2);
  });

  it("drops a line for which the model contradicts itself", async ({ expect }) => {
    const calls = [right, { line: 1, sku: "PUMP-001" }].map((args) => ({ name: "choose_part", arguments: args }));
    const { choose } = engineOn({ response: "", tool_calls: calls });
    expect((await choose(pump)).choices).toEqual([]);
  });

  it.for([
    ["null", null],
    ["a number", 42],
    ["a web page", "<html>busy</html>"],
    ["an empty object", {}],
    ["no choices", { choices: [] }],
    ["a call without a name", { tool_calls: [{ arguments: {} }] }],
  ] as const)("falls back on %s, and the record says so", async ([, answer], { expect }) => {
    const { choose } = engineOn(answer);
    const advice = await choose(pump);
    expect(advice).toMatchObject({ choices: [], failure: "The model's answer has no known shape." });
    expect(advice.calls).toMatchObject([{ error: "The model's answer has no known shape." }]);
  });

  it("falls back when the call fails, with the cause that the library hides", async ({ expect }) => {
    const { choose } = engineOn(() => {
      throw new Error("5007: No such model");
    });
    expect(await choose(pump)).toMatchObject({ choices: [], failure: "5007: No such model" });
  });

  it("waits two seconds for a model that hangs, by the clock, and falls back", async ({ expect }) => {
    const begun = Promise.withResolvers<void>();
    const { clock, choose } = engineOn(() => {
      begun.resolve();
      return new Promise(() => {});
    });
    const advice = choose(pump);
    await begun.promise;
    clock.move(AI_TIMEOUT_MS - 1);
    const early = await Promise.race([advice.then(() => "answered"), Promise.resolve("still waiting")]);
    expect(early).toBe("still waiting");
    clock.move(1);
    expect(await advice).toMatchObject({
      choices: [],
      failure: "The model didn't answer within 2000 ms.",
      calls: [{ ms: 2_000 }],
    });
  });

  it("ignores an answer that comes after the time-out", async ({ expect }) => {
    const begun = Promise.withResolvers<void>();
    const late = Promise.withResolvers<unknown>();
    const { clock, choose } = engineOn(() => {
      begun.resolve();
      return late.promise;
    });
    const advice = choose(pump);
    await begun.promise;
    clock.move(AI_TIMEOUT_MS);
    expect((await advice).choices).toEqual([]);
    late.resolve(plainCall("choose_part", right));
    await late.promise;
    expect((await advice).choices).toEqual([]);
  });

  it("keeps what was chosen before a failing repair", async ({ expect }) => {
    const { choose } = engineOn(plainCall("choose_part", right), () => Promise.reject(new Error("gone")));
    expect(await choose(pump, fuse)).toMatchObject({ choices: [right], failure: "gone" });
  });

  it("stops when the token budget of the decision is used up", async ({ expect }) => {
    const { ai, choose } = engineOn(openAiCall("unknown", {}, AI_TOKEN_BUDGET));
    expect((await choose(pump)).failure).toContain(`token budget of ${AI_TOKEN_BUDGET}`);
    expect(ai.asked).toHaveLength(1);
  });

  it("asks about ten lines at most", async ({ expect }) => {
    const lines = Array.from({ length: 15 }, (_, index) => ({ ...pump, line: index + 1 }));
    const { ai, choose } = engineOn({ response: "" });
    await choose(...lines);
    const { lines: sent } = JSON.parse(ai.asked[0]?.messages[1]?.content ?? "{}") as { lines: unknown[] };
    expect(sent).toHaveLength(10);
  });

  it("makes no call when the breaker is open", async ({ expect }) => {
    const ai = standInModel(plainCall("choose_part", right));
    const guard = () => Promise.reject(new AppError("CIRCUIT_OPEN", "workers-ai is open"));
    const engine = workersAiEngine({ ai, model: MODEL, clock: stoppedClock(), guard });
    const advice = await engine.advise("PartsSpecialist", { kind: "choose_parts", lines: [pump] });
    expect(advice).toMatchObject({ choices: [], failure: "workers-ai is open" });
    expect(ai.asked).toHaveLength(0);
  });

  it("gives only ids of the closed list, for any answer at all", async ({ expect }) => {
    const args = fc.oneof(
      fc.record({
        line: fc.integer({ min: 0, max: 3 }),
        sku: fc.constantFrom("PUMP-001", "PUMP-002", "FUSE-005", "X"),
      }),
      fc.jsonValue(),
    );
    const call = fc.record({
      name: fc.constantFrom("choose_part", "refused_call", "constructor", "x"),
      arguments: fc.oneof(
        args,
        args.map((one) => JSON.stringify(one)),
      ),
    });
    const answer = fc.oneof(
      fc.jsonValue(),
      fc.record({ response: fc.option(fc.string()), tool_calls: fc.array(call, { maxLength: 4 }) }),
      fc.array(call, { maxLength: 4 }).map((calls) => ({
        choices: [{ message: { content: null, tool_calls: calls.map((one) => ({ function: one })) } }],
      })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { minLength: 1, maxLength: 3 }), async (answers) => {
        const { choose, ai } = engineOn(...answers);
        const advice = await choose(pump, fuse);
        for (const { line, sku } of advice.choices) {
          expect([pump, fuse].find((one) => one.line === line)?.candidates.map((one) => one.sku)).toContain(sku);
        }
        expect(ai.asked.length).toBeLessThanOrEqual(2);
      }),
      { numRuns: 300 },
    );
  });
});

describe("asking for a level", () => {
  const question = {
    kind: "level",
    floor: "one",
    total: 20_000,
    currency: "USD",
    categories: ["engine"],
    note: "urgent!",
  } as const;

  it("makes a call without tools, and reads one word", async ({ expect }) => {
    const { ai, engine } = engineOn({ response: ' "Two". ' });
    expect(await engine.advise("RequestRouter", question)).toMatchObject({ level: "two", choices: [] });
    expect(ai.asked).toHaveLength(1);
    expect(ai.asked[0]?.tools).toBeUndefined();
  });

  it("repairs once, then gives no level and says why", async ({ expect }) => {
    const repaired = engineOn(
      { response: "I would say it needs two." },
      { choices: [{ message: { content: "two" } }] },
    );
    expect(await repaired.engine.advise("RequestRouter", question)).toMatchObject({ level: "two" });
    const stubborn = engineOn({ response: "approved" });
    const advice = await stubborn.engine.advise("RequestRouter", question);
    expect(advice).toMatchObject({ failure: "The model's answer is no level." });
    expect(advice.level).toBeUndefined();
    expect(stubborn.ai.asked).toHaveLength(2);
  });

  it("falls back when the model hangs", async ({ expect }) => {
    const begun = Promise.withResolvers<void>();
    const { clock, engine } = engineOn(() => {
      begun.resolve();
      return new Promise(() => {});
    });
    const advice = engine.advise("RequestRouter", question);
    await begun.promise;
    clock.move(AI_TIMEOUT_MS);
    expect(await advice).toMatchObject({ failure: "The model didn't answer within 2000 ms." });
  });

  it("gives a level of the lattice or none, for any text", async ({ expect }) => {
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom(...LEVELS),
      fc.constantFrom("AUTO", "auto.", "level: auto", "none"),
    );
    await fc.assert(
      fc.asyncProperty(text, async (response) => {
        const { engine } = engineOn({ response });
        const advice = await engine.advise("RequestRouter", question);
        expect([undefined, ...LEVELS]).toContain(advice.level);
        expect(advice.level === undefined).toBe(advice.failure !== undefined);
      }),
    );
  });
});

describe("reading an answer", () => {
  it("never throws and finds calls in both shapes", ({ expect }) => {
    fc.assert(fc.property(fc.anything(), (raw) => void readAnswer(raw)));
    const plain = readAnswer(plainCall("f", { a: 1 }));
    const openAi = readAnswer(openAiCall("f", { a: 1 }));
    expect(plain?.toolCalls).toEqual([{ name: "f", arguments: { a: 1 } }]);
    expect(openAi).toMatchObject({ toolCalls: plain?.toolCalls, tokens: 120 });
  });
});
