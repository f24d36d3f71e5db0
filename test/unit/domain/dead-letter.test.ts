import { describe, it } from "vitest";
import { causeText, changedIdentity, normaliseError } from "../../../src/domain/dead-letter.ts";

describe("the fingerprint's error text", () => {
  it.for([
    ["ids and devices", "order ord_0199f3aa01 of truck-001 is gone", "order ord_0199bb77c2 of truck-017 is gone"],
    ["numbers, fractions and signs", "has -12.5 of 100, wanted 7", "has 3 of 2, wanted 1999.01"],
    [
      "times and UUIDs",
      "at 2026-11-24T21:59:34.123Z by 0199f3aa-01bb-7000-8000-0123456789ab",
      "at 2027-01-01T00:00:00Z by ffffffff-1111-7000-8000-0123456789ab",
    ],
    ["quoted values", `no part "PUMP" at 'the shelf' in \`bin\``, `no part "a hose" at 'home' in \`x\``],
    ["SKUs and bins", "PUMP-001 isn't in Bin-A-12", "HOSE-001 isn't in Bin-O-01"],
    ["line breaks and spaces", "it broke\n   twice", "it broke twice"],
  ] as const)("is the same whatever the %s", ([, one, other], { expect }) => {
    expect(normaliseError(one)).toBe(normaliseError(other));
  });

  it.for([
    ["the service hangs", "the service refuses"],
    ["SUPPLIER_DOWN: try later", "SUPPLIER_GONE: try later"],
    ["D1_ERROR: no such table", "R2_ERROR: no such table"],
    ["it isn't here", "it isn't there"],
  ] as const)("differs where the cause differs: %s / %s", ([one, other], { expect }) => {
    expect(normaliseError(one)).not.toBe(normaliseError(other));
  });

  it("takes an apostrophe for what it is: what lies between two of them stays", ({ expect }) => {
    expect(normaliseError("it isn't ours, the queue can't read it")).toBe("it isn't ours, the queue can't read it");
  });

  it("is bounded, however long the error", ({ expect }) => {
    expect(normaliseError("no ".repeat(10_000)).length).toBeLessThanOrEqual(300);
  });
});

it("tells apart the queue, the type and the subscriber", ({ expect }) => {
  const cause = { queue: "events", type: "PartUpdated", subscriber: "notification", error: "no" };
  const others = [{ queue: "uploads" }, { type: "OrderEnded" }, { subscriber: "cloud-archive" }, { type: null }];
  const texts = [cause, ...others.map((other) => ({ ...cause, ...other }))].map(causeText);
  expect(new Set(texts).size).toBe(5);
  expect(causeText({ ...cause })).toBe(texts[0]);
});

describe("an edit", () => {
  const event = { id: "evt_1", type: "PartUpdated", subject: "part/A", sequence: 3, data: { sku: "A" } };

  it("may change the data", ({ expect }) => {
    expect(changedIdentity(event, { ...event, data: { sku: "B" } })).toEqual([]);
  });

  it.for(["id", "type", "subject", "sequence"])(
    "may not change %s, and says what it must stay",
    (field, { expect }) => {
      expect(changedIdentity(event, { ...event, [field]: "other" })).toEqual([
        { pointer: `/event/${field}`, detail: `must stay ${JSON.stringify(event[field as keyof typeof event])}` },
      ]);
    },
  );
});
