import fc from "fast-check";
import { expect, it } from "vitest";
import { SHAREPOINT_FRAGMENT_BYTES, SHAREPOINT_RANGE_BYTES } from "../../../src/config.ts";
import {
  contentRange,
  firstMissing,
  nextFragment,
  type Fragment,
} from "../../../src/integrations/sharepoint-ranges.ts";

const MIB = 1024 * 1024;

/** All fragments of an upload that is never interrupted. */
function fragmentsOf(total: number): Fragment[] {
  const all: Fragment[] = [];
  for (let from = 0; from < total;) {
    const fragment = nextFragment(from, total);
    all.push(fragment);
    from = fragment.to;
  }
  return all;
}

it("fragments cover a document of any size, each byte once, in multiples of 320 KiB but for the last one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 * MIB }), (total) => {
      const all = fragmentsOf(total);
      let next = 0;
      for (const { from, to } of all) {
        expect(from).toBe(next);
        expect(to).toBeGreaterThan(from);
        expect(to === total || (to - from) % SHAREPOINT_RANGE_BYTES === 0).toBe(true);
        expect(to - from).toBeLessThan(60 * MIB);
        next = to;
      }
      expect(next).toBe(total);
      expect(all).toHaveLength(Math.ceil(total / SHAREPOINT_FRAGMENT_BYTES));
    }),
  );
});

it("resumed at any byte that the other side names, fragments still cover each byte once, in multiples of 320 KiB", () => {
  const upload = fc.record({
    total: fc.integer({ min: 1, max: 40 * MIB }),
    /** How much of each fragment arrives, in parts of a thousand. */
    arrivals: fc.array(fc.integer({ min: 0, max: 1_000 }), { maxLength: 20 }),
  });
  fc.assert(
    fc.property(upload, ({ total, arrivals }) => {
      const kept: Fragment[] = [];
      const left = [...arrivals];
      for (let from = 0; from < total;) {
        const fragment = nextFragment(from, total);
        expect(fragment.to === total || (fragment.to - fragment.from) % SHAREPOINT_RANGE_BYTES === 0).toBe(true);
        const share = left.shift() ?? 1_000;
        const to = share === 1_000 ? fragment.to : from + Math.floor(((fragment.to - from) * share) / 1_000);
        const missing = firstMissing([`${to}-`], fragment.to);
        expect(missing).toBe(to);
        if (to > from) kept.push({ from, to });
        from = to;
      }
      expect(kept.reduce((sum, { from, to }) => sum + to - from, 0)).toBe(total);
      expect(kept.every(({ from }, at) => from === (kept[at - 1]?.to ?? 0))).toBe(true);
    }),
  );
});

it("Content-Range names the last byte", () => {
  expect(contentRange({ from: 0, to: 327_680 }, 400_000)).toBe("bytes 0-327679/400000");
  expect(contentRange({ from: 327_680, to: 400_000 }, 400_000)).toBe("bytes 327680-399999/400000");
});

it.for<[readonly string[], number, number | null]>([
  [["0-"], 100, 0],
  [["26-"], 100, 26],
  [["77829-99375", "12345-55232"], 200_000, 12_345],
  [["100-"], 100, 100],
  [["101-"], 100, null],
  [[], 100, null],
  [["the rest"], 100, null],
  [["-5"], 100, null],
  [["1e3-"], 5_000, null],
  [["26-", "x"], 100, null],
  [["9999999999999999-"], 100, null],
])("of %j, %i bytes sent, the first that is missing is %s", ([ranges, sent, first]) => {
  expect(firstMissing(ranges, sent)).toBe(first);
});
