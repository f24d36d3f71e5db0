import { describe, it } from "vitest";
import { decodeImport, MAX_IMPORT_ROWS, readImport } from "../../../src/domain/import-file.ts";
import { IMPORT_FORMATS, IMPORT_KINDS, type ImportKind } from "../../../src/domain/import-rows.ts";

const PARTS = "sku,name,category,subcategory,color,standard_cost,list_price,safety_stock,reorder_point,discontinued";
const STOCK = "sku,warehouse_id,bin,quantity";

function problemsOf(kind: ImportKind, text: string) {
  return readImport(kind, text).problems;
}

function stockRow(quantity: string) {
  const read = readImport("stock", `${STOCK}\nA-1,w-1,B-1,${quantity}\n`);
  return read.ok && read.rows[0] ? read.rows[0].row.quantity : read.problems.listed[0]?.detail;
}

function price(written: string) {
  const read = readImport("parts", `${PARTS}\nA-1,Name,cat,,,0,${written},0,0,false\n`);
  return read.ok && read.rows[0] ? read.rows[0].row.list_price : read.problems.listed[0]?.detail;
}

describe("the header", () => {
  it("missing and unknown columns are each named", ({ expect }) => {
    expect(problemsOf("stock", "sku,warehouse,bin,quantity\nA,w,b,1\n").listed).toEqual([
      { line: 1, column: "warehouse_id", detail: "The column is missing." },
      { line: 1, column: "warehouse", detail: "Unknown column; known are sku, warehouse_id, bin, quantity." },
    ]);
  });

  it("a column that stands twice is named", ({ expect }) => {
    expect(problemsOf("regions", "region_id,name,name\na,b,c\n").listed).toEqual([
      { line: 1, column: "name", detail: "The column stands twice." },
    ]);
  });

  it("columns may stand in any order, with a byte order mark, CRLF and blanks around", ({ expect }) => {
    const read = readImport("regions", "\uFEFF name , region_id \r\n North West , north-west \r\n\r\n");
    expect(read).toEqual({
      ok: true,
      count: 1,
      rows: [{ at: 2, row: { region_id: "north-west", name: "North West" } }],
      problems: { total: 0, listed: [] },
    });
  });

  it.for(IMPORT_KINDS)(
    "a file of %s with a header and no rows is refused, and so is an empty one",
    (kind, { expect }) => {
      const header = IMPORT_FORMATS[kind].columns.join(",");
      expect(problemsOf(kind, `${header}\n`).listed).toEqual([
        { line: 1, detail: "The file has a header and no rows." },
      ]);
      expect(problemsOf(kind, "").listed[0]?.detail).toContain(`its first line must be ${header}`);
    },
  );
});

describe("money", () => {
  it.for<[string, number]>([
    [".0000", 0],
    ["0", 0],
    ["12", 1200],
    ["12.5", 1250],
    ["45.5849", 4558],
    ["45.5850", 4559],
    ["0.0050", 1],
    ["0.0049", 0],
    ["1.005", 101],
    ["9999999999.9999", 1_000_000_000_000],
  ])("%s dollars are %i cents, rounded half up", ([written, cents], { expect }) => {
    expect(price(written)).toBe(cents);
  });

  it.for(["", ".", "-1.00", "1,50", "1e3", "1.00000", "$5", "NaN", "12345678901"])(
    "%j is no amount",
    (written, { expect }) => {
      expect(price(`"${written}"`)).toMatch(/^must /);
    },
  );
});

describe("quantities", () => {
  it.for<[string, number]>([
    ["3.00", 3],
    [".00", 0],
    ["0", 0],
    ["1000000000", 1_000_000_000],
  ])("%s is %i pieces", ([written, pieces], { expect }) => {
    expect(stockRow(written)).toBe(pieces);
  });

  it.for<[string, string]>([
    ["-4", "must not be negative"],
    ["-.5", "must not be negative"],
    ["3.5", "must be a whole number in digits"],
    ["three", "must be a whole number in digits"],
    [".", "must be a whole number in digits"],
    ["1000000001", "must be from 0 to 1000000000"],
    ["", "must be a whole number from 0 to 1000000000"],
  ])("%j is refused: %s", ([written, detail], { expect }) => {
    expect(stockRow(written)).toBe(detail);
  });
});

describe("rows", () => {
  it("names with commas, doubled quotes and line breaks are read, and lines are counted on from them", ({ expect }) => {
    const text = 'region_id,name\na,"North, ""the"" cold"\n\nb,"two\nlines"\nc,\n';
    const read = readImport("regions", text);
    expect(read.ok && read.rows[0]?.row.name).toBe('North, "the" cold');
    expect(read.problems).toEqual({
      total: 2,
      listed: [
        { line: 4, column: "name", value: "two\nlines", detail: "must not hold control or invisible characters" },
        { line: 6, column: "name", value: "", detail: "must not be empty" },
      ],
    });
  });

  it("too few and too many cells are named by line", ({ expect }) => {
    expect(problemsOf("stock", `${STOCK}\nA-1,w-1,b\nA-2,w-1,b,1,9\nA-3,w-1,b,1\n`).listed).toEqual([
      { line: 2, detail: "The row has 3 cells for 4 columns." },
      { line: 3, detail: "The row has 5 cells for 4 columns." },
    ]);
  });

  it("the same thing twice in one file is refused with the line of the first", ({ expect }) => {
    expect(problemsOf("stock", `${STOCK}\nA-1,w-1,b,1\nA-1,w-1,c,1\n A-1 ,w-1,b,2\n`).listed).toEqual([
      { line: 4, column: "sku, warehouse_id, bin", value: "A-1, w-1, b", detail: "stands on line 2 too" },
    ]);
  });

  it("an offer whose maximum is below its minimum, or in a currency without hundredths, is refused by its cell", ({
    expect,
  }) => {
    const header = IMPORT_FORMATS.supplier_parts.columns.join(",");
    expect(problemsOf("supplier_parts", `${header}\ns,A,EA,1,JPY,5,9,10\n`).listed).toMatchObject([
      { column: "currency", value: "JPY" },
    ]);
    expect(problemsOf("supplier_parts", `${header}\ns,A,EA,1,dollars,5,9,10\n`).total).toBe(1);
    expect(problemsOf("supplier_parts", `${header}\ns,A,EA,1,USD,5,4,10\n`).listed).toEqual([
      { line: 2, column: "max_order_qty", value: "4", detail: "must not be below min_order_qty" },
    ]);
  });

  it("optional columns may be left out, and are read where they stand", ({ expect }) => {
    const { columns, optional } = IMPORT_FORMATS.suppliers;
    expect(optional).toEqual(["currency", "freight_flat", "freight_free_from", "freight_per_line"]);
    const rowOf = (header: readonly string[], row: string) => {
      const read = readImport("suppliers", `${header.join(",")}\n${row}\n`);
      return (read.ok && read.rows[0]?.row) || read.problems.listed;
    };
    const plain = {
      supplier_id: "s",
      name: "S",
      account_number: null,
      credit_rating: 1,
      preferred: true,
      active: true,
    };
    expect(rowOf(columns, "s,S,,1,true,true")).toEqual(plain);
    expect(rowOf([...columns, ...optional], "s,S,,1,true,true,EUR,12.50,,0.5")).toEqual({
      ...plain,
      currency: "EUR",
      freight_flat: 1_250,
      freight_free_from: null,
      freight_per_line: 50,
    });
    expect(rowOf([...columns, "freight_flat"], "s,S,,1,true,true,-1")).toMatchObject([{ column: "freight_flat" }]);
  });

  it("a day that isn't in the calendar is refused; days become instants", ({ expect }) => {
    const header = IMPORT_FORMATS.purchase_orders.columns.join(",");
    const row = (ordered: string) => `${header}\n7,s,258,pending,${ordered},,1,0,0,1\n`;
    const read = readImport("purchase_orders", row("2024-02-29"));
    expect(read.ok && read.rows[0]?.row).toMatchObject({ ordered_at: "2024-02-29T00:00:00.000Z", shipped_at: null });
    expect(problemsOf("purchase_orders", row("2023-02-29")).listed).toMatchObject([
      { line: 2, column: "ordered_at", value: "2023-02-29" },
    ]);
  });

  it("ids that stand in paths hold no slash, blank or quote", ({ expect }) => {
    expect(
      problemsOf("regions", "region_id,name\na/b,x\n../c,x\na b,x\nnorth_1.x-y,x\n").listed.map((p) => p.line),
    ).toEqual([2, 3, 4]);
  });
});

describe("bad bytes and sizes", () => {
  it("the line that isn't UTF-8 is named", ({ expect }) => {
    const bytes = new Uint8Array([...new TextEncoder().encode("region_id,name\na,b\nc,"), 0xe9, 0x0a]);
    expect(decodeImport(bytes)).toEqual({
      ok: false,
      problem: { line: 3, detail: "The line isn't UTF-8: save the file as UTF-8." },
    });
  });

  it("a quote that isn't closed is refused without reading the rest into one cell", ({ expect }) => {
    const text = `region_id,name\na,"open\n${"b,c\n".repeat(20_000)}`;
    expect(problemsOf("regions", text).listed).toMatchObject([
      { detail: expect.stringContaining("quoted cell not closed") },
    ]);
  });

  it("of many wrong cells the first 100 are listed and all are counted", ({ expect }) => {
    const rows = Array.from({ length: 300 }, (_, n) => `A-${n},w-1,b,-1`).join("\n");
    const { total, listed } = problemsOf("stock", `${STOCK}\n${rows}\n`);
    expect([total, listed.length, listed[0]?.line, listed.at(-1)?.line]).toEqual([300, 100, 2, 101]);
  });

  it("a file of 100,000 rows is refused with the limit", ({ expect }) => {
    const rows = Array.from({ length: 100_000 }, (_, n) => `A-${n},w-1,b,1`).join("\n");
    expect(problemsOf("stock", `${STOCK}\n${rows}\n`).listed).toEqual([
      { detail: `The file has more than ${MAX_IMPORT_ROWS} rows: split it.` },
    ]);
  });

  it("a file of exactly the limit is read", ({ expect }) => {
    const rows = Array.from({ length: MAX_IMPORT_ROWS }, (_, n) => `A-${n},w-1,b,1`).join("\n");
    const read = readImport("stock", `${STOCK}\n${rows}\n`);
    expect(read.ok && read.rows.length).toBe(MAX_IMPORT_ROWS);
  });
});
