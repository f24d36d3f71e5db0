import { describe, it } from "vitest";
import { packInput, unpackInput } from "../../../src/agents/packed-input.ts";
import { AGENT_INPUT_PIECE_BYTES } from "../../../src/config.ts";

/** Text that doesn't compress. */
function noise(characters: number): string {
  const bytes = new Uint8Array(characters * 0.75);
  for (let from = 0; from < bytes.length; from += 65_536) crypto.getRandomValues(bytes.subarray(from, from + 65_536));
  return Buffer.from(bytes).toString("base64");
}

describe("the packed input", () => {
  it.for([
    ["nothing", ""],
    ["an input", '{"note":"– Kran 🛠 \\u0000"}'],
  ] as const)("gives back %s in one piece", async ([, text], { expect }) => {
    const pieces = await packInput(text);
    expect(pieces).toHaveLength(1);
    expect(await unpackInput(pieces)).toBe(text);
  });

  it("is cut where it is larger than a value of the database may be, and joined again", async ({ expect }) => {
    const text = noise(4_000_000);
    const pieces = await packInput(text);
    expect(pieces.length).toBeGreaterThan(2);
    for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(AGENT_INPUT_PIECE_BYTES);
    expect((await unpackInput(pieces)) === text).toBe(true);
    await expect(unpackInput(pieces.slice(1))).rejects.toThrow();
  });

  it("of 1,000 lines with 20 candidates each, no two of them alike, is kept whole", async ({ expect }) => {
    const words = noise(400_000).split(/[+/]/);
    const parts = Array.from({ length: 20_000 }, (_, index) => ({
      sku: `SKU-${index}`,
      name: words[index % words.length],
      description: Array.from({ length: 12 }, (_word, at) => words[(index * 13 + at * 31) % words.length]).join(" "),
      listPrice: (index * 7_919) % 100_000,
      barcode: `${4_000_000_000_000 + index * 9_973}`,
    }));
    const text = JSON.stringify({ parts });
    const pieces = await packInput(text);
    expect(text.length).toBeGreaterThan(5_000_000);
    for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(AGENT_INPUT_PIECE_BYTES);
    expect((await unpackInput(pieces)) === text).toBe(true);
  });
});
