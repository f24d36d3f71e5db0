import fc from "fast-check";
import { describe, it } from "vitest";
import { matchPart, wordsOf } from "../../../src/domain/part-match.ts";
import { resolveChoice, resolveLine, type PartCandidate } from "../../../src/domain/parts-resolution.ts";
import type { RequestLine } from "../../../src/domain/request-line.ts";

function part(sku: string, name: string, more: Partial<PartCandidate> = {}): PartCandidate {
  return {
    sku,
    name,
    description: "",
    category: "engine",
    unit: "EA",
    listPrice: 4_500,
    currency: "USD",
    barcode: null,
    supersededBy: null,
    discontinued: false,
    packs: [],
    ...more,
  };
}

const volvoPump = part("PUMP-001", "Coolant pump", { description: "Volvo FH engine" });
const scaniaPump = part("PUMP-002", "Coolant pump", { description: "Scania R engine" });
const fuse5 = part("FUSE-005", "Blade fuse 5A", { category: "electronics", packs: [{ unit: "box", size: 50 }] });
const fuse10 = part("FUSE-010", "Blade fuse 10A", { category: "electronics" });
const oldFilter = part("FILT-001", "Oil filter", { supersededBy: "FILT-002" });
const newFilter = part("FILT-002", "Oil filter long life");
const catalogue = [volvoPump, scaniaPump, fuse5, fuse10, oldFilter, newFilter];

const bySku = (sku: string, more: Partial<RequestLine> = {}): RequestLine => ({ line: 1, sku, quantity: 2, ...more });
const byText = (text: string, more: Partial<RequestLine> = {}): RequestLine => ({
  line: 1,
  text,
  quantity: 2,
  ...more,
});
const chosen = (line: RequestLine, candidates: readonly PartCandidate[] = catalogue) => {
  const { ok, line: result } = resolveLine(line, candidates);
  return ok ? result.sku : result.kind;
};

describe("a line with a SKU", () => {
  it("is the part of that SKU, in any ASCII case, or of that barcode", ({ expect }) => {
    expect(chosen(bySku("PUMP-001"))).toBe("PUMP-001");
    expect(chosen(bySku("pump-001"))).toBe("PUMP-001");
    const { line } = resolveLine(bySku("4006381333931"), [part("A-1", "Pen", { barcode: "4006381333931" })]);
    expect(line).toMatchObject({ sku: "A-1", how: "barcode" });
  });

  it.for(["PUMP-OO1", "РUMP-001", "PUMP-00１", "PUMP-001\u200b", "PUMP-00", "PUMP-%", ""])(
    "is unknown when it only looks like one: %j",
    (sku, { expect }) => {
      expect(chosen(bySku(sku))).toBe("unknown_sku");
    },
  );

  it("doesn't take the Kelvin sign for a k", ({ expect }) => {
    expect(chosen(bySku("\u212AIT-001"), [part("KIT-001", "Kit")])).toBe("unknown_sku");
  });

  it("goes to the successor of a superseded part, over several steps, and says so", ({ expect }) => {
    const newest = part("FILT-003", "Oil filter 3");
    const { line } = resolveLine(bySku("FILT-001"), [oldFilter, { ...newFilter, supersededBy: "FILT-003" }, newest]);
    expect(line).toMatchObject({
      sku: "FILT-003",
      reason: expect.stringContaining("FILT-001 is superseded by FILT-003") as string,
    });
  });

  it("is unresolved when the successor is missing or is a circle, and of a discontinued one only stock is left", ({
    expect,
  }) => {
    expect(chosen(bySku("FILT-001"), [oldFilter])).toBe("discontinued");
    expect(chosen(bySku("FILT-001"), [oldFilter, { ...newFilter, supersededBy: "FILT-001" }])).toBe("discontinued");
    const { line } = resolveLine(bySku("FILT-001"), [oldFilter, { ...newFilter, discontinued: true }]);
    expect(line).toMatchObject({
      sku: "FILT-002",
      discontinued: true,
      reason: expect.stringContaining("FILT-002 is discontinued and has no successor: only what is in stock") as string,
    });
    const gone = resolveLine(bySku("A-1"), [part("A-1", "Gone", { discontinued: true })]);
    expect(gone).toMatchObject({ ok: true, line: { sku: "A-1", discontinued: true } });
  });

  it("names the circle in which the catalogue's replacements go", ({ expect }) => {
    const parts = ["A-1", "A-2", "A-3"].map((sku, at, all) =>
      part(sku, sku, { supersededBy: all[(at + 1) % 3] ?? "" }),
    );
    expect(resolveLine(bySku("A-2"), parts)).toMatchObject({
      ok: false,
      line: {
        kind: "discontinued",
        reason: "The catalogue's replacements go round in a circle: A-2 → A-3 → A-1 → A-2.",
      },
    });
  });
});

describe("a line in free text", () => {
  it.for([
    ["coolant pumps for the Volvo", "PUMP-001"],
    ["coolant pump Scania", "PUMP-002"],
    ["5 A fuses", "FUSE-005"],
    ["blade fuses, 5 amps", "FUSE-005"],
    ["5A blade fuse for the truck", "FUSE-005"],
    ["oil filter", "FILT-002"],
    ["fuse-010", "FUSE-010"],
  ] as const)("%s is %s", ([text, sku], { expect }) => {
    expect(chosen(byText(text))).toBe(sku);
  });

  it.for([
    ["coolant pump", "ambiguous"],
    ["fuses", "ambiguous"],
    ["coolant pump for the Renault", "ambiguous"],
    ["20 A fuse", "no_match"],
    ["Volvo", "ambiguous"],
    ["windscreen", "no_match"],
    ["for the", "no_match"],
  ] as const)("%s is %s: not guessed", ([text, kind], { expect }) => {
    expect(chosen(byText(text))).toBe(kind);
  });

  it("names what may be meant, the likeliest first", ({ expect }) => {
    const { line } = resolveLine(byText("coolant pump"), catalogue);
    expect(line).toMatchObject({ suggestions: [{ sku: "PUMP-001" }, { sku: "PUMP-002" }] });
  });

  it("prefers the same words to a longer name, and a live part to a discontinued namesake", ({ expect }) => {
    expect(chosen(byText("fuse"), [part("F-1", "Fuse"), part("F-2", "Fuse box")])).toBe("F-1");
    expect(chosen(byText("fuse"), [part("F-1", "Fuse", { discontinued: true }), part("F-2", "Fuse")])).toBe("F-2");
    const exact = resolveLine(byText("fuse"), [part("F-1", "Fuse", { discontinued: true }), part("F-2", "Fuse box")]);
    expect(exact).toMatchObject({ ok: true, line: { sku: "F-1", discontinued: true } });
  });

  it("gives the same answer whatever the order of the candidates, and only ever one of them", ({ expect }) => {
    const words = fc.array(
      fc.constantFrom("coolant", "pump", "fuse", "5", "A", "volvo", "oil", "filters", "the", "ß", "x"),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(words, fc.shuffledSubarray(catalogue, { minLength: 0 }), (text, candidates) => {
        const answer = resolveLine(byText(text.join(" ")), candidates);
        expect(resolveLine(byText(text.join(" ")), candidates.toReversed())).toEqual(answer);
        if (answer.ok) expect(candidates.map((one) => one.sku)).toContain(answer.line.sku);
        else
          expect(answer.line.suggestions.every((one) => candidates.some((other) => other.sku === one.sku))).toBe(true);
      }),
    );
  });
});

describe("units", () => {
  it.for([
    ["each", 2],
    ["pcs", 2],
    ["box", 100],
    ["Boxes", 100],
    ["dozen", 24],
  ] as const)("2 %s of fuses are %d", ([unit, quantity], { expect }) => {
    expect(resolveLine(bySku("FUSE-005", { unit }), catalogue).line).toMatchObject({ quantity, unit: "EA" });
  });

  it("without a known size, or with two, are asked about", ({ expect }) => {
    expect(chosen(bySku("FUSE-005", { unit: "pallet" }))).toBe("unit");
    expect(chosen(bySku("FUSE-010", { unit: "box" }))).toBe("unit");
    const two = {
      ...fuse5,
      packs: [
        { unit: "BX", size: 50 },
        { unit: "box", size: 100 },
      ],
    };
    expect(resolveLine(bySku("FUSE-005", { unit: "box" }), [two]).line).toMatchObject({
      kind: "unit",
      reason: expect.stringContaining("50 and 100") as string,
    });
  });

  it("never make a quantity that can't be counted", ({ expect }) => {
    const many = { ...fuse5, packs: [{ unit: "pallet", size: 1_000_000_000 }] };
    expect(chosen(bySku("FUSE-005", { unit: "pallet" }), [many])).toBe("quantity");
  });
});

describe("a choice made for a line", () => {
  it("holds only among what was offered, and under the same rules", ({ expect }) => {
    const line = byText("coolant pump");
    const allowed = ["PUMP-001", "PUMP-002"];
    expect(resolveChoice(line, "PUMP-002", allowed, catalogue)).toMatchObject({
      ok: true,
      line: { sku: "PUMP-002", how: "model" },
    });
    expect(resolveChoice(line, "FUSE-005", allowed, catalogue)).toBeNull();
    expect(resolveChoice(line, "PUMP-999", allowed, catalogue)).toBeNull();
    expect(resolveChoice({ ...line, unit: "box" }, "PUMP-001", allowed, catalogue)).toMatchObject({
      ok: false,
      line: { kind: "unit" },
    });
  });
});

describe("words", () => {
  it("join a number and its measure, and keep decimals", ({ expect }) => {
    expect(wordsOf("Fuse 5 A, 12V 1.5 mm²")).toEqual(["fuse", "5a", "12v", "1p5", "mm2"]);
  });

  it("match in singular and plural, and tell a tub from a tube", ({ expect }) => {
    for (const [asked, name] of [
      ["fuses", "Fuse"],
      ["boxes", "Box"],
      ["batteries", "Battery"],
      ["hose", "Hoses"],
    ] as const) {
      expect(matchPart(asked, { sku: "X", name, description: "", category: "" }).exact, asked).toBe(true);
    }
    expect(matchPart("tub", { sku: "X", name: "Tube", description: "", category: "" }).found).toBe(0);
  });
});
