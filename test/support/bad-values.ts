/** Values that no field takes, as JSON text, and bodies that have one of them in place of a field. */

/** Raw JSON: some of it can't be made by `JSON.stringify`. */
export const BAD_VALUES: Readonly<Record<string, string>> = {
  null: "null",
  true: "true",
  zero: "0",
  negative: "-1",
  fraction: "1.5",
  "2^53+1": "9007199254740993",
  "-(2^53+1)": "-9007199254740993",
  infinite: "1e999",
  "empty text": '""',
  "very long text": JSON.stringify("x".repeat(20_000)),
  "lone surrogate": '"a\\ud800b"',
  NUL: '"a\\u0000b"',
  "line breaks": '"a\\r\\nSet-Cookie: b"',
  "empty list": "[]",
  "empty object": "{}",
  "own __proto__": '{"__proto__":{"sku":"PUMP-001"},"constructor":{"prototype":{}}}',
  "deep list": "[".repeat(5_000) + "]".repeat(5_000),
  "deep object": '{"a":'.repeat(5_000) + "1" + "}".repeat(5_000),
};

const HOLE = "\u0001hole\u0001";

/** Every body that has `text` in place of one value of `body`: at the root, in each field, in each item. */
export function bodiesWith(body: unknown, text: string): { pointer: string; json: string }[] {
  return pointersOf(body).map((pointer) => {
    const json = JSON.stringify(replaced(body, pointer, HOLE)).replace(JSON.stringify(HOLE), () => text);
    return { pointer: `/${pointer.join("/")}`, json };
  });
}

function pointersOf(value: unknown): string[][] {
  if (typeof value !== "object" || value === null) return [[]];
  return [[], ...Object.entries(value).flatMap(([key, inner]) => pointersOf(inner).map((rest) => [key, ...rest]))];
}

function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...(value as object) };
  const inner = copy as Record<string, unknown>;
  inner[key] = replaced(inner[key], rest, by);
  return copy;
}
