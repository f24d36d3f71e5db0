/** Plans of histories, drawn by fast-check: few pieces, many who want them, and lines that break. */
import fc from "fast-check";
import type { Fault, Plan } from "./stock-history.ts";
import type { Op, Quantities } from "./stock-model.ts";

const ORDERS = 3;
const MOST_CALLS = 60;

const order = fc.nat({ max: ORDERS - 1 });
const part = fc.nat({ max: 1 });
const change = fc.record({
  kind: fc.constant("change" as const),
  part,
  bin: fc.nat({ max: 2 }),
  quantity: fc.integer({ min: -4, max: 4 }).filter((quantity) => quantity !== 0),
});
const step = fc.record({ kind: fc.constantFrom("reserve" as const, "reserve", "release", "ship", "reverse"), order });
const read = fc.record({ kind: fc.constantFrom("level" as const, "bins"), part });
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 4, arbitrary: change },
  { weight: 5, arbitrary: step },
  { weight: 1, arbitrary: read },
);

const bins = fc.array(fc.nat({ max: 4 }), { minLength: 3, maxLength: 3 });
const wanted: fc.Arbitrary<Quantities> = fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 4 })).filter(([a, b]) => a + b > 0);
const fault: fc.Arbitrary<Fault> = fc.record({
  call: fc.nat({ max: MOST_CALLS }),
  kind: fc.constantFrom("before" as const, "after", "late"),
});

/** At most 24 calls with their retries: four clients of three, and a fault or two. */
export const plans: fc.Arbitrary<Plan> = fc.record({
  stock: fc.array(bins, { minLength: 2, maxLength: 2 }),
  demand: fc.array(wanted, { minLength: ORDERS, maxLength: ORDERS }),
  clients: fc.array(fc.array(op, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 4 }),
  turns: fc.array(fc.nat({ max: 11 }), { minLength: 8, maxLength: 40 }),
  faults: fc.array(fault, { maxLength: 4 }),
});
