import { describe, it } from "vitest";
import { proposeBundles, type WaitingRequest } from "../../../src/domain/consolidation.ts";
import type { SupplierOffer } from "../../../src/domain/purchase-quote.ts";
import { matchSources } from "../../../src/domain/sourcing.ts";

const NOW = Date.UTC(2026, 10, 23, 10);
const NEEDS = { now: NOW, currency: "USD", rates: [] };

function offer(sku: string, supplier: string, unitPrice: number, more: Partial<SupplierOffer> = {}): SupplierOffer {
  return {
    sku,
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
    supplierCurrency: "USD",
    freight: { flat: 0, freeFrom: null, perLine: 0 },
    priceBreaks: [{ minQuantity: 1, unitPrice }],
    ...more,
  };
}

/** A request as it would be priced by itself. */
function waiting(
  id: string,
  offers: readonly SupplierOffer[],
  wants: readonly (readonly [string, number])[],
): WaitingRequest {
  const lines = wants.map(([sku, quantity], index) => ({
    line: index + 1,
    sku,
    name: sku,
    category: "engine",
    quantity,
    unit: "each",
    listPrice: 1,
    currency: "USD",
    how: "sku" as const,
    reason: "",
  }));
  const facts = { ...NEEDS, region: "north", destination: `truck-${id}`, neededBy: null, stock: [], offers };
  return {
    id,
    requestNumber: `R-${id}`,
    destination: `truck-${id}`,
    purchases: matchSources(lines, facts).allocations,
  };
}

describe("bought together", () => {
  it("two requests reach the price break that neither reaches alone, with the saving to the cent", ({ expect }) => {
    const offers = [
      offer("A-1", "acme", 0, {
        priceBreaks: [
          { minQuantity: 1, unitPrice: 1_000 },
          { minQuantity: 10, unitPrice: 800 },
        ],
      }),
    ];
    const requests = [waiting("a", offers, [["A-1", 6]]), waiting("b", offers, [["A-1", 5]])];
    const [bundle, ...rest] = proposeBundles(requests, offers, NEEDS);
    expect(rest).toEqual([]);
    expect(bundle).toMatchObject({
      separately: 11_000,
      together: 8_800,
      saved: 2_200,
      parts: [
        {
          sku: "A-1",
          quantity: 11,
          requests: ["a", "b"],
          separately: { orderQuantity: 11, waste: 0, amount: 11_000 },
          together: { orderQuantity: 11, waste: 0, amount: 8_800 },
          purchases: [{ supplier: "acme", orderQuantity: 11, unitPrice: 800, priceFrom: 10 }],
        },
      ],
    });
  });

  it("they share MOQ and pack, so that less is bought than nobody needs", ({ expect }) => {
    const offers = [offer("A-1", "acme", 100, { moq: 20, pack: 10 })];
    const requests = ["a", "b", "c"].map((id) => waiting(id, offers, [["A-1", 7]]));
    const [bundle] = proposeBundles(requests, offers, NEEDS);
    expect(bundle?.parts).toMatchObject([
      { quantity: 21, separately: { orderQuantity: 60, waste: 39 }, together: { orderQuantity: 30, waste: 9 } },
    ]);
    expect(bundle?.saved).toBe(3_000);
  });

  it("they pay one freight, also for different parts of one supplier", ({ expect }) => {
    const freight = { flat: 1_500, freeFrom: null, perLine: 100 };
    const offers = [offer("A-1", "acme", 900, { freight }), offer("B-1", "acme", 700, { freight })];
    const requests = [waiting("a", offers, [["A-1", 1]]), waiting("b", offers, [["B-1", 2]])];
    expect(proposeBundles(requests, offers, NEEDS)).toMatchObject([
      {
        separately: 900 + 1_600 + 1_400 + 1_600,
        together: 900 + 1_400 + 1_700,
        saved: 1_500,
        freight: { separately: 3_200, together: 1_700, bySupplier: [{ supplier: "acme", amount: 1_700 }] },
      },
    ]);
  });

  it("two thousand parts of ten thousand offers are compared within two seconds", ({ expect }) => {
    const freight = { flat: 1_000, freeFrom: null, perLine: 0 };
    const skus = Array.from({ length: 2_000 }, (_, at) => `P-${at}`);
    const offers = skus.flatMap((sku, at) =>
      Array.from({ length: 5 }, (_, of) => offer(sku, `s${(at + of) % 40}`, 100 + of, { freight })),
    );
    const requests = [0, 1, 2, 3].map((one) => {
      const own = skus.slice(one * 500, one * 500 + 500);
      return waiting(
        String(one),
        offers,
        own.map((sku) => [sku, 1] as const),
      );
    });
    const began = performance.now();
    const [bundle] = proposeBundles(requests, offers, NEEDS);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(bundle?.parts).toHaveLength(2_000);
    expect(bundle?.saved).toBeGreaterThan(0);
  });

  it("they may go to a supplier that was too much for each of them", ({ expect }) => {
    const offers = [offer("A-1", "small", 120), offer("A-1", "bulk", 80, { moq: 100 })];
    const requests = ["a", "b", "c"].map((id) => waiting(id, offers, [["A-1", 30]]));
    const [bundle] = proposeBundles(requests, offers, NEEDS);
    expect(bundle).toMatchObject({ separately: 10_800, together: 8_000, saved: 2_800 });
    expect(bundle?.parts[0]?.purchases).toMatchObject([{ supplier: "bulk", quantity: 90, orderQuantity: 100 }]);
  });
});

describe("nothing is proposed", () => {
  it("where nothing is shared, and where together costs as much", ({ expect }) => {
    const offers = [offer("A-1", "acme", 100), offer("B-1", "beta", 100), offer("C-1", "acme", 100)];
    const [a, b, c] = [
      waiting("a", offers, [["A-1", 1]]),
      waiting("b", offers, [["B-1", 1]]),
      waiting("c", offers, [["C-1", 1]]),
    ];
    expect(proposeBundles([a, b], offers, NEEDS)).toEqual([]);
    expect(proposeBundles([a, c], offers, NEEDS)).toEqual([]);
  });

  it("beyond what the suppliers sell at once, or of what can't be had any more", ({ expect }) => {
    const freight = { flat: 500, freeFrom: null, perLine: 0 };
    const limited = [offer("A-1", "acme", 100, { maxOrderQuantity: 10, freight })];
    const requests = ["a", "b"].map((id) => waiting(id, limited, [["A-1", 8]]));
    expect(proposeBundles(requests, limited, NEEDS)).toEqual([]);
    const gone = limited.map((one) => ({ ...one, maxOrderQuantity: null, active: false }));
    expect(proposeBundles(requests, gone, NEEDS)).toEqual([]);
  });

  it("and requests that share nothing are bundles of their own, the greatest saving first", ({ expect }) => {
    const freight = (flat: number) => ({ freight: { flat, freeFrom: null, perLine: 0 } });
    const offers = [offer("A-1", "acme", 100, freight(300)), offer("B-1", "beta", 100, freight(900))];
    const requests = ["a", "b", "c", "d"].map((id, at) => waiting(id, offers, [[at < 2 ? "A-1" : "B-1", 1]]));
    const bundles = proposeBundles(requests, offers, NEEDS);
    expect(bundles.map(({ saved, requests: own }) => [saved, own.map(({ id }) => id)])).toEqual([
      [900, ["c", "d"]],
      [300, ["a", "b"]],
    ]);
  });
});
