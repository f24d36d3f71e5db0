import { it } from "vitest";
import { differenceOf, type ConfirmedTerms, type OrderedTerms } from "../../../src/domain/purchase-terms.ts";

const ordered: OrderedTerms = {
  currency: "USD",
  lines: [
    { sku: "PUMP-001", quantity: 2, unitPrice: 12_900 },
    { sku: "FLT-204", quantity: 10, unitPrice: 550 },
  ],
};
const line = (index: number, more: object) => ({
  ...ordered,
  lines: ordered.lines.map((own, at) => (at === index ? { ...own, ...more } : own)),
});

it("the same terms have no difference", ({ expect }) => {
  expect(differenceOf(ordered, { ...ordered, total: 31_300 })).toBeNull();
});

it.for<[string, Partial<ConfirmedTerms>, string]>([
  ["another price", line(1, { unitPrice: 605 }), "line 2: confirmed FLT-204 at 6.05 USD, ordered at 5.50 USD"],
  ["a lower price", line(0, { unitPrice: 1 }), "line 1: confirmed PUMP-001 at 0.01 USD, ordered at 129.00 USD"],
  ["a negative price", line(0, { unitPrice: -1 }), "line 1: confirmed PUMP-001 at -0.01 USD, ordered at 129.00 USD"],
  ["another quantity", line(0, { quantity: 3 }), "line 1: confirmed 3 of PUMP-001, ordered 2"],
  ["another part", line(0, { sku: "PUMP-002" }), "line 1: confirmed PUMP-002, ordered PUMP-001"],
  ["a line less", { lines: ordered.lines.slice(1) }, "confirmed 1 lines, ordered 2"],
  ["no lines", { lines: [] }, "confirmed 0 lines, ordered 2"],
  ["another total", { total: 31_301 }, "confirmed a total of 313.01 USD, ordered 313.00 USD"],
  ["another currency", { currency: "EUR" }, "confirmed in EUR, ordered in USD"],
])("%s is told with both figures", ([, told, difference], { expect }) => {
  expect(differenceOf(ordered, { ...ordered, total: 31_300, ...told })).toBe(difference);
});
