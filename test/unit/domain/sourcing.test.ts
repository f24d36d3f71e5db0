import fc from "fast-check";
import { describe, it } from "vitest";
import type { SupplierOffer } from "../../../src/domain/purchase-quote.ts";
import type { ResolvedLine } from "../../../src/domain/request-context.ts";
import {
  allocationAmount,
  matchSources,
  totalOf,
  type SourcingFacts,
  type StockFact,
} from "../../../src/domain/sourcing.ts";

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
    noAccess: null,
    pack: 1,
    moq: 1,
    maxOrderQuantity: null,
    leadTimeDays: 5,
    arrivals: [],
    currency: "USD",
    supplierCurrency: more.currency ?? "USD",
    freight: { flat: 0, freeFrom: null, perLine: 0 },
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
    rates: [],
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
      { reason: expect.stringContaining("largest orders don't cover 12: a 4, b 5, c 2") as string },
    ]);
  });

  it("never goes to an inactive supplier, one without an address, or one of a currency without a rate", ({
    expect,
  }) => {
    const out = [
      offer("gone", 1, { active: false }),
      offer("paper", 1, { noAccess: "paper can't be ordered from: it has no address" }),
      offer("euro", 1, { currency: "EUR" }),
      offer("tight", 1, { moq: 9, maxOrderQuantity: 8 }),
    ];
    expect(buy(1, [...out, offer("acme", 500)])).toMatchObject([{ supplier: "acme" }]);
    expect(matchSources([line(1, "A-1", 1)], facts({ offers: out })).unresolved).toMatchObject([
      {
        reason: expect.stringContaining(
          "euro sells in EUR, for which there is no rate to USD, gone is inactive, paper can't be ordered from: it has no address",
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
      "Bought from acme: 5 needed, 6 ordered (smallest order 6, packs of 1) at 40.00 USD = 240.00 USD; available on 2026-11-28 (5 days stated); next beta 450.00 USD on 2026-11-28, the order would cost 210.00 USD more",
    );
  });

  it("counts the freight of the whole order: two parts of one supplier share it", ({ expect }) => {
    const flat = { flat: 5_000, freeFrom: null, perLine: 0 };
    const of = (sku: string, supplier: string, price: number, freight = { ...flat, flat: 0 }) =>
      offer(supplier, price, { sku, freight });
    const offers = [
      of("A-1", "cheap", 1_000, flat),
      of("A-1", "free", 4_000),
      of("B-1", "cheap", 1_000, flat),
      of("B-1", "free", 4_000),
    ];
    const alone = matchSources([line(1, "A-1", 1)], facts({ offers }));
    expect(alone).toMatchObject({ total: 4_000, allocations: [{ supplier: "free" }] });
    expect(alone.allocations[0]?.reason).toContain(
      "next cheap 10.00 USD on 2026-11-28, the order would cost 20.00 USD more",
    );
    expect(alone.allocations[0]?.freight).toBeUndefined();
    const both = matchSources([line(1, "A-1", 1), line(2, "B-1", 1)], facts({ offers }));
    expect(both.allocations.map((one) => [one.supplier, one.freight])).toEqual([
      ["cheap", 5_000],
      ["cheap", undefined],
    ]);
    expect(both.total).toBe(2 * 1_000 + 5_000);
    expect(both.allocations[1]?.reason).toContain("freight 50.00 USD for its 2 parts");
  });

  it("goes beyond the cheapest goods where that makes the freight free, and says from where on", ({ expect }) => {
    const freight = { flat: 2_000, freeFrom: 10_000, perLine: 0 };
    const offers = [
      offer("full", 9_000, { freight }),
      offer("full", 1_100, { sku: "B-1", freight }),
      offer("other", 1_000, { sku: "B-1" }),
    ];
    const { allocations, total } = matchSources([line(1, "A-1", 1), line(2, "B-1", 1)], facts({ offers }));
    expect(allocations.map((one) => one.supplier)).toEqual(["full", "full"]);
    expect(total).toBe(9_000 + 1_100);
    expect(allocations[0]?.reason).toContain(
      "freight 0.00 USD for its 2 parts, goods of 101.00 USD are above 100.00 USD",
    );
  });

  it("in another currency is compared in the order's, rounded up, with the rate and its day in the reason", ({
    expect,
  }) => {
    const rates = [{ from: "EUR", to: "USD", billionths: 1_085_000_001, asOf: "2026-11-20" }];
    const euro = offer("euro", 333, { currency: "EUR", freight: { flat: 100, freeFrom: null, perLine: 0 } });
    const lines = [line(1, "A-1", 2), line(2, "A-1", 5)];
    const { allocations, total } = matchSources(lines, facts({ offers: [euro, offer("home", 390)], rates }));
    // 7 × 3.33 EUR = 23.31 EUR = 25.291350023… USD; freight 1.00 EUR = 1.085000001 USD.
    expect(total).toBe(2_530 + 109);
    expect(allocations).toMatchObject([
      {
        unitPrice: 362,
        freight: 109,
        terms: { currency: "EUR", unitPrice: 333, amount: 723, freight: 100, rate: 1_085_000_001, asOf: "2026-11-20" },
      },
      { unitPrice: 362, terms: { amount: 2_530 - 723, freight: 0 } },
    ]);
    expect(allocations[0]?.reason).toContain(
      "at 3.33 EUR = 23.31 EUR, 25.30 USD at 1.085000001 of 2026-11-20, rounded up; freight 1.00 EUR for this part",
    );
    const dear = matchSources(lines, facts({ offers: [euro, offer("home", 370)], rates }));
    expect(dear.allocations).toMatchObject([{ supplier: "home" }, { supplier: "home" }]);
    expect(matchSources(lines, facts({ offers: [euro, offer("home", 390)] })).allocations[0]?.reason).toContain(
      "not asked: euro sells in EUR, for which there is no rate to USD",
    );
  });

  it("of a supplier that takes orders in another currency than the offer's isn't made", ({ expect }) => {
    const mixed = offer("mixed", 1, { supplierCurrency: "EUR" });
    expect(matchSources([line(1, "A-1", 1)], facts({ offers: [mixed] })).unresolved).toMatchObject([
      { reason: expect.stringContaining("mixed sells this in USD but takes orders in EUR") as string },
    ]);
  });

  it("counts with the measured lead time once five receipts show it, and names both with how many", ({ expect }) => {
    const arrivals = [9, 8, 9, 9, 12];
    const slow = offer("slow", 10, { leadTimeDays: 3, arrivals });
    const sure = offer("sure", 90, { leadTimeDays: 6 });
    const needs = { neededBy: "2026-11-29" };
    expect(buy(1, [slow, sure], needs)).toMatchObject([
      {
        supplier: "sure",
        leadDays: 6,
        reason: expect.stringContaining(
          "available on 2026-11-29 (6 days stated); in time for 2026-11-29; too late: slow 0.10 USD on 2026-12-02",
        ) as string,
      },
    ]);
    expect(buy(1, [{ ...slow, arrivals: arrivals.slice(1) }, sure], needs)).toMatchObject([
      {
        supplier: "slow",
        leadDays: 3,
        reason: expect.stringContaining(
          "available on 2026-11-26 (3 days stated, 12 measured over 4 receipts, too few to count with)",
        ) as string,
      },
    ]);
    expect(buy(1, [slow, sure])[0]?.reason).toContain("(3 days stated, 9 measured over 5 receipts)");
  });

  it("is needed when the first of its lines needs it; each line says by when and whether it is late", ({ expect }) => {
    const lines = [{ ...line(1, "A-1", 1), neededBy: "2026-11-25" }, line(2, "A-1", 1)];
    const offers = [offer("fast", 90, { leadTimeDays: 2 }), offer("slow", 10, { leadTimeDays: 9 })];
    expect(matchSources(lines, facts({ offers, neededBy: "2027-01-01" })).allocations).toMatchObject([
      { supplier: "fast", neededBy: "2026-11-25" },
      { supplier: "fast", neededBy: "2027-01-01" },
    ]);
  });

  it("of a discontinued part isn't made: what is in stock can still be had", ({ expect }) => {
    const gone = { ...line(1, "A-1", 4), discontinued: true };
    const some = { stock: [stock("wh-1", 3)], offers: [offer("acme", 1)] };
    expect(matchSources([{ ...gone, quantity: 3 }], facts(some)).allocations).toMatchObject([{ location: "wh-1" }]);
    expect(matchSources([gone], facts(some)).unresolved).toMatchObject([
      { reason: "4 asked in all, 3 in stock in north; for the rest nothing is bought: A-1 is discontinued." },
    ]);
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

  it("of a purchase that can't be counted exactly leave the line unresolved, in whichever currency", ({ expect }) => {
    const rates = [{ from: "VND", to: "USD", billionths: 40_000, asOf: "2026-11-20" }];
    const dear = offer("dong", Number.MAX_SAFE_INTEGER, { currency: "VND" });
    for (const one of [dear, offer("acme", 9e12)]) {
      const { unresolved } = matchSources([line(1, "A-1", 1_000)], facts({ offers: [one], rates }));
      expect(unresolved).toMatchObject([
        { reason: "1000 asked in all, 0 in stock in north; for the rest the amount is too large to handle." },
      ]);
    }
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
    noAccess: fc.option(fc.constant("it has no address")),
    pack: positive(7),
    moq: positive(30),
    maxOrderQuantity: fc.option(positive(60)),
    leadTimeDays: fc.nat(20),
    currency: fc.constantFrom("USD", "USD", "EUR", "JPY"),
    arrivals: fc.array(fc.nat(30), { maxLength: 8 }),
    priceBreaks: fc.uniqueArray(fc.record({ minQuantity: positive(40), unitPrice: fc.nat(500) }), {
      selector: (one) => one.minQuantity,
      maxLength: 3,
    }),
  });
  // A supplier has one currency and one freight; now and then an offer is in another currency than its supplier's.
  const terms = fc.record({
    supplierCurrency: fc.constantFrom("USD", "USD", "EUR"),
    freight: fc.record({ flat: fc.nat(900), freeFrom: fc.option(fc.nat(4_000)), perLine: fc.nat(90) }),
  });
  const offers = fc
    .tuple(
      fc.uniqueArray(anyOffer, { selector: (one) => `${one.sku}/${one.supplier}`, maxLength: 8 }),
      fc.record({ s1: terms, s2: terms, s3: terms, s4: terms }),
    )
    .map(([all, of]) => all.map((one): SupplierOffer => ({ ...one, ...of[one.supplier as "s1"] })));
  const rates = [{ from: "EUR", to: "USD", billionths: 1_085_000_000, asOf: "2026-11-20" }];
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
        const result = matchSources(lines, facts({ stock: stockRows, offers: offerRows, neededBy, rates }));
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
            expect(bought).toMatchObject({ active: true, noAccess: null });
            expect(bought?.currency).toBe(bought?.supplierCurrency);
            expect(bought?.currency).not.toBe("JPY");
            expect(ordered).toBeGreaterThanOrEqual(Math.max(sum, bought?.moq ?? 0));
            expect(ordered % (bought?.pack ?? 0)).toBe(0);
            expect(ordered).toBeLessThanOrEqual(bought?.maxOrderQuantity ?? Number.MAX_SAFE_INTEGER);
            const reached = (bought?.priceBreaks ?? [])
              .filter((one) => one.minQuantity <= ordered)
              .sort((a, b) => b.minQuantity - a.minQuantity);
            const price = reached[0]?.unitPrice ?? 0;
            expect(taken.every((one) => (one.terms?.unitPrice ?? one.unitPrice) === price)).toBe(true);
            expect(taken.every((one) => (one.terms !== undefined) === (bought?.currency === "EUR"))).toBe(true);
            const goods = taken.reduce((total, one) => total + allocationAmount({ ...one, freight: 0 }), 0);
            expect(goods).toBe(
              bought?.currency === "EUR" ? Math.ceil((ordered * price * 1085) / 1000) : ordered * price,
            );
          }
        }
        for (const [supplier, own] of Map.groupBy(result.allocations, (one) => one.supplier ?? "")) {
          const row = offerRows.find((one) => one.supplier === supplier);
          if (!row) continue;
          const goods = own.reduce((sum, one) => sum + one.orderQuantity * (one.terms?.unitPrice ?? one.unitPrice), 0);
          const { flat, freeFrom, perLine } = row.freight;
          const parts = new Set(own.map((one) => one.sku)).size;
          const owed = (freeFrom !== null && goods >= freeFrom ? 0 : flat) + parts * perLine;
          const inUsd = row.supplierCurrency === "EUR" ? Math.ceil((owed * 1085) / 1000) : owed;
          expect(own.map((one) => one.freight ?? 0)).toEqual([inUsd, ...own.slice(1).map(() => 0)]);
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
        const answer = matchSources(lines, facts({ stock: stockRows, offers: offerRows, neededBy, rates }));
        const turned = facts({ stock: stockRows.toReversed(), offers: offerRows.toReversed(), neededBy, rates });
        expect(matchSources(lines, turned)).toEqual(answer);
      }),
      { numRuns: 300 },
    );
  });
});
