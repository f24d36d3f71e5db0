import fc from "fast-check";
import { describe, it } from "vitest";
import { readRequestFile, requestBodySchema, requestFileType } from "../../../src/domain/request-file.ts";
import { MAX_PROBLEMS } from "../../../src/domain/request-line.ts";

const limits = { maxLines: 50 };
const utf8 = (text: string) => new TextEncoder().encode(text);

function lines(type: string, body: string | Uint8Array) {
  const read = readRequestFile(type, body, limits);
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return read.lines;
}

function problems(type: string, body: string | Uint8Array) {
  const read = readRequestFile(type, body, limits);
  return read.ok ? [] : read.problems;
}

describe("a request in CSV", () => {
  it("is read with BOM, CRLF, quotes, a quoted line break and blank lines, numbered as in the file", ({ expect }) => {
    const csv =
      '\uFEFFSKU,quantity,Unit,note\r\nPUMP-001,2,each,"for the ""blue"", big\r\none"\r\n\r\n FILT-017 ,10,,\r\n';
    expect(lines("text/csv; charset=utf-8", utf8(csv))).toEqual([
      { line: 2, sku: "PUMP-001", text: undefined, quantity: 2, unit: "each", note: 'for the "blue", big\none' },
      { line: 5, sku: "FILT-017", text: undefined, quantity: 10, unit: undefined, note: undefined },
    ]);
  });

  it("takes columns in any order, and a text where the SKU isn't known", ({ expect }) => {
    expect(lines("text/csv", "quantity,text\n2,coolant pump\n")).toMatchObject([
      { line: 2, text: "coolant pump", quantity: 2 },
    ]);
  });

  it.for([
    ["quantity 0", "0", "is 0"],
    ["a negative quantity", "-3", "is negative"],
    ["a fraction", "1.5", "must be a whole number"],
    ["a separator of thousands", '"1,000"', "must be a whole number"],
    ["2^53 + 1", "9007199254740993", "is too large"],
    ["a missing quantity", "", "is missing"],
    ["words", "two", "not a whole number in digits"],
    ["hexadecimal", "0x10", "not a whole number in digits"],
    ["an exponent", "1e3", "not a whole number in digits"],
  ] as const)("names the line and column of %s", ([, written, detail], { expect }) => {
    const found = problems("text/csv", `sku,quantity,unit,note\nPUMP-001,1,,\nFILT-017,${written},,\n`);
    expect(found).toEqual([
      {
        line: 3,
        column: "quantity",
        value: written.replaceAll('"', ""),
        detail: expect.stringContaining(detail) as string,
      },
    ]);
  });

  it("reports every wrong line, not only the first", ({ expect }) => {
    const found = problems("text/csv", "sku,quantity\n,1\nA-1,0\nB-1,2,extra\n");
    expect(found.map((one) => [one.line, one.column])).toEqual([
      [2, "sku"],
      [3, "quantity"],
      [4, undefined],
    ]);
  });

  it("refuses unknown, doubled and missing columns, and an unclosed quote", ({ expect }) => {
    expect(problems("text/csv", "sku,quantity,colour\nA-1,1,red\n")).toMatchObject([{ line: 1, column: "colour" }]);
    expect(problems("text/csv", "sku,sku,quantity\nA-1,A-2,1\n")).toMatchObject([
      { line: 1, detail: "The column stands twice." },
    ]);
    expect(problems("text/csv", "sku,unit\nA-1,each\n")).toMatchObject([{ line: 1, column: "quantity" }]);
    expect(problems("text/csv", "PUMP-001,2\n")).toMatchObject([
      { line: 1, column: "PUMP-001" },
      { line: 1, column: "2" },
    ]);
    expect(problems("text/csv", 'sku,quantity\n"A-1,1\nB-1,2\n')).toMatchObject([
      { detail: "A quoted cell is not closed." },
    ]);
    expect(problems("text/csv", "sku,quantity\n")).toMatchObject([{ line: 1, detail: "The file has no lines." }]);
    expect(problems("text/csv", "")).toMatchObject([{ line: 1, detail: "The file is empty." }]);
  });

  it("refuses a line more than the limit and accepts the limit", ({ expect }) => {
    const rows = (n: number) => `sku,quantity\n${"A-1,1\n".repeat(n)}`;
    expect(lines("text/csv", rows(50))).toHaveLength(50);
    expect(problems("text/csv", rows(51))).toEqual([{ line: 52, detail: "The file has more than 50 lines." }]);
  });

  it("keeps its line numbers over blank lines and rows of empty cells", ({ expect }) => {
    const csv = '\n\nsku,quantity,unit,note\n\nA-1,1,,"two\n\nlines"\n,,,\n  \n\nB-1,0,,\n';
    expect(problems("text/csv", csv)).toMatchObject([{ line: 11, column: "quantity" }]);
    expect(lines("text/csv", csv.replace("B-1,0", "B-1,7")).map((one) => one.line)).toEqual([5, 11]);
  });

  it("names the first line that isn't UTF-8", ({ expect }) => {
    const bytes = new Uint8Array([...utf8("sku,quantity\nA-1,1\nB"), 0xff, ...utf8("-1,1\n")]);
    expect(problems("text/csv", bytes)).toEqual([{ line: 3, detail: "The line is not valid UTF-8." }]);
    expect(problems("text/csv; charset=iso-8859-1", "sku,quantity\nA-1,1")).toMatchObject([
      { detail: expect.stringContaining("UTF-8") as string },
    ]);
  });

  it("lists at most a hundred problems and counts the rest", ({ expect }) => {
    const read = readRequestFile("text/csv", `sku,quantity\n${"A-1,0\n".repeat(150)}`, { maxLines: 200 });
    expect(read.ok ? [] : read.problems).toHaveLength(MAX_PROBLEMS + 1);
    expect(read.ok ? "" : read.problems.at(-1)?.detail).toBe("50 more problems are not listed.");
  });
});

describe("a request in JSON", () => {
  it("is read without the number and the device that the caller knows", ({ expect }) => {
    const read = readRequestFile(
      "application/json",
      '{"needed_by":"2026-12-01","lines":[{"sku":"PUMP-001","quantity":2},{"text":" fuse 5 A ","quantity":1,"unit":"box"}]}',
      limits,
    );
    expect(read).toEqual({
      ok: true,
      head: { neededBy: "2026-12-01" },
      lines: [
        { line: 1, sku: "PUMP-001", quantity: 2 },
        { line: 2, text: "fuse 5 A", quantity: 1, unit: "box" },
      ],
    });
  });

  it.for([
    ['{"lines":[{"sku":"A-1","quantity":0}]}', "/lines/0/quantity", "must be 1 or more"],
    ['{"lines":[{"sku":"A-1","quantity":-1}]}', "/lines/0/quantity", "must be 1 or more"],
    ['{"lines":[{"sku":"A-1","quantity":1.5}]}', "/lines/0/quantity", "must be a whole number"],
    ['{"lines":[{"sku":"A-1","quantity":9007199254740993}]}', "/lines/0/quantity", "must be at most 1000000"],
    ['{"lines":[{"sku":"A-1","quantity":1e400}]}', "/lines/0/quantity", "must be a whole number"],
    ['{"lines":[{"sku":"A-1","quantity":"5"}]}', "/lines/0/quantity", "must be a whole number"],
    ['{"lines":[{"sku":"A-1"}]}', "/lines/0/quantity", "must be a whole number"],
    ['{"lines":[{"quantity":1}]}', "/lines/0", "must have a sku or a text"],
    ['{"lines":[{"sku":"A-1","text":"pump","quantity":1}]}', "/lines/0", "must have a sku or a text, not both"],
    ['{"lines":[{"sku":"  ","quantity":1}]}', "/lines/0/sku", "must not be empty"],
    ['{"lines":[{"sku":"A-1","quantity":1,"price":1}]}', "/lines/0/price", "unknown field: price"],
    ['{"lines":[{"sku":"A-1","quantity":1}],"__proto__":{}}', "/__proto__", "unknown field: __proto__"],
    ['{"lines":[{"sku":"A-1","quantity":1}],"status":"completed"}', "/status", "unknown field: status"],
    ['{"lines":[]}', "/lines", "must have at least one line"],
    [
      '{"lines":[{"sku":"A-1","quantity":1}],"needed_by":"tomorrow"}',
      "/needed_by",
      "must be a date such as 2026-12-01",
    ],
  ] as const)("points at what is wrong in %s", ([json, pointer, detail], { expect }) => {
    expect(problems("application/json", json)).toMatchObject([{ pointer, detail }]);
  });

  it("that is broken or nested without end is refused", ({ expect }) => {
    expect(problems("application/json", '{"lines":[}')).toEqual([{ detail: "The file is not valid JSON." }]);
    expect(problems("application/json", "[".repeat(200_000))).toEqual([{ detail: "The file is not valid JSON." }]);
    const deep = `{"lines":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
    expect(problems("application/json", deep)).toMatchObject([{ pointer: "/lines/0" }]);
  });

  it("is the body of POST /api/requests, which needs the number and the device", ({ expect }) => {
    const schema = requestBodySchema(2);
    const body = { request_number: "R-1", device_id: "truck-001", lines: [{ sku: "A-1", quantity: 1 }] };
    expect(schema.safeParse(body).success).toBe(true);
    expect(schema.safeParse({ ...body, device_id: undefined }).success).toBe(false);
    expect(schema.safeParse({ ...body, lines: Array.from({ length: 3 }, () => body.lines[0]) }).success).toBe(false);
  });
});

describe("a request in plain text", () => {
  it.for([
    ["2 coolant pumps for the Volvo", { text: "coolant pumps for the Volvo", quantity: 2 }],
    ["FILT-017 x 4", { sku: "FILT-017", quantity: 4 }],
    ["3x PUMP-001", { sku: "PUMP-001", quantity: 3 }],
    ["3 × PUMP-001", { sku: "PUMP-001", quantity: 3 }],
    ["3pcs PUMP-001", { sku: "PUMP-001", quantity: 3, unit: "each" }],
    ["FILT-017: 4 pcs", { sku: "FILT-017", quantity: 4, unit: "each" }],
    ["10-0042 x 4", { sku: "10-0042", quantity: 4 }],
    ["a box of 5 A fuses", { text: "5 A fuses", quantity: 1, unit: "box" }],
    ["two boxes of fuses", { text: "fuses", quantity: 2, unit: "box" }],
    ["Twenty wiper blades", { text: "wiper blades", quantity: 20 }],
    ["two dozen fuses", { text: "fuses", quantity: 2, unit: "dozen" }],
    ["- please send us 2 wiper blades.", { text: "wiper blades", quantity: 2 }],
    ["2 drum brakes", { text: "drum brakes", quantity: 2 }],
    ["10 bolts M8 x 40", { text: "bolts M8 x 40", quantity: 10 }],
    ["12 V lamp x 3", { text: "12 V lamp", quantity: 3 }],
    ["5 m of hose", { text: "hose", quantity: 5, unit: "metre" }],
    ["2 hoses, 3 m long", { text: "hoses, 3 m long", quantity: 2 }],
  ] as const)("reads %s", ([text, wanted], { expect }) => {
    expect(lines("text/plain", text)).toEqual([{ line: 1, unit: undefined, ...wanted }]);
  });

  it.for([
    ["pump", "is missing"],
    ["a few fuses", "is missing"],
    ["5 A fuses", "reads as a size"],
    ["bolt M8 x 40", "reads as a size"],
    ["5 m hose", "reads as a size"],
    ["-3 pumps", "is negative"],
    ["0 pumps", "is 0"],
    ["1.5 pumps", "must be a whole number"],
    ["1/2 pump", "must be a whole number"],
    ["2-3 pumps", "not a whole number in digits"],
    ["1 000 fuses", "one number in digits"],
    ["twenty one pumps", "one number in digits"],
    ["9007199254740993 pumps", "is too large"],
    ["2", "names no part"],
  ] as const)("asks back about %s instead of guessing", ([text, detail], { expect }) => {
    expect(problems("text/plain", `2 pumps\n${text}\n`)).toMatchObject([
      { line: 2, value: text, detail: expect.stringContaining(detail) as string },
    ]);
  });

  it("gives each part of a line that names several its own number", ({ expect }) => {
    const text = "2 coolant pumps for the Volvo, and a box of 5 A fuses\n\nFILT-017 x 4\n";
    expect(
      lines("text/plain", text).map(({ line, text: words, sku, quantity }) => [line, words ?? sku, quantity]),
    ).toEqual([
      [1, "coolant pumps for the Volvo", 2],
      [2, "5 A fuses", 1],
      [3, "FILT-017", 4],
    ]);
  });

  it("reads the worst line that fits in bounded time", ({ expect }) => {
    const worst = `${"1,".repeat(295)}x\n`.repeat(limits.maxLines);
    const started = performance.now();
    expect(problems("text/plain", worst + ", ".repeat(1_000_000)).length).toBeGreaterThan(0);
    expect(performance.now() - started).toBeLessThan(1_500);
  });
});

describe("any file", () => {
  it("of another kind is refused", ({ expect }) => {
    expect(requestFileType("Text/CSV; header=present")).toBe("text/csv");
    expect(requestFileType("application/xml")).toBeNull();
    expect(problems("application/xml", "<a/>")).toHaveLength(1);
  });

  const type = fc.constantFrom("text/csv", "application/json", "text/plain", "text/csv; charset=utf-16", "x");
  const noise = fc.oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.string({
      unit: fc.constantFrom('"', ",", "\n", "\r", "1", "-", ".", "x", " ", "a", "\0", "\ud800", "é", ";", "A"),
      maxLength: 300,
    }),
    fc.json().map((json) => `{"lines":${json}}`),
    fc.array(fc.string(), { maxLength: 20 }).map((cells) => `sku,quantity,unit,note\n${cells.join(",")}\n`),
  );

  it("never makes the reader throw, and is either lines in range or problems", ({ expect }) => {
    fc.assert(
      fc.property(type, fc.oneof(noise, fc.uint8Array({ maxLength: 300 })), (contentType, body) => {
        const read = readRequestFile(contentType, body, limits);
        if (!read.ok) {
          expect(read.problems.length).toBeGreaterThan(0);
          return;
        }
        expect(read.lines.length).toBeGreaterThan(0);
        expect(new Set(read.lines.map((line) => line.line)).size).toBe(read.lines.length);
        for (const line of read.lines) {
          expect(Number.isSafeInteger(line.quantity) && line.quantity >= 1 && line.quantity <= 1_000_000).toBe(true);
          expect((line.sku ?? "") !== "" || (line.text ?? "") !== "").toBe(true);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it("written as CSV comes back as it was, whatever the notes hold", ({ expect }) => {
    const row = fc.record({
      sku: fc.stringMatching(/^[A-Z]{2,5}-[0-9]{1,4}$/),
      quantity: fc.integer({ min: 1, max: 1_000_000 }),
      note: fc
        .string({ unit: fc.constantFrom('"', ",", "\n", "a", "ü", "=", " "), maxLength: 30 })
        .map((note) => note.trim()),
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), fc.constantFrom("\n", "\r\n"), (rows, newline) => {
        const quoted = rows.map((one) => `${one.sku},${one.quantity},"${one.note.replaceAll('"', '""')}"`);
        const back = lines("text/csv", ["sku,quantity,note", ...quoted, ""].join(newline));
        expect(back.map(({ sku, quantity, note }) => ({ sku, quantity, note: note ?? "" }))).toEqual(rows);
      }),
    );
  });
});
