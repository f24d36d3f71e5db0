import { describe, it } from "vitest";
import { readRequestFile } from "../../src/domain/request-file.ts";
import { workersAiEngine } from "../../src/agents/workers-ai-engine.ts";
import { systemClock } from "../../src/clock.ts";

describe("in workerd", () => {
  it("the CSV reader loads and reads bytes with BOM, CRLF and quotes", ({ expect }) => {
    const csv = '\uFEFFsku,quantity,unit,note\r\nPUMP-001,2,each,"for the ""blue"" truck, left"\r\nFILT-017,0,,\r\n';
    expect(readRequestFile("text/csv", new TextEncoder().encode(csv), { maxLines: 10 })).toEqual({
      ok: false,
      problems: [{ line: 3, column: "quantity", value: "0", detail: "The quantity is 0: it must be 1 or more." }],
    });
    const good = readRequestFile("text/csv", new TextEncoder().encode(csv.replace(",0,", ",4,")), { maxLines: 10 });
    expect(good).toMatchObject({
      ok: true,
      lines: [
        { line: 2, note: 'for the "blue" truck, left' },
        { line: 3, quantity: 4 },
      ],
    });
  });

  it("bytes that aren't UTF-8 and an open quote are problems, not faults", ({ expect }) => {
    const read = (body: Uint8Array | string) => readRequestFile("text/csv", body, { maxLines: 10 });
    expect(read(new Uint8Array([0x73, 0x0a, 0xff]))).toMatchObject({ ok: false, problems: [{ line: 2 }] });
    expect(read('sku,quantity\n"A-1,1\n')).toMatchObject({
      ok: false,
      problems: [{ detail: "A quoted cell is not closed." }],
    });
  });

  it("ai-utils runs its tool loop over the wrapper (the model's answer is hand-written)", async ({ expect }) => {
    const call = { function: { name: "choose_part", arguments: '{"line":1,"sku":"PUMP-001"}' } };
    const ai = { run: () => Promise.resolve({ choices: [{ message: { content: null, tool_calls: [call] } }] }) };
    const engine = workersAiEngine({ ai, model: "m", clock: systemClock });
    const lines = [{ line: 1, text: "pump", candidates: [{ sku: "PUMP-001", name: "Pump", description: "" }] }];
    const advice = await engine.advise("PartsSpecialist", { kind: "choose_parts", lines });
    expect(advice.choices).toEqual([{ line: 1, sku: "PUMP-001" }]);
  });
});
