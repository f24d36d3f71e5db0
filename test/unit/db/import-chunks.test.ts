import { describe, it } from "vitest";
import { chunksOf } from "../../../src/db/queries/import-chunks.ts";

const D1_VALUE_BYTES = 2_000_000;
const bytes = (text: string) => new TextEncoder().encode(text).byteLength;

describe("rows as JSON arrays", () => {
  it("no value comes near 2 MB, counted in bytes, and all rows arrive in order", ({ expect }) => {
    const rows = Array.from({ length: 20_000 }, (_, at) => ({ at, name: "é".repeat(100) }));
    const chunks = chunksOf(rows);
    expect(chunks.length).toBeGreaterThan(1);
    for (const chunk of chunks) expect(bytes(chunk.json)).toBeLessThan(D1_VALUE_BYTES * 0.9);
    expect(chunks.flatMap((chunk) => JSON.parse(chunk.json))).toEqual(rows);
    expect(chunks.flatMap((chunk) => chunk.rows)).toEqual(rows);
  });

  it("rows of one place are never cut apart", ({ expect }) => {
    const rows = Array.from({ length: 20_000 }, (_, at) => ({
      at,
      place: `p-${Math.floor(at / 700)}`,
      bin: "b".repeat(200),
    }));
    const chunks = chunksOf(rows, (row) => row.place);
    expect(chunks.length).toBeGreaterThan(1);
    const places = chunks.map((chunk) => new Set(chunk.rows.map((row) => row.place)));
    expect(places.reduce((sum, set) => sum + set.size, 0)).toBe(new Set(rows.map((row) => row.place)).size);
    for (const chunk of chunks) expect(bytes(chunk.json)).toBeLessThan(D1_VALUE_BYTES * 0.9);
  });

  it("no rows are no chunks", ({ expect }) => {
    expect(chunksOf([])).toEqual([]);
  });
});
