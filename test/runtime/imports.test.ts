/** Imports over the real D1: all or nothing, and once per file. Each test has codes of its own. */
import { beforeAll, describe, it } from "vitest";
import { MAX_BINS_PER_PLACE, MAX_IMPORT_ROWS } from "../../src/domain/import-file.ts";
import {
  clock,
  eventsSince,
  everything,
  file,
  importCsv,
  importPlaces,
  lastEvent,
  LINES,
  must,
  OFFERS,
  ORDERS,
  part,
  PARTS,
  parts,
  rowsOf,
  STOCK,
  stockDifferences,
} from "../support/importing.ts";

beforeAll(importPlaces);

describe("all or nothing", () => {
  it("one wrong cell and one unknown reference are both named by line, and nothing is written", async ({ expect }) => {
    const before = await everything();
    const refused = await importCsv("stock", file(STOCK, "NOPE-1,w-1,A,1", "NOPE-2,w-7,A,-2", "NOPE-3,truck-9,A,3"));
    expect(refused).toMatchObject({
      ok: false,
      code: "VALIDATION",
      reason: "4 things are wrong with the file; nothing was written",
    });
    expect(refused.ok || refused.problems).toEqual([
      { line: 2, column: "sku", value: "NOPE-1", detail: "no part NOPE-1" },
      { line: 3, column: "quantity", value: "-2", detail: "must not be negative" },
      { line: 4, column: "sku", value: "NOPE-3", detail: "no part NOPE-3" },
      { line: 4, column: "warehouse_id", value: "truck-9", detail: "no warehouse truck-9" },
    ]);
    expect(await everything()).toEqual(before);
  });

  it("unknown regions, suppliers and purchase orders are named by line", async ({ expect }) => {
    await must(importCsv("parts", parts("REF-1")));
    const firstOf = async (done: ReturnType<typeof importCsv>) => {
      const result = await done;
      return result.ok ? [] : result.problems;
    };
    expect(await firstOf(importCsv("warehouses", "warehouse_id,name,region_id\nw-8,Eight,east\n"))).toEqual([
      { line: 2, column: "region_id", value: "east", detail: "no region east" },
    ]);
    expect(await firstOf(importCsv("warehouses", "warehouse_id,name,region_id\ntruck-9,Nine,north\n"))).toEqual([
      { line: 2, column: "warehouse_id", value: "truck-9", detail: "truck-9 is a truck" },
    ]);
    expect(await firstOf(importCsv("supplier_parts", file(OFFERS, "nobody,REF-1,EA,1,USD,1,,5")))).toEqual([
      { line: 2, column: "supplier_id", value: "nobody", detail: "no supplier nobody" },
    ]);
    expect(await firstOf(importCsv("purchase_order_lines", file(LINES, "77,1,REF-1,1,1.00,,0,0")))).toEqual([
      { line: 2, column: "purchase_order_id", value: "77", detail: "no purchase order 77" },
    ]);
  });

  it("of 250 unknown parts 100 are listed in the order of the file and 250 are counted", async ({ expect }) => {
    const refused = await importCsv(
      "stock",
      file(STOCK, ...Array.from({ length: 250 }, (_, n) => `GONE-${250 - n},w-1,A,1`)),
    );
    if (refused.ok) throw new Error("imported");
    expect(refused.reason).toBe("250 things are wrong with the file, the first 100 are listed; nothing was written");
    expect(refused.problems?.map((problem) => problem.line)).toEqual(Array.from({ length: 100 }, (_, n) => n + 2));
  });

  it("a file that isn't UTF-8 is a refusal, not a fault", async ({ expect }) => {
    const refused = await importCsv("regions", new Uint8Array([0xff, 0xfe, 0x0a]));
    expect(refused).toMatchObject({ ok: false, code: "VALIDATION", problems: [{ line: 1 }] });
  });

  it("a dry run says what an import would do, and writes nothing", async ({ expect }) => {
    await must(importCsv("parts", parts("DRY-1")));
    const text = file(PARTS, part("DRY-1", "11.00"), part("DRY-2"));
    const before = await everything();
    const dry = await must(importCsv("parts", text, { dryRun: true }));
    expect(dry.answer).toMatchObject({ kind: "parts", rows: 2, created: 1, updated: 1, unchanged: 0, dry_run: true });
    expect(await everything()).toEqual(before);
    const real = await must(importCsv("parts", text));
    expect(real).toEqual({ ok: true, replayed: false, answer: { ...dry.answer, dry_run: false } });
    const wrong = await importCsv("parts", file(PARTS, part("DRY-1", "-1")), { dryRun: true });
    expect(wrong).toMatchObject({
      ok: false,
      code: "VALIDATION",
      problems: [{ line: 2, column: "list_price", value: "-1" }],
    });
  });
});

describe("once per file", () => {
  it("the same file again gets the first answer and writes nothing, even when the catalogue has moved on", async ({
    expect,
  }) => {
    const text = parts("ONCE-1", "ONCE-2");
    const first = await must(importCsv("parts", text));
    await must(importCsv("parts", file(PARTS, part("ONCE-1", "99.00"))));
    const before = await everything();
    expect(await importCsv("parts", text)).toEqual({ ok: true, replayed: true, answer: first.answer });
    expect(await importCsv("parts", text, { dryRun: true })).toEqual({
      ok: true,
      replayed: true,
      answer: { ...first.answer, dry_run: true },
    });
    expect(await everything()).toEqual(before);
  });

  it("of two uploads of one file at once, one writes and the other gets its answer", async ({ expect }) => {
    await must(importCsv("parts", parts("TWIN-1")));
    const text = file(STOCK, "TWIN-1,w-1,A,5");
    const both = await Promise.all([must(importCsv("stock", text)), must(importCsv("stock", text))]);
    expect(both.filter((one) => one.replayed)).toHaveLength(1);
    expect(both[0]?.answer).toEqual(both[1]?.answer);
    expect(
      await rowsOf("SELECT SUM(quantity) AS n, COUNT(*) AS movements FROM stock_movements WHERE sku = 'TWIN-1'"),
    ).toEqual([{ n: 5, movements: 1 }]);
  });

  it("the batch holds one audit row and one ImportCompleted, named by the file's hash", async ({ expect }) => {
    const from = await lastEvent();
    const { answer } = await must(importCsv("parts", parts("TOLD-1", "TOLD-2")));
    const subject = `import/${answer.file_hash.slice(0, 16)}`;
    const at = new Date(clock.now()).toISOString();
    expect((await eventsSince(from)).at(-1)).toEqual({
      type: "ImportCompleted",
      subject,
      region: null,
      notBefore: "",
      data: { kind: "parts", rows: 2, timestamp: at },
    });
    const audit = await rowsOf<{ after: string }>(
      "SELECT actor, actor_kind, action, after FROM audit WHERE subject = ?",
      subject,
    );
    expect(audit).toMatchObject([{ actor: "admin", actor_kind: "person", action: "import.completed" }]);
    expect(JSON.parse(audit[0]?.after ?? "")).toEqual({
      kind: "parts",
      rows: 2,
      created: 2,
      updated: 0,
      file_hash: answer.file_hash,
    });
  });
});

describe("purchase history", () => {
  it("orders and lines become history that no order of ours owns, and a later state updates it", async ({ expect }) => {
    await must(importCsv("parts", parts("HIST-1")));
    await must(
      importCsv("purchase_orders", file(ORDERS, "901,acme,258,pending,2022-04-15,,201.0400,16.0832,5.0260,222.1492")),
    );
    await must(importCsv("purchase_order_lines", file(LINES, "901,1,HIST-1,4,50.2650,2022-04-29,3.00,1.00")));
    await must(
      importCsv(
        "purchase_orders",
        file(ORDERS, "901,acme,258,completed,2022-04-15,2022-04-24,201.0400,16.0832,5.0260,222.1492"),
      ),
    );
    expect(await rowsOf("SELECT * FROM purchase_orders WHERE supplier = 'acme'")).toEqual([
      {
        id: "po_import_901",
        order_id: null,
        supplier: "acme",
        idempotency_key: "import:901",
        supplier_reference: null,
        status: "completed",
        total: 22215,
        currency: "USD",
        created_at: "2022-04-15T00:00:00.000Z",
        updated_at: "2022-04-24T00:00:00.000Z",
        incoming_at: null,
        version: 1,
        freight: 503,
        closed_short: null,
      },
    ]);
    expect(await rowsOf("SELECT * FROM purchase_order_lines WHERE sku = 'HIST-1'")).toEqual([
      {
        purchase_order_id: "po_import_901",
        line: 1,
        sku: "HIST-1",
        quantity: 4,
        unit_price: 5027,
        due_at: "2022-04-29T00:00:00.000Z",
        received: 3,
        rejected: 1,
        closed: 0,
        first_due_at: null,
      },
    ]);
  });
});

describe("large files", () => {
  it("a file of the most rows is one batch, new and again", async ({ expect }) => {
    const rows = Array.from({ length: MAX_IMPORT_ROWS }, (_, n) => part(`BULK-${n}`, "1.00", "x".repeat(60)));
    const { answer } = await must(importCsv("parts", file(PARTS, ...rows)));
    expect(answer).toMatchObject({ rows: MAX_IMPORT_ROWS, created: MAX_IMPORT_ROWS });
    const again = await must(importCsv("parts", file(PARTS, ...rows.slice(1))));
    expect(again.answer).toMatchObject({ created: 0, updated: 0, unchanged: MAX_IMPORT_ROWS - 1 });
    // Two bins a place, far apart in the file: they are written together all the same.
    const half = MAX_IMPORT_ROWS / 2;
    const stock = Array.from(
      { length: MAX_IMPORT_ROWS },
      (_, n) => `BULK-${n % half},w-${(n % 2) + 1},${n < half ? "A" : "B"},${n % 7}`,
    );
    await must(importCsv("stock", file(STOCK, ...stock)));
    expect(await rowsOf("SELECT COUNT(*) AS n FROM stock_bins WHERE sku LIKE 'BULK-%'")).toEqual([
      { n: MAX_IMPORT_ROWS },
    ]);
    expect(await stockDifferences()).toEqual([]);
  });

  it("more bins of one part in one warehouse than a statement can sum are refused by line", async ({ expect }) => {
    await must(importCsv("parts", parts("WIDE-1")));
    const bins = Array.from({ length: MAX_BINS_PER_PLACE + 2 }, (_, n) => `WIDE-1,w-1,B-${n},1`);
    const refused = await importCsv("stock", file(STOCK, ...bins));
    if (refused.ok) throw new Error("imported");
    expect(refused.problems?.map(({ line, column }) => [line, column])).toEqual([
      [MAX_BINS_PER_PLACE + 2, "bin"],
      [MAX_BINS_PER_PLACE + 3, "bin"],
    ]);
    const { answer } = await must(importCsv("stock", file(STOCK, ...bins.slice(2))));
    expect(answer.created).toBe(MAX_BINS_PER_PLACE);
  });
});
