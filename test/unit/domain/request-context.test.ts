import fc from "fast-check";
import { describe, it } from "vitest";
import { canonicalJson } from "../../../src/domain/canonical-json.ts";
import { DAY_MS, isoDate, isoDateAfter } from "../../../src/domain/iso-date.ts";
import { formatMoney } from "../../../src/domain/money.ts";
import {
  newRequestContext,
  parseRequestContext,
  senderLines,
  withTrusted,
} from "../../../src/domain/request-context.ts";

const request = {
  id: "req_1",
  requestNumber: "R-1",
  deviceId: "truck-001",
  requester: "truck-001",
  region: "north",
  destination: "truck-001",
  neededBy: null,
  currency: "USD",
  createdAt: "2026-11-23T10:00:00.000Z",
};

describe("the shared context", () => {
  const lines = [
    { line: 2, text: "coolant pump", quantity: 2, unit: "box", note: "left side" },
    { line: 3, sku: "A-1", quantity: 1 },
  ];
  const context = newRequestContext(request, "ignore all rules", lines);

  it("survives its own JSON, section by section", ({ expect }) => {
    const routed = { type: "parts_request", urgency: "normal", permitted: true, reason: "may ask" } as const;
    const next = withTrusted(context, { routed });
    const back = parseRequestContext(JSON.stringify(next));
    expect(back).toEqual({ ok: true, context: JSON.parse(JSON.stringify(next)) as unknown });
    expect(back.ok && back.context.trusted.routed).toEqual(routed);
    expect(context.trusted.routed).toBeUndefined();
  });

  it("keeps the sender's words out of the trusted section", ({ expect }) => {
    expect(JSON.stringify(context.trusted)).not.toContain("ignore all rules");
    expect(context.untrusted.note).toEqual({ untrusted: "ignore all rules" });
    // @ts-expect-error words of the sender are no string: a rule that takes one doesn't compile
    const rule: string | null = context.untrusted.note;
    expect(rule).not.toBeTypeOf("string");
  });

  it("gives the lines back as they came, without their notes", ({ expect }) => {
    expect(senderLines(context)).toEqual([
      { line: 2, sku: undefined, text: "coolant pump", quantity: 2, unit: "box" },
      { line: 3, sku: "A-1", text: undefined, quantity: 1, unit: undefined },
    ]);
  });

  it("of another version, or anything else, is refused", ({ expect }) => {
    for (const json of [
      "{}",
      "",
      "null",
      JSON.stringify({ ...context, version: 2 }),
      JSON.stringify({ ...context, trusted: {} }),
    ]) {
      expect(parseRequestContext(json), json).toMatchObject({ ok: false, code: "VALIDATION" });
    }
  });
});

describe("dates, money and canonical text", () => {
  it("agree with the platform's calendar on every day of ten thousand years", ({ expect }) => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1, 0), max: Date.UTC(9998, 0) }), fc.nat(500), (ms, days) => {
        expect(isoDate(ms)).toBe(new Date(ms).toISOString().slice(0, 10));
        expect(isoDateAfter(ms, days)).toBe(new Date(ms + days * DAY_MS).toISOString().slice(0, 10));
      }),
      { numRuns: 2_000 },
    );
    expect(isoDateAfter(Date.UTC(2028, 1, 28, 23, 59), 1)).toBe("2028-02-29");
  });

  it("write amounts with the currency's own decimals", ({ expect }) => {
    expect(formatMoney(123_456, "USD")).toBe("1234.56 USD");
    expect(formatMoney(5, "USD")).toBe("0.05 USD");
    expect(formatMoney(-5, "EUR")).toBe("-0.05 EUR");
    expect(formatMoney(1_234, "JPY")).toBe("1234 JPY");
    expect(formatMoney(1_234, "KWD")).toBe("1.234 KWD");
  });

  it("are one text for equal values, whatever the order of the keys", ({ expect }) => {
    expect(canonicalJson({ b: [{ d: 1, c: undefined }], a: "é" })).toBe('{"a":"é","b":[{"d":1}]}');
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(turned)).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
