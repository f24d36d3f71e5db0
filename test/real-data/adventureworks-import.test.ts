/** The eight files of the AdventureWorks sample, imported in order and compared with an independent reading of them. */
import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, it } from "vitest";
import { SAMPLE_KINDS, type SampleKind } from "../support/adventureworks-world.ts";
import { importCsv, rowsOf, stockDifferences } from "../support/importing.ts";

const files = env.TEST_DATA as Readonly<Record<SampleKind, string>> | null;
if (!files)
  console.log("real-data: skipped, no adventureworks folder (set WAYBILL_TEST_DATA to the folder that holds it)");

const COUNTS: Readonly<Record<SampleKind, number>> = {
  regions: 10,
  warehouses: 14,
  parts: 504,
  suppliers: 104,
  supplier_parts: 460,
  stock: 1_069,
  purchase_orders: 4_012,
  purchase_order_lines: 8_845,
};

/** Not the code under test: splits the file by hand, cell by cell. */
function cellsOf(kind: SampleKind): Record<string, string>[] {
  const [header = "", ...lines] = (files?.[kind] ?? "").trimEnd().split("\n");
  return lines.map((line) => {
    const cells = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, bare]) =>
      quoted === undefined ? (bare ?? "").trim() : quoted.replaceAll('""', '"').trim(),
    );
    return Object.fromEntries(header.split(",").map((name, index) => [name, cells[index] ?? ""]));
  });
}

/** Dollars in text → cents, half up, by string: no floating point. */
function cents(amount: string): number {
  const [whole = "", decimals = ""] = amount.split(".");
  const digits = `${whole}${decimals.padEnd(4, "0")}`;
  return Number((BigInt(digits || "0") + 50n) / 100n);
}

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
const first = async (query: string) => (await rowsOf<Record<string, number>>(query))[0];

describe.skipIf(!files)("the AdventureWorks sample", () => {
  beforeAll(async () => {
    await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
    for (const kind of SAMPLE_KINDS) {
      const imported = await importCsv(kind, files?.[kind] ?? "");
      if (!imported.ok)
        throw new Error(`${kind}: ${imported.reason} ${JSON.stringify(imported.problems?.slice(0, 3))}`);
    }
  });

  it("each file of the sample has as many rows as its documentation says, and each became one", async ({ expect }) => {
    const results = await rowsOf<{ scope: string; result: string }>("SELECT scope, result FROM inbox");
    const created = Object.fromEntries(
      results.map((row) => [row.scope.slice("import:".length), JSON.parse(row.result).created]),
    );
    expect(created).toEqual(COUNTS);
    expect(Object.fromEntries(SAMPLE_KINDS.map((kind) => [kind, cellsOf(kind).length]))).toEqual(COUNTS);
  });

  it("tables hold the counts of the files", async ({ expect }) => {
    expect(
      await first(`SELECT (SELECT COUNT(*) FROM regions) AS regions, (SELECT COUNT(*) FROM locations WHERE kind = 'warehouse') AS warehouses,
        (SELECT COUNT(*) FROM parts) AS parts, (SELECT COUNT(*) FROM suppliers) AS suppliers,
        (SELECT COUNT(*) FROM supplier_parts) AS supplier_parts, (SELECT COUNT(*) FROM stock_bins) AS stock,
        (SELECT COUNT(*) FROM purchase_orders) AS purchase_orders, (SELECT COUNT(*) FROM purchase_order_lines) AS purchase_order_lines`),
    ).toEqual(COUNTS);
  });

  it("parts keep names with commas and quotes, prices in cents and zero prices", async ({ expect }) => {
    const stored = await rowsOf(
      "SELECT sku, name, category, list_price, unit, discontinued, version FROM parts ORDER BY sku",
    );
    const expected = cellsOf("parts").map((row) => ({
      sku: row["sku"],
      name: row["name"],
      category: row["category"],
      list_price: cents(row["list_price"] ?? ""),
      unit: "EA",
      discontinued: row["discontinued"] === "true" ? 1 : 0,
      version: 1,
    }));
    expect(stored).toEqual(expected.sort((a, b) => ((a.sku ?? "") < (b.sku ?? "") ? -1 : 1)));
    expect(stored.filter((part) => part["list_price"] === 0).length).toBeGreaterThan(0);
    expect(stored.filter((part) => String(part["name"]).includes(",")).length).toBeGreaterThan(0);
  });

  it("offers keep price, minimum, maximum and lead time", async ({ expect }) => {
    const stored =
      await rowsOf(`SELECT o.supplier, o.sku, o.unit, o.pack, o.moq, o.max_order_quantity, o.lead_time_days, b.unit_price
      FROM supplier_parts o JOIN price_breaks b ON b.sku = o.sku AND b.supplier = o.supplier AND b.min_quantity = 1`);
    const expected = cellsOf("supplier_parts").map((row) => ({
      supplier: row["supplier_id"],
      sku: row["sku"],
      unit: row["unit"],
      pack: 1,
      moq: Number(row["min_order_qty"]),
      max_order_quantity: Number(row["max_order_qty"]),
      lead_time_days: Number(row["lead_time_days"]),
      unit_price: cents(row["unit_price"] ?? ""),
    }));
    const keyOf = (row: Record<string, unknown>) => JSON.stringify([row["supplier"], row["sku"]]);
    const byKey = (a: Record<string, unknown>, b: Record<string, unknown>) => (keyOf(a) < keyOf(b) ? -1 : 1);
    expect(stored.sort(byKey)).toEqual(expected.sort(byKey));
  });

  it("suppliers keep rating, preference and state", async ({ expect }) => {
    const rows = cellsOf("suppliers");
    const flagged = (column: string) => rows.filter((row) => row[column] === "true").length;
    expect(
      await first(
        "SELECT SUM(preferred) AS preferred, SUM(active) AS active, SUM(credit_rating) AS rating, COUNT(DISTINCT url) AS urls FROM suppliers",
      ),
    ).toEqual({
      preferred: flagged("preferred"),
      active: flagged("active"),
      rating: sum(rows.map((row) => Number(row["credit_rating"]))),
      urls: rows.length,
    });
  });

  it("stock of every bin is the file's, and ledger, levels and bins agree", async ({ expect }) => {
    const stored = await rowsOf("SELECT sku, location, bin, quantity FROM stock_bins");
    const expected = cellsOf("stock").map((row) => ({
      sku: row["sku"],
      location: row["warehouse_id"],
      bin: row["bin"],
      quantity: Number(row["quantity"]),
    }));
    const byKey = (a: Record<string, unknown>, b: Record<string, unknown>) =>
      JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
    expect(stored.sort(byKey)).toEqual(expected.sort(byKey));
    const pieces = sum(expected.map((row) => row.quantity));
    expect(
      await first(
        "SELECT (SELECT SUM(on_hand) FROM stock_levels) AS levels, (SELECT SUM(quantity) FROM stock_movements WHERE kind = 'import') AS moved",
      ),
    ).toEqual({ levels: pieces, moved: pieces });
    expect(await stockDifferences()).toEqual([]);
  });

  it("purchase orders keep state, total and days", async ({ expect }) => {
    const stored = await rowsOf(
      "SELECT id, order_id, supplier, status, total, created_at, idempotency_key FROM purchase_orders",
    );
    const expected = cellsOf("purchase_orders").map((row) => ({
      id: `po_import_${row["purchase_order_id"]}`,
      order_id: null,
      supplier: row["supplier_id"],
      status: row["status"],
      total: cents(row["total"] ?? ""),
      created_at: `${row["ordered_at"]}T00:00:00.000Z`,
      idempotency_key: `import:${row["purchase_order_id"]}`,
    }));
    const byId = (a: { id?: unknown }, b: { id?: unknown }) => (String(a.id) < String(b.id) ? -1 : 1);
    expect(stored.sort(byId)).toEqual(expected.sort(byId));
  });

  it("purchase order lines keep quantities, short and rejected receipts, also those due before their order", async ({
    expect,
  }) => {
    const rows = cellsOf("purchase_order_lines");
    const total = (column: string) => sum(rows.map((row) => Number(row[column])));
    expect(
      await first(`SELECT SUM(quantity) AS quantity, SUM(received) AS received, SUM(rejected) AS rejected, SUM(unit_price) AS prices,
        SUM(quantity * unit_price) AS value FROM purchase_order_lines`),
    ).toEqual({
      quantity: total("quantity"),
      received: total("received"),
      rejected: total("rejected"),
      prices: sum(rows.map((row) => cents(row["unit_price"] ?? ""))),
      value: sum(rows.map((row) => Number(row["quantity"]) * cents(row["unit_price"] ?? ""))),
    });
    expect(
      await first(`SELECT COUNT(*) AS early FROM purchase_order_lines l JOIN purchase_orders o ON o.id = l.purchase_order_id
      WHERE l.due_at < o.created_at`),
    ).toEqual({ early: 7 });
  });

  it("the files again write nothing, and with a line more only that line", async ({ expect }) => {
    const before = await first(
      "SELECT (SELECT COUNT(*) FROM outbox) AS events, (SELECT COUNT(*) FROM audit) AS audit, (SELECT COUNT(*) FROM stock_movements) AS moved",
    );
    for (const kind of SAMPLE_KINDS) {
      expect(await importCsv(kind, files?.[kind] ?? "")).toMatchObject({
        ok: true,
        replayed: true,
        answer: { rows: COUNTS[kind] },
      });
    }
    expect(
      await first(
        "SELECT (SELECT COUNT(*) FROM outbox) AS events, (SELECT COUNT(*) FROM audit) AS audit, (SELECT COUNT(*) FROM stock_movements) AS moved",
      ),
    ).toEqual(before);
    const more = `${files?.parts.trimEnd()}\nWB-0001,"Bracket, ""short""",raw-parts,,,.0000,.0000,0,0,false\n`;
    const added = await importCsv("parts", more);
    expect(added).toMatchObject({
      ok: true,
      replayed: false,
      answer: { rows: 505, created: 1, updated: 0, unchanged: 504 },
    });
  });
});
