import { cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { it, onTestFinished } from "vitest";
import { demoData, seedStatements } from "../../scripts/demo-data.ts";
import { applyMigrations } from "../../scripts/migrate.ts";
import { personas, seedOnce } from "../../scripts/seed.ts";
import { temporaryFolder } from "./start-process.ts";

const NOW = Date.parse("2026-11-23T12:00:00Z");

async function emptyDatabase() {
  const script = "export default {}";
  const mf = new Miniflare(convertV4MiniflareOptions({ modules: true, script, d1Databases: ["DB"], cf: false }));
  onTestFinished(() => mf.dispose());
  return mf.getD1Database("DB");
}

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = join(temporaryFolder(), "migrations");
  mkdirSync(folder);
  for (const [name, sql] of Object.entries(files)) writeFileSync(join(folder, name), sql);
  return folder;
}

const TRIGGER = `CREATE TABLE a (n INTEGER);
CREATE TRIGGER doubled AFTER INSERT ON a BEGIN
  UPDATE a SET n = n * 2 WHERE rowid = new.rowid; -- a statement; within
END;`;

it("migrations apply in the order of their names, triggers included, and only once", async ({ expect }) => {
  const db = await emptyDatabase();
  const folder = folderWith({ "0002_row.sql": "INSERT INTO a(n) VALUES (21);", "0001_table.sql": TRIGGER });
  expect(await applyMigrations(db, folder)).toEqual(["0001_table.sql", "0002_row.sql"]);
  expect(await applyMigrations(db, folder)).toEqual([]);
  expect((await db.prepare("SELECT n FROM a").all()).results).toEqual([{ n: 42 }]);
  const { results } = await db.prepare("SELECT id, name FROM d1_migrations ORDER BY id").all();
  expect(results).toEqual([
    { id: 1, name: "0001_table.sql" },
    { id: 2, name: "0002_row.sql" },
  ]);
});

it("a migration that fails is named, leaves nothing of itself, and is tried again", async ({ expect }) => {
  const db = await emptyDatabase();
  const folder = folderWith({ "0001_half.sql": "CREATE TABLE a (n INTEGER);\nINSERT INTO missing VALUES (1);" });
  await expect(applyMigrations(db, folder)).rejects.toThrow(
    /^Migration 0001_half\.sql failed: .*no such table: missing/,
  );
  expect((await db.prepare("SELECT name FROM d1_migrations").all()).results).toEqual([]);
  writeFileSync(join(folder, "0001_half.sql"), "CREATE TABLE a (n INTEGER);");
  expect(await applyMigrations(db, folder)).toEqual(["0001_half.sql"]);
});

it("the demo data loads into D1 once; the second time nothing is written", async ({ expect }) => {
  const db = await emptyDatabase();
  await applyMigrations(db);
  expect(await seedOnce(db, NOW)).toBe(true);
  const before = await db.prepare("SELECT * FROM audit").all();
  expect(before.results).toEqual([
    expect.objectContaining({ at: "2026-11-23T12:00:00.000Z", action: "DemoDataSeeded" }),
  ]);
  expect(await seedOnce(db, NOW + 1)).toBe(false);
  expect((await db.prepare("SELECT * FROM audit").all()).results).toEqual(before.results);
  expect((await personas(db))[0]).toEqual({ id: "tech-north", role: "technician", region: "north" });
});

it("demo data that can't be loaded is one clear line, and nothing of it stays", async ({ expect }) => {
  const db = await emptyDatabase();
  await applyMigrations(db);
  await db.prepare("INSERT INTO suppliers(id, name) VALUES ('acme', 'Another Acme')").run();
  await expect(seedOnce(db, NOW)).rejects.toThrow(
    /^The demo data can't be loaded: .*UNIQUE constraint failed: suppliers\.id/,
  );
  expect(await db.prepare("SELECT count(*) AS n FROM parts").first("n")).toBe(0);
});

it("approvals, ballots and commands from before commands could be approved are there afterwards, as they were", async ({
  expect,
}) => {
  const db = await emptyDatabase();
  const folder = folderWith({});
  const all = readdirSync("migrations").filter((name) => name.endsWith(".sql"));
  for (const name of all.filter((one) => one < "0007")) cpSync(join("migrations", name), join(folder, name));
  await applyMigrations(db, folder);
  // The people and places of the demo: its suppliers have columns that came later.
  const { regions, locations, people, devices } = demoData();
  const seeded = seedStatements({ regions, locations, people, devices });
  await db.batch(seeded.map(({ sql, params }) => db.prepare(sql).bind(...params)));
  const hash = "a".repeat(64);
  const rows = [
    `INSERT INTO requests(id, request_number, device_id, requester, region, destination, status, created_at, updated_at)
      VALUES ('req_old', 'R-1', 'truck-001', 'tech-north', 'north', 'truck-001', 'ordering', '', '')`,
    `INSERT INTO approval_steps(id, request_id, position, approver, rule, state, payload_hash, asked_at, due_at, decided_at)
      VALUES ('stp_old', 'req_old', 10, 'manager-north', 'amount', 'approved', '${hash}', 'a', 'd', 'e')`,
    `INSERT INTO ballots(id, step_id, request_id, request_version, payload_hash, approver, decision, reason, at)
      VALUES ('bal_old', 'stp_old', 'req_old', 3, '${hash}', 'manager-north', 'approve', 'fine', 'e')`,
    `INSERT INTO commands(id, bucket, type, data, sender, region, state, traceparent, created_at)
      VALUES ('cmd_old', 1, 'UpdatePart', '{}', 'person:ops', 'north', 'applied', 't', 'c')`,
  ];
  await db.batch(rows.map((sql) => db.prepare(sql)));
  for (const name of all) cpSync(join("migrations", name), join(folder, name));
  expect(await applyMigrations(db, folder)).toContain("0007_offline.sql");

  expect(await db.prepare("SELECT * FROM approval_steps").first()).toEqual({
    id: "stp_old",
    request_id: "req_old",
    command_id: null,
    position: 10,
    approver: "manager-north",
    rule: "amount",
    state: "approved",
    payload_hash: hash,
    asked_at: "a",
    due_at: "d",
    decided_at: "e",
  });
  expect(await db.prepare("SELECT * FROM ballots").first()).toMatchObject({
    id: "bal_old",
    step_id: "stp_old",
    request_id: "req_old",
    command_id: null,
    request_version: 3,
    reason: "fine",
  });
  const command = await db.prepare("SELECT device_sequence, approval FROM commands WHERE id = 'cmd_old'").first();
  expect(command).toEqual({ device_sequence: null, approval: null });
  expect((await db.prepare("PRAGMA foreign_key_check").all()).results).toEqual([]);
  const orphan = db.prepare(
    `INSERT INTO approval_steps(id, position, approver, rule, state, payload_hash) VALUES ('x', 1, 'ops', 'r', 'void', 'h')`,
  );
  await expect(orphan.run()).rejects.toThrow("CHECK constraint failed");
});

it("a database with transfers, purchase orders and low stock goes on with them as they were", async ({ expect }) => {
  const db = await emptyDatabase();
  const folder = folderWith({});
  const all = readdirSync("migrations").filter((name) => name.endsWith(".sql"));
  for (const name of all.filter((one) => one < "0003")) cpSync(join("migrations", name), join(folder, name));
  await applyMigrations(db, folder);
  const rows = [
    "INSERT INTO regions VALUES ('north', 'North')",
    "INSERT INTO locations VALUES ('w-1', 'warehouse', 'W', 'north'), ('t-1', 'truck', 'T', 'north')",
    "INSERT INTO parts(sku, name, category, unit, list_price) VALUES ('A', 'A', 'body', 'each', 1)",
    "INSERT INTO stock_levels(sku, location, on_hand, minimum) VALUES ('A', 'w-1', 2, 3), ('A', 't-1', 0, 0)",
    `INSERT INTO orders(id, requester, device_id, region, destination, status, step, total, currency, created_at, updated_at)
       VALUES ('ord_1', 'm', 't-1', 'north', 't-1', 'Completed', 'ended', 1, 'USD', '', ''),
         ('ord_2', 'm', 't-1', 'north', 't-1', 'Pending', 'purchase', 1, 'USD', '', '')`,
    `INSERT INTO purchase_orders(id, order_id, supplier, idempotency_key, status, total, currency, created_at, updated_at)
       VALUES ('po_1', 'ord_1', 's', 'k1', 'placed', 1, 'USD', '', ''), ('po_2', 'ord_2', 's', 'k2', 'placed', 1, 'USD', '', '')`,
    "INSERT INTO transfers VALUES ('trf_1', 'ord_1', 'w-1', 't-1', 'in_transit', ''), ('trf_2', NULL, 'w-1', 't-1', 'received', '')",
    "INSERT INTO transfer_lines VALUES ('trf_1', 'A', 'Bin-1', 5), ('trf_2', 'A', 'Bin-1', 4)",
  ];
  await db.batch(rows.map((sql) => db.prepare(sql)));
  expect(await applyMigrations(db)).toEqual(all.filter((name) => name > "0003").sort());

  const read = async (sql: string) => (await db.prepare(sql).all()).results;
  expect(await read("SELECT transfer_id, quantity, received, rejected FROM transfer_lines ORDER BY 1")).toEqual([
    { transfer_id: "trf_1", quantity: 5, received: 0, rejected: 0 },
    { transfer_id: "trf_2", quantity: 4, received: 4, rejected: 0 },
  ]);
  expect(await read("SELECT id, state, version FROM transfers ORDER BY 1")).toEqual([
    { id: "trf_1", state: "in_transit", version: 1 },
    { id: "trf_2", state: "received", version: 1 },
  ]);
  expect(await read("SELECT id, incoming_at FROM purchase_orders ORDER BY 1")).toEqual([
    { id: "po_1", incoming_at: "t-1" },
    { id: "po_2", incoming_at: null },
  ]);
  expect(await read("SELECT location, low_mark FROM stock_levels ORDER BY 1")).toEqual([
    { location: "t-1", low_mark: null },
    { location: "w-1", low_mark: "migration" },
  ]);
  await expect(
    db.prepare("INSERT INTO transfer_lines(transfer_id, sku, bin, quantity) VALUES ('none', 'A', 'B', 1)").run(),
  ).rejects.toThrow(/FOREIGN KEY/);
});

it("suppliers of before adapters are simulated where the stand-in answers, else real and without a secret yet", async ({
  expect,
}) => {
  const db = await emptyDatabase();
  const folder = folderWith({});
  const all = readdirSync("migrations").filter((name) => name.endsWith(".sql"));
  for (const name of all.filter((one) => one < "0009")) cpSync(join("migrations", name), join(folder, name));
  await applyMigrations(db, folder);
  const rows = `INSERT INTO suppliers(id, name, url) VALUES ('acme', 'Acme', 'https://suppliers.waybill.example/acme'),
    ('real', 'Real', 'https://orders.real.example'), ('none', 'None', NULL)`;
  await db.prepare(rows).run();
  expect(await applyMigrations(db)).toContain("0009_supplier_access.sql");

  const { results } = await db.prepare("SELECT id, url, adapter, secret_name FROM suppliers ORDER BY id").all();
  expect(results).toEqual([
    { id: "acme", url: "https://suppliers.waybill.example/acme", adapter: "simulated-supplier", secret_name: null },
    { id: "none", url: null, adapter: "simulated-supplier", secret_name: null },
    { id: "real", url: "https://orders.real.example", adapter: "http-supplier", secret_name: null },
  ]);
  await expect(db.prepare("INSERT INTO suppliers(id, name, adapter) VALUES ('x', 'X', 'ftp')").run()).rejects.toThrow(
    "CHECK constraint failed",
  );
});

it("response files on their way go on to the archive, and those that are there stay there", async ({ expect }) => {
  const db = await emptyDatabase();
  const folder = folderWith({});
  const all = readdirSync("migrations").filter((name) => name.endsWith(".sql"));
  for (const name of all.filter((one) => one < "0013")) cpSync(join("migrations", name), join(folder, name));
  await applyMigrations(db, folder);
  await db
    .prepare(
      `INSERT INTO cloud_uploads(response_id, path, state, attempts, error, updated_at)
       VALUES ('res_1', 'a', 'queued', 2, 'down', 't1'), ('res_2', 'b', 'done', 1, NULL, 't2'), ('res_3', 'c', 'failed', 5, 'down', 't3')`,
    )
    .run();
  expect(await applyMigrations(db)).toContain("0013_documents.sql");

  const same = { store: "archive", ladder_from: 0, link: null };
  expect((await db.prepare("SELECT * FROM cloud_uploads ORDER BY 1").all()).results).toEqual([
    {
      ...same,
      response_id: "res_1",
      path: "a",
      state: "queued",
      attempts: 2,
      error: "down",
      due_at: "t1",
      updated_at: "t1",
    },
    {
      ...same,
      response_id: "res_2",
      path: "b",
      state: "stored",
      attempts: 1,
      error: null,
      due_at: "t2",
      updated_at: "t2",
    },
    {
      ...same,
      response_id: "res_3",
      path: "c",
      state: "failed",
      attempts: 5,
      error: "down",
      due_at: "t3",
      updated_at: "t3",
    },
  ]);
  const plan = await db
    .prepare(
      "EXPLAIN QUERY PLAN SELECT response_id FROM cloud_uploads WHERE state = 'queued' AND due_at < ? ORDER BY due_at",
    )
    .bind("t")
    .all<{ detail: string }>();
  expect(plan.results.map(({ detail }) => detail)).toEqual([expect.stringContaining("cloud_uploads_queued")]);
});

it("suppliers of before freight keep the currency of their offers, and their receipts measure the lead time", async ({
  expect,
}) => {
  const db = await emptyDatabase();
  const folder = folderWith({});
  const all = readdirSync("migrations").filter((name) => name.endsWith(".sql"));
  for (const name of all.filter((one) => one < "0010")) cpSync(join("migrations", name), join(folder, name));
  await applyMigrations(db, folder);
  const received = (command: string, po: string, at: string, quantity = 1, sku = "P-1") =>
    `INSERT INTO receipts(command_id, line, source, source_line, sku, location, bin, received, rejected, at)
     VALUES ('${command}', 1, 'purchase-order/${po}', 1, '${sku}', 'w', 'b', ${quantity}, ${1 - quantity}, '${at}')`;
  const days = Array.from({ length: 22 }, (_, at) => at + 1);
  const purchase = (id: string, supplier: string, at: string) =>
    `INSERT INTO purchase_orders(id, order_id, supplier, idempotency_key, status, total, currency, created_at, updated_at)
     VALUES ('${id}', 'o', '${supplier}', '${id}', 'completed', 1, 'USD', '${at}', '${at}')`;
  for (const statement of [
    "INSERT INTO parts(sku, name, category, unit, list_price) VALUES ('P-1', 'Part', 'c', 'each', 1), ('P-2', 'P', 'c', 'each', 1)",
    "INSERT INTO suppliers(id, name) VALUES ('home', 'Home'), ('euro', 'Euro'), ('new', 'New')",
    `INSERT INTO supplier_parts(supplier, sku, unit, lead_time_days, currency)
     VALUES ('home', 'P-1', 'each', 5, 'USD'), ('euro', 'P-1', 'each', 5, 'EUR'), ('euro', 'P-2', 'each', 5, 'EUR')`,
    purchase("po-3", "euro", "2026-03-01T00:00:00.000Z"),
    ...days
      .toReversed()
      .map((day) => received(`d-${day}`, "po-3", `2026-03-${String(day + 1).padStart(2, "0")}`, 1, "P-2")),
    received("c-4", "po-1 of an import", "2026-01-08T01:00:00.000Z"),
    purchase("po-1", "home", "2026-01-01T22:00:00.000Z"),
    purchase("po-2", "home", "2026-02-01T00:00:00.000Z"),
    received("c-2", "po-2", "2026-02-04T10:00:00.000Z"),
    received("c-1", "po-1", "2026-01-08T01:00:00.000Z"),
    received("c-3", "po-2", "2026-02-20T10:00:00.000Z", 0),
  ])
    await db.prepare(statement).run();
  expect(await applyMigrations(db)).toContain("0010_purchasing.sql");

  const { results } = await db.prepare("SELECT id, currency, freight_flat FROM suppliers ORDER BY id").all();
  expect(results).toEqual([
    { id: "euro", currency: "EUR", freight_flat: 0 },
    { id: "home", currency: "USD", freight_flat: 0 },
    { id: "new", currency: "USD", freight_flat: 0 },
  ]);
  const arrivals = await db.prepare("SELECT supplier, arrivals FROM supplier_parts ORDER BY supplier, sku").all();
  expect(arrivals.results).toEqual([
    { supplier: "euro", arrivals: "[]" },
    { supplier: "euro", arrivals: JSON.stringify(days.slice(2)) },
    { supplier: "home", arrivals: "[7,3]" },
  ]);
});

it("orders of a database from before stuck ones were shown go on as they were; those that need attention are shown since they do", async ({
  expect,
}) => {
  const db = await emptyDatabase();
  const folder = folderWith({});
  const all = readdirSync("migrations").filter((name) => name.endsWith(".sql"));
  for (const name of all.filter((one) => one < "0012")) cpSync(join("migrations", name), join(folder, name));
  await applyMigrations(db, folder);
  await db
    .prepare(
      `INSERT INTO orders(id, requester, device_id, region, destination, status, step, total, currency, next_wake_at, created_at, updated_at)
       VALUES ('ord_1', 'm', 't-1', 'north', 't-1', 'NeedsAttention', 'ended', 1, 'USD', NULL, 'a', 'b'),
         ('ord_2', 'm', 't-1', 'north', 't-1', 'Pending', 'reserve', 1, 'USD', 'w', 'c', 'd')`,
    )
    .run();
  for (const name of all) cpSync(join("migrations", name), join(folder, name));
  expect(await applyMigrations(db, folder)).toContain("0012_saga.sql");

  const { results } = await db
    .prepare(
      "SELECT id, status, step, next_wake_at, stuck_since, attempts, last_error, alarmed_wake_at FROM orders ORDER BY id",
    )
    .all();
  const untold = { attempts: 0, last_error: null, alarmed_wake_at: null };
  expect(results).toEqual([
    { id: "ord_1", status: "NeedsAttention", step: "ended", next_wake_at: null, stuck_since: "b", ...untold },
    { id: "ord_2", status: "Pending", step: "reserve", next_wake_at: "w", stuck_since: null, ...untold },
  ]);
});
