import fc from "fast-check";
import { describe, it } from "vitest";
import type { SupplierOffer } from "../../../src/domain/purchase-choice.ts";
import type { ResolvedLine } from "../../../src/domain/request-context.ts";
import { matchSources, totalOf, type SourcingFacts, type StockFact } from "../../../src/domain/sourcing.ts";

const NOW = Date.UTC(2026, 10, 23, 10);

function line(number: number, sku: string, quantity: number): ResolvedLine {
  return {
    line: number,
    sku,
    name: sku,
    category: "engine",
    quantity,
    unit: "EA",
    listPrice: 4_500,
    currency: "USD",
    how: "sku",
    reason: "",
  };
}

function offer(supplier: string, unitPrice: number, more: Partial<SupplierOffer> = {}): SupplierOffer {
  return {
    sku: "A-1",
    supplier,
    active: true,
    preferred: false,
    creditRating: 1,
    url: "https://supplier.example",
    pack: 1,
    moq: 1,
    maxOrderQuantity: null,
    leadTimeDays: 5,
    currency: "USD",
    priceBreaks: [{ minQuantity: 1, unitPrice }],
    ...more,
  };
}

const stock = (location: string, available: number, region = "north"): StockFact => ({
  sku: "A-1",
  location,
  region,
  available,
});

function facts(more: Partial<SourcingFacts>): SourcingFacts {
  return {
    now: NOW,
    region: "north",
    destination: "truck-001",
    neededBy: null,
    currency: "USD",
    stock: [],
    offers: [],
    ...more,
  };
}

const short = (lines: readonly ResolvedLine[], some: Partial<SourcingFacts>) =>
  matchSources(lines, facts(some)).allocations.map((one) => [one.line, one.quantity, one.location ?? one.supplier]);

describe("own stock", () => {
  it("comes first, the fullest place of the region before the others, today and at list price", ({ expect }) => {
    const result = matchSources(
      [line(1, "A-1", 7)],
      facts({ stock: [stock("wh-2", 5), stock("wh-1", 5), stock("wh-3", 1)], offers: [offer("acme", 1)] }),
    );
    expect(result.allocations).toMatchObject([
      {
        line: 1,
        source: "stock",
        location: "wh-1",
        quantity: 5,
        orderQuantity: 5,
        unitPrice: 4_500,
        availableOn: "2026-11-23",
      },
      {
        line: 1,
        source: "stock",
        location: "wh-2",
        quantity: 2,
        reason: "In stock at wh-2: 2 of 5 available in north, at list price 45.00 USD",
      },
    ]);
    expect(result.total).toBe(7 * 4_500);
  });

  it("of another region, of the asking place itself, or reserved is none", ({ expect }) => {
    const nowhere = [stock("wh-s", 9, "south"), stock("truck-001", 9), stock("wh-1", 0)];
    const result = matchSources([line(1, "A-1", 1)], facts({ stock: nowhere }));
    expect(result.allocations).toEqual([]);
    expect(result.unresolved).toMatchObject([
      { line: 1, reason: "1 asked in all, 0 in stock in north; for the rest no supplier offers it." },
    ]);
  });

  it("is shared by the lines of one part in their order, and not given twice", ({ expect }) => {
    const lines = [line(1, "A-1", 3), line(2, "A-1", 3)];
    expect(short(lines, { stock: [stock("wh-1", 4)], offers: [offer("acme", 100)] })).toEqual([
      [1, 3, "wh-1"],
      [2, 1, "wh-1"],
      [2, 2, "acme"],
    ]);
    const dry = matchSources(lines, facts({ stock: [stock("wh-1", 4)] }));
    expect(dry.allocations.map((one) => one.line)).toEqual([1]);
    expect(dry.unresolved.map((one) => one.line)).toEqual([2]);
  });

  it("isn't held back by a line that can't be met", ({ expect }) => {
    const result = matchSources([line(1, "A-1", 100), line(2, "A-1", 4)], facts({ stock: [stock("wh-1", 4)] }));
    expect(result.allocations.map((one) => one.line)).toEqual([2]);
  });
});

describe("a purchase", () => {
  const buy = (quantity: number, offers: SupplierOffer[], more: Partial<SourcingFacts> = {}) =>
    matchSources([line(1, "A-1", quantity)], facts({ offers, ...more })).allocations;

  it("goes to the lowest cost at the quantity that must be ordered, not to the lowest price", ({ expect }) => {
    const bulk = offer("bulk", 80, { moq: 100 });
    const small = offer("small", 120);
    expect(buy(10, [bulk, small])).toMatchObject([{ supplier: "small", orderQuantity: 10, unitPrice: 120 }]);
    expect(buy(90, [bulk, small])).toMatchObject([
      { supplier: "bulk", quantity: 90, orderQuantity: 100, unitPrice: 80 },
    ]);
  });

  it("rounds up to pack and MOQ, and takes the price break of the rounded quantity", ({ expect }) => {
    const packs = offer("packs", 0, {
      pack: 12,
      moq: 20,
      priceBreaks: [
        { minQuantity: 24, unitPrice: 90 },
        { minQuantity: 1, unitPrice: 100 },
        { minQuantity: 25, unitPrice: 80 },
      ],
    });
    expect(buy(5, [packs])).toMatchObject([{ quantity: 5, orderQuantity: 24, unitPrice: 90 }]);
    expect(buy(25, [packs])).toMatchObject([{ quantity: 25, orderQuantity: 36, unitPrice: 80 }]);
  });

  it("orders at least what the first price break asks for", ({ expect }) => {
    expect(buy(5, [offer("acme", 0, { priceBreaks: [{ minQuantity: 10, unitPrice: 7 }] })])).toMatchObject([
      { orderQuantity: 10, unitPrice: 7 },
    ]);
  });

  it("is shared among suppliers when no largest order covers it", ({ expect }) => {
    const offers = [
      offer("a", 100, { maxOrderQuantity: 6, pack: 4 }),
      offer("b", 110, { maxOrderQuantity: 5 }),
      offer("c", 90, { maxOrderQuantity: 2 }),
    ];
    const result = buy(8, offers);
    expect(result.map((one) => [one.supplier, one.quantity, one.orderQuantity])).toEqual([
      ["c", 2, 2],
      ["a", 4, 4],
      ["b", 2, 2],
    ]);
    expect(matchSources([line(1, "A-1", 12)], facts({ offers })).unresolved).toMatchObject([
      { reason: expect.stringContaining("largest orders don't cover 12") as string },
    ]);
  });

  it("never goes to an inactive supplier, one without an address, or one of another currency", ({ expect }) => {
    const out = [
      offer("gone", 1, { active: false }),
      offer("paper", 1, { url: null }),
      offer("euro", 1, { currency: "EUR" }),
      offer("tight", 1, { moq: 9, maxOrderQuantity: 8 }),
    ];
    expect(buy(1, [...out, offer("acme", 500)])).toMatchObject([{ supplier: "acme" }]);
    expect(matchSources([line(1, "A-1", 1)], facts({ offers: out })).unresolved).toMatchObject([
      {
        reason: expect.stringContaining(
          "euro sells in EUR, gone is inactive, paper has no address to order at",
        ) as string,
      },
    ]);
  });

  it("prefers who is in time to who is cheap; if all are late takes the earliest and says so", ({ expect }) => {
    const slow = offer("slow", 10, { leadTimeDays: 9 });
    const fast = offer("fast", 90, { leadTimeDays: 3 });
    expect(buy(1, [slow, fast])).toMatchObject([{ supplier: "slow", availableOn: "2026-12-02" }]);
    expect(buy(1, [slow, fast], { neededBy: "2026-11-26T00:00:00Z" })).toMatchObject([
      { supplier: "fast", availableOn: "2026-11-26" },
    ]);
    const [late] = buy(1, [slow, fast], { neededBy: "2026-11-25" });
    expect(late).toMatchObject({ supplier: "fast", reason: expect.stringContaining("late for 2026-11-25") as string });
  });

  it("breaks a tie by preferred, credit rating, lead time and id", ({ expect }) => {
    const winner = (...offers: SupplierOffer[]) => buy(1, offers)[0]?.supplier;
    expect(winner(offer("a", 10), offer("b", 10, { preferred: true, creditRating: 5 }))).toBe("b");
    expect(winner(offer("a", 10, { creditRating: 2 }), offer("b", 10))).toBe("b");
    expect(winner(offer("a", 10), offer("b", 10, { leadTimeDays: 1 }))).toBe("b");
    expect(winner(offer("b", 10), offer("a", 10))).toBe("a");
  });

  it("says in figures why, and who was next", ({ expect }) => {
    const [one] = buy(5, [offer("acme", 4_000, { moq: 6 }), offer("beta", 9_000)]);
    expect(one?.reason).toBe(
      "Bought from acme: 5 needed, 6 ordered (smallest order 6, packs of 1) at 40.00 USD = 240.00 USD; available on 2026-11-28; next beta 450.00 USD on 2026-11-28",
    );
  });

  it("of two lines is one order: MOQ counts once and the surplus is booked once", ({ expect }) => {
    const result = matchSources(
      [line(1, "A-1", 3), line(2, "A-1", 4)],
      facts({ offers: [offer("acme", 100, { moq: 10 })] }),
    );
    expect(result.allocations.map((one) => [one.line, one.quantity, one.orderQuantity])).toEqual([
      [1, 3, 3],
      [2, 4, 7],
    ]);
    expect(result.total).toBe(1_000);
  });
});

describe("amounts", () => {
  it("that can't be counted exactly leave the line unresolved", ({ expect }) => {
    const huge = { ...line(1, "A-1", 1_000_000_000), listPrice: 1_000_000_000 };
    const result = matchSources([huge], facts({ stock: [stock("wh-1", 1_000_000_000)] }));
    expect(result).toMatchObject({
      total: 0,
      allocations: [],
      unresolved: [{ reason: "The amount is too large to handle." }],
    });
  });

  it("of another currency aren't mixed in", ({ expect }) => {
    const result = matchSources([{ ...line(1, "A-1", 1), currency: "EUR" }], facts({ stock: [stock("wh-1", 5)] }));
    expect(result.unresolved).toMatchObject([{ reason: "A-1 is priced in EUR, the request in USD." }]);
  });
});

describe("whatever the stock and the offers", () => {
  const SKUS = ["A-1", "B-1"];
  const positive = (max: number) => fc.integer({ min: 1, max });
  const anyOffer = fc.record({
    sku: fc.constantFrom(...SKUS),
    supplier: fc.constantFrom("s1", "s2", "s3", "s4"),
    active: fc.boolean(),
    preferred: fc.boolean(),
    creditRating: positive(5),
    url: fc.option(fc.constant("https://s.example")),
    pack: positive(7),
    moq: positive(30),
    maxOrderQuantity: fc.option(positive(60)),
    leadTimeDays: fc.nat(20),
    currency: fc.constantFrom("USD", "USD", "EUR"),
    priceBreaks: fc.uniqueArray(fc.record({ minQuantity: positive(40), unitPrice: fc.nat(500) }), {
      selector: (one) => one.minQuantity,
      maxLength: 3,
    }),
  });
  const offers = fc.uniqueArray(anyOffer, { selector: (one) => `${one.sku}/${one.supplier}`, maxLength: 8 });
  const places = fc.uniqueArray(
    fc.record({
      sku: fc.constantFrom(...SKUS),
      location: fc.constantFrom("w1", "w2", "w3", "truck-001"),
      region: fc.constantFrom("north", "south"),
      available: fc.integer({ min: -5, max: 20 }),
    }),
    { selector: (one) => `${one.sku}/${one.location}`, maxLength: 8 },
  );
  const wanted = fc.array(fc.tuple(fc.constantFrom(...SKUS), positive(60)), { minLength: 1, maxLength: 6 });
  const date = fc.option(fc.constantFrom("2026-11-23", "2026-11-30", "2026-12-10"));

  it("a line gets what it asked or nothing, stock isn't overdrawn, and MOQ, pack and largest order are kept", ({
    expect,
  }) => {
    fc.assert(
      fc.property(wanted, places, offers, date, (wants, stockRows, offerRows, neededBy) => {
        const lines = wants.map(([sku, quantity], index) => line(index + 1, sku, quantity));
        const result = matchSources(lines, facts({ stock: stockRows, offers: offerRows, neededBy }));
        const unmet = new Set(result.unresolved.map((one) => one.line));
        for (const one of lines) {
          const granted = result.allocations
            .filter((other) => other.line === one.line)
            .reduce((sum, other) => sum + other.quantity, 0);
          expect(granted).toBe(unmet.has(one.line) ? 0 : one.quantity);
        }
        for (const [key, taken] of Map.groupBy(
          result.allocations,
          (one) => `${one.sku}/${one.location ?? one.supplier}`,
        )) {
          const [first] = taken;
          const sum = taken.reduce((total, one) => total + one.quantity, 0);
          const ordered = taken.reduce((total, one) => total + one.orderQuantity, 0);
          if (first?.source === "stock") {
            const place = stockRows.find((row) => `${row.sku}/${row.location}` === key);
            expect(place).toMatchObject({ region: "north" });
            expect(place?.location).not.toBe("truck-001");
            expect(sum).toBeLessThanOrEqual(place?.available ?? 0);
            expect(ordered).toBe(sum);
          } else {
            const bought = offerRows.find((row) => `${row.sku}/${row.supplier}` === key);
            expect(bought).toMatchObject({ active: true, url: "https://s.example", currency: "USD" });
            expect(ordered).toBeGreaterThanOrEqual(Math.max(sum, bought?.moq ?? 0));
            expect(ordered % (bought?.pack ?? 0)).toBe(0);
            expect(ordered).toBeLessThanOrEqual(bought?.maxOrderQuantity ?? Number.MAX_SAFE_INTEGER);
            const reached = (bought?.priceBreaks ?? [])
              .filter((one) => one.minQuantity <= ordered)
              .sort((a, b) => b.minQuantity - a.minQuantity);
            expect(taken.every((one) => one.unitPrice === reached[0]?.unitPrice)).toBe(true);
          }
        }
        expect(result.total).toBe(totalOf(result.allocations));
        expect(Number.isSafeInteger(result.total)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("the answer doesn't depend on the order of the rows", ({ expect }) => {
    fc.assert(
      fc.property(wanted, places, offers, date, (wants, stockRows, offerRows, neededBy) => {
        const lines = wants.map(([sku, quantity], index) => line(index + 1, sku, quantity));
        const answer = matchSources(lines, facts({ stock: stockRows, offers: offerRows, neededBy }));
        const turned = facts({ stock: stockRows.toReversed(), offers: offerRows.toReversed(), neededBy });
        expect(matchSources(lines, turned)).toEqual(answer);
      }),
      { numRuns: 300 },
    );
  });
});
