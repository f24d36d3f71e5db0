import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { it } from "vitest";
import { DEMO_SEED, demoData, seedStatements } from "../../scripts/demo-data.ts";

const data = demoData();

/** The migrated database with the demo data in it, in memory. SQLite's own count of each table that has rows. */
function loaded(): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  db.exec("PRAGMA foreign_keys = ON");
  for (const file of readdirSync("migrations").sort()) db.exec(readFileSync(`migrations/${file}`, "utf8"));
  db.exec("BEGIN");
  for (const { sql, params } of seedStatements(data)) db.prepare(sql).run(...params);
  db.exec("COMMIT");
  return db;
}

function rows(db: DatabaseSync, sql: string): Record<string, unknown>[] {
  return db
    .prepare(sql)
    .all()
    .map((row) => ({ ...row }));
}

it("the same seed gives the same rows to the byte, another seed gives others", ({ expect }) => {
  expect(JSON.stringify(demoData(DEMO_SEED))).toBe(JSON.stringify(data));
  expect(JSON.stringify(demoData(DEMO_SEED + 1))).not.toBe(JSON.stringify(data));
});

it("there are at least 500 parts in 12 categories, 12 suppliers and 4 regions", ({ expect }) => {
  expect(data.parts.length).toBeGreaterThanOrEqual(500);
  expect(new Set(data.parts.map(({ category }) => category)).size).toBe(12);
  expect(data.suppliers.map(({ id }) => id)).toHaveLength(12);
  expect(data.regions.map(({ id }) => id)).toEqual(["north", "south", "east", "west"]);
});

it("SKUs, names and barcodes differ from part to part, and prices are whole cents above zero", ({ expect }) => {
  for (const field of ["sku", "name", "barcode"] as const) {
    expect(new Set(data.parts.map((part) => part[field])).size).toBe(data.parts.length);
  }
  for (const part of data.parts) {
    expect(part.sku).toMatch(/^[A-Z]{3,4}-\d{3}$/);
    expect(part.list_price > 0 && Number.isInteger(part.list_price)).toBe(true);
  }
});

it("every barcode is an EAN-13: with weights 1 and 3 its digits sum to a multiple of ten", ({ expect }) => {
  for (const { barcode } of data.parts) {
    expect(barcode).toMatch(/^\d{13}$/);
    const sum = Array.from(barcode).reduce((total, digit, at) => total + Number(digit) * (at % 2 ? 3 : 1), 0);
    expect(sum % 10).toBe(0);
  }
});

it("all rows of a table have the same columns, and a statement's one value stays far below D1's 2 MB", ({ expect }) => {
  for (const table of Object.values(data) as readonly (readonly object[])[]) {
    const shapes = new Set(table.map((row) => Object.keys(row).join()));
    expect(shapes.size).toBe(1);
  }
  for (const { params } of seedStatements(data)) expect(Buffer.byteLength(params[0])).toBeLessThan(1_000_000);
});

it("every row loads into the migrated schema with foreign keys enforced, and comes back as it was", ({ expect }) => {
  const db = loaded();
  expect(rows(db, "PRAGMA foreign_key_check")).toEqual([]);
  for (const [table, given] of Object.entries(data)) {
    expect(rows(db, `SELECT count(*) AS n FROM ${table}`), table).toEqual([{ n: given.length }]);
  }
  const [pump] = data.parts.filter(({ sku }) => sku === "PUMP-001");
  expect(rows(db, "SELECT * FROM parts WHERE sku = 'PUMP-001'")).toEqual([{ ...pump, currency: "USD", version: 1 }]);
  expect(rows(db, "SELECT * FROM people WHERE id = 'manager-national'")).toEqual(
    data.people.filter(({ id }) => id === "manager-national"),
  );
});

it("SUM(movement) = on_hand = SUM(bins) for every level, and nothing is reserved", ({ expect }) => {
  const db = loaded();
  const wrong = rows(
    db,
    `SELECT sku, location FROM stock_levels AS level
     WHERE on_hand <= 0 OR reserved <> 0
        OR on_hand IS NOT (SELECT sum(quantity) FROM stock_bins WHERE sku = level.sku AND location = level.location)
        OR on_hand IS NOT (SELECT sum(quantity) FROM stock_movements WHERE sku = level.sku AND location = level.location)`,
  );
  expect(wrong).toEqual([]);
  expect(rows(db, "SELECT DISTINCT kind FROM stock_movements")).toEqual([{ kind: "opening" }]);
  const orphans = `SELECT id FROM stock_movements LEFT JOIN stock_bins USING (sku, location, bin) WHERE stock_bins.sku IS NULL`;
  expect(rows(db, orphans)).toEqual([]);
});

it("prices fall with the quantity, start at one piece, and minimum quantities come in whole packs", ({ expect }) => {
  const db = loaded();
  const rising = `SELECT lower.sku FROM price_breaks AS lower JOIN price_breaks AS higher USING (sku, supplier)
    WHERE lower.min_quantity < higher.min_quantity AND lower.unit_price <= higher.unit_price`;
  expect(rows(db, rising)).toEqual([]);
  const steps = `SELECT min(min_quantity) AS first, count(*) AS steps FROM price_breaks GROUP BY sku, supplier`;
  for (const { first, steps: count } of rows(db, steps)) {
    expect(first).toBe(1);
    expect([1, 2, 3]).toContain(count);
  }
  const unpriced = `SELECT sku FROM supplier_parts WHERE NOT EXISTS (SELECT 1 FROM price_breaks AS b
    WHERE b.sku = supplier_parts.sku AND b.supplier = supplier_parts.supplier) OR moq % pack <> 0`;
  expect(rows(db, unpriced)).toEqual([]);
  expect(rows(db, "SELECT sku FROM supplier_parts WHERE max_order_quantity < moq")).toEqual([]);
});

it("whatever is still made can be bought, and what isn't names a successor that is", ({ expect }) => {
  const db = loaded();
  const unsold = `SELECT sku FROM parts WHERE discontinued = 0 AND sku NOT IN (SELECT sku FROM supplier_parts)`;
  expect(rows(db, unsold)).toEqual([]);
  const gone = rows(
    db,
    "SELECT old.sku, new.discontinued FROM parts old LEFT JOIN parts new ON new.sku = old.superseded_by WHERE old.discontinued = 1",
  );
  expect(gone.length).toBeGreaterThan(5);
  for (const { discontinued } of gone) expect(discontinued).toBe(0);
});

it("PUMP-001 lies in Bin-A-12 of warehouse-03 and has two suppliers", ({ expect }) => {
  const bin = { sku: "PUMP-001", location: "warehouse-03", bin: "Bin-A-12", quantity: 40 };
  expect(data.stock_bins).toContainEqual(bin);
  expect(data.supplier_parts.filter(({ sku }) => sku === "PUMP-001").map(({ supplier }) => supplier)).toEqual([
    "acme",
    "borealis",
  ]);
});

it("ECU-001 is electronics that nobody has in stock, from Acme alone in two days, at falling prices", ({ expect }) => {
  expect(data.parts.find(({ sku }) => sku === "ECU-001")).toMatchObject({
    category: "electronics",
    list_price: 89_900,
  });
  expect(data.stock_levels.filter(({ sku }) => sku === "ECU-001")).toEqual([]);
  const offers = data.supplier_parts.filter(({ sku }) => sku === "ECU-001");
  expect(offers).toEqual([expect.objectContaining({ supplier: "acme", lead_time_days: 2, moq: 1, pack: 1 })]);
  expect(data.price_breaks.filter(({ sku }) => sku === "ECU-001").map((step) => step.unit_price)).toEqual([
    84_900, 81_500, 77_900,
  ]);
  const limit = data.people.find(({ id }) => id === "manager-north")?.approval_limit ?? Infinity;
  expect(20 * 77_900).toBeGreaterThan(limit);
});

it("Acme supplies every electronics part that is still made", ({ expect }) => {
  const acme = new Set(data.supplier_parts.filter(({ supplier }) => supplier === "acme").map(({ sku }) => sku));
  const electronics = data.parts.filter((part) => part.category === "electronics" && part.discontinued === 0);
  expect(electronics.length).toBeGreaterThan(50);
  expect(electronics.filter(({ sku }) => !acme.has(sku))).toEqual([]);
});

it("some parts lie nowhere, and no part lies in a truck", ({ expect }) => {
  const stocked = new Set(data.stock_levels.map(({ sku }) => sku));
  expect(data.parts.filter(({ sku }) => !stocked.has(sku)).length).toBeGreaterThan(30);
  expect(stocked.size).toBeGreaterThan(300);
  expect(data.stock_levels.filter(({ location }) => !location.startsWith("warehouse-"))).toEqual([]);
});

it("a device's location is the one of its id, and its secret is kept as its SHA-256 only", ({ expect }) => {
  expect(data.devices.every(({ id, location }) => id === location)).toBe(true);
  const inNorth = data.devices.filter(({ region }) => region === "north").map(({ id }) => id);
  expect(inNorth.sort()).toEqual([
    "truck-001",
    "truck-002",
    "truck-003",
    "warehouse-01",
    "warehouse-02",
    "warehouse-03",
  ]);
  const truck = data.devices.find(({ id }) => id === "truck-001");
  expect(truck?.secret_hash).toBe(createHash("sha256").update("truck-001-secret").digest("hex"));
  expect(JSON.stringify(data)).not.toContain("truck-001-secret");
});

it.for([
  ["tech-north", "technician", "north", 0],
  ["keeper-03", "keeper", "north", 0],
  ["manager-north", "manager", "north", 500_000],
  ["manager-national", "manager", null, 10_000_000],
  ["ops", "operations", null, 0],
  ["admin", "admin", null, 0],
  ["integrator", "integrator", null, 0],
] as const)("persona %s is %s of region %s with the approval limit %i", ([id, role, region, limit], { expect }) => {
  const person = data.people.find((someone) => someone.id === id);
  expect(person).toMatchObject({ role, region, approval_limit: limit, self_approval_limit: 0 });
  expect(person?.location).toBe(id === "keeper-03" ? "warehouse-03" : null);
});

it("every region has a manager of its own", ({ expect }) => {
  for (const { id } of data.regions) {
    expect(data.people.filter(({ role, region }) => role === "manager" && region === id)).toHaveLength(1);
  }
});

it("the catalogue's full-text index finds a part by a word of its name", ({ expect }) => {
  const found = rows(
    loaded(),
    "SELECT sku FROM parts_search WHERE parts_search MATCH 'alternators' ORDER BY sku LIMIT 1",
  );
  expect(found).toEqual([{ sku: "ALTR-001" }]);
});
