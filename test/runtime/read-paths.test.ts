/** How the lists are read: by which index, and never by a walk over what only grows. */
import { beforeAll, describe, it } from "vitest";
import { LIST_WALK_ROWS } from "../../src/config.ts";
import { openDatabase, type Database } from "../../src/db/database.ts";
import { findCommandWalkEnd, listApplied } from "../../src/db/queries/commands.ts";
import { listOrders } from "../../src/db/queries/orders.ts";
import { listWaitingPurchases } from "../../src/db/queries/purchase-proposals.ts";
import { listAllPurchaseOrders, findPurchaseOrderWalkEnd } from "../../src/db/queries/purchase-orders.ts";
import { listRates } from "../../src/db/queries/sourcing.ts";
import { listTransfers } from "../../src/db/queries/transfers.ts";
import { hasDelivered } from "../../src/db/queries/webhook-deliveries.ts";
import { aroundDatabase } from "../support/bindings.ts";
import { as, env, startWorld } from "../support/harness.ts";

beforeAll(startWorld);

/** The plan of the one statement that `read` makes, step by step. */
async function planOf(read: (db: Database) => Promise<unknown>): Promise<string[]> {
  const made: { readonly text: string; readonly values: readonly unknown[] }[] = [];
  const db = aroundDatabase(env.DB, (call, texts, values) => {
    made.push(...texts.map((text) => ({ text, values })));
    return call();
  });
  await read(openDatabase(db));
  const [{ text, values }, ...more] = made as [(typeof made)[number], ...typeof made];
  if (more.length > 0) throw new Error(`${made.length} statements`);
  const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${text}`)
    .bind(...values)
    .all<{ detail: string }>();
  return results.map(({ detail }) => detail);
}

const AFTER = ["2026-11-23T12:00:00.000Z", "x"] as const;

describe("a page of orders is read in the order of the list", () => {
  it.for(["north", null])("of the region %s", async (region, { expect }) => {
    expect(await planOf((db) => listOrders(db, { region, after: null, limit: 50 }))).toEqual([
      "SCAN orders USING INDEX orders_by_time",
    ]);
    for (const status of [undefined, "Cancelled"] as const)
      expect(await planOf((db) => listOrders(db, { region, status, after: AFTER, limit: 50 }))).toEqual([
        "SEARCH orders USING INDEX orders_by_time ((created_at,id)<(?,?))",
      ]);
  });
});

describe("a page of the open purchase orders is read from those that are open", () => {
  it.for<[string | null, string | undefined]>([
    [null, undefined],
    [null, "truck-001"],
    ["north", undefined],
    ["north", "truck-001"],
  ])("of the region %s for %s", async ([region, location], { expect }) => {
    const page = (after: typeof AFTER | null) =>
      planOf((db) => listAllPurchaseOrders(db, { region, location, status: "placed", after, limit: 50 }));
    const order = expect.stringMatching(/^SEARCH orders USING INDEX sqlite_autoindex_orders_1 \(id=\?\)/);
    expect(await page(null)).toEqual(["SCAN purchase_orders USING INDEX purchase_orders_placed", order]);
    expect(await page(AFTER)).toEqual([
      "SEARCH purchase_orders USING INDEX purchase_orders_placed ((created_at,id)<(?,?))",
      order,
    ]);
  });
});

describe("a page of transfers is read from those of the state", () => {
  const STRETCH = "SEARCH transfers USING %INDEX transfers_by_state (state=? AND (created_at,id)<(?,?))";
  it.for<[string | null, string | undefined]>([
    [null, undefined],
    ["north", undefined],
    [null, "truck-001"],
    ["north", "truck-001"],
  ])("of the region %s at %s", async ([region, location], { expect }) => {
    const page = (state?: "in_transit") =>
      planOf((db) => listTransfers(db, { region, location, state, after: AFTER, limit: 50 }));
    const of = (plan: readonly string[]) => plan.filter((step) => / transfers\b/.test(step));
    const stretch = STRETCH.replace("%", region === null && location === undefined ? "COVERING " : "");
    const rows = "SEARCH transfers USING INDEX sqlite_autoindex_transfers_1 (id=?)";
    expect(of(await page("in_transit"))).toEqual([rows, stretch]);
    expect(of(await page())).toEqual([rows, stretch, stretch, stretch, stretch]);
  });
});

describe("what no index filters is looked through a stretch at a time", () => {
  it("commands that were applied, by id", async ({ expect }) => {
    expect(await planOf((db) => findCommandWalkEnd(db, "x", LIST_WALK_ROWS))).toEqual([
      "SEARCH commands USING PRIMARY KEY (id<?)",
    ]);
    for (const sender of [undefined, "device:truck-001"]) {
      const q = { sender, region: "north", after: "x", until: "a", limit: 50 };
      expect(await planOf((db) => listApplied(db, q))).toEqual(["SEARCH commands USING PRIMARY KEY (id>? AND id<?)"]);
    }
  });

  it.for<[string | null, string | undefined]>([
    [null, "truck-001"],
    ["north", "truck-001"],
    ["north", undefined],
  ])("purchase orders of the region %s for %s, of any status", async ([region, location], { expect }) => {
    const walked = await planOf((db) => findPurchaseOrderWalkEnd(db, AFTER, LIST_WALK_ROWS));
    expect(walked).toEqual([
      "SEARCH purchase_orders USING COVERING INDEX purchase_orders_by_time ((created_at,id)<(?,?))",
    ]);
    for (const status of [undefined, "completed"] as const) {
      const q = {
        region,
        location,
        status,
        after: AFTER,
        until: ["2026-01-01T00:00:00.000Z", "a"],
        limit: 50,
      } as const;
      expect(await planOf((db) => listAllPurchaseOrders(db, q))).toEqual([
        "SEARCH purchase_orders USING INDEX purchase_orders_by_time ((created_at,id)>(?,?) AND (created_at,id)<(?,?))",
        expect.stringMatching(/^SEARCH orders USING INDEX sqlite_autoindex_orders_1 \(id=\?\)/),
      ]);
    }
  });

  const NUMBERS = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${2 * LIST_WALK_ROWS})`;

  /** The ids on each page, from the first to the last. */
  async function pagesOf(path: string): Promise<string[][]> {
    const pages: string[][] = [];
    for (let cursor = ""; ;) {
      const { body } = await as("ops", "GET", `${path}${cursor}`);
      pages.push(body.data.map(({ id }: { id: string }) => id));
      if (body.meta.next_cursor === null) return pages;
      cursor = `&cursor=${body.meta.next_cursor}`;
    }
  }

  it("so that a command of long ago stands on a later page, with empty ones before it", async ({ expect }) => {
    await env.DB.prepare(
      `${NUMBERS} INSERT INTO commands(id, bucket, type, data, sender, region, state, traceparent, created_at, finished_at)
       SELECT printf('cmd_walk_%06d', i), 0, 'UpdatePart', '{}', iif(i IN (0, 1), 'device:truck-002', 'device:truck-001'), 'north', 'applied', '',
         '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z' FROM n`,
    ).run();
    const pages = await pagesOf("/api/commands?state=applied&sender=device:truck-002");
    await env.DB.prepare("DELETE FROM commands WHERE id LIKE 'cmd_walk_%'").run();
    expect(pages).toEqual([[], ["cmd_walk_000001"], ["cmd_walk_000000"]]);
  });

  it("so that a purchase order of long ago does", async ({ expect }) => {
    await env.DB.batch([
      env.DB.prepare(
        `INSERT INTO orders(id, requester, device_id, region, destination, status, step, total, currency, created_at, updated_at)
         SELECT 'ord_walk_' || id, 'truck-001', 'truck-001', region, id, 'Completed', 'ended', 0, 'USD', '', '' FROM locations
         WHERE id IN ('truck-001', 'truck-002')`,
      ),
      env.DB.prepare(
        `${NUMBERS} INSERT INTO purchase_orders(id, order_id, supplier, idempotency_key, status, total, currency, created_at, updated_at)
         SELECT printf('po_walk_%06d', i), iif(i IN (0, 1), 'ord_walk_truck-002', 'ord_walk_truck-001'), 'sup', printf('walk %d', i), 'completed', 0,
           'USD', '2026-01-01T00:00:00.000Z', '' FROM n`,
      ),
    ]);
    const pages = await pagesOf("/api/purchase-orders?location=truck-002");
    const first = await as("ops", "GET", "/api/purchase-orders?location=truck-001&limit=2");
    await env.DB.batch([
      env.DB.prepare("DELETE FROM purchase_orders WHERE id LIKE 'po_walk_%'"),
      env.DB.prepare("DELETE FROM orders WHERE id LIKE 'ord_walk_%'"),
    ]);
    expect(pages).toEqual([[], ["po_walk_000001"], ["po_walk_000000"]]);
    expect(first.body.data.map(({ id }: { id: string }) => id)).toEqual(["po_walk_004000", "po_walk_003999"]);
  });
});

it("whether an endpoint has taken anything of late is one look at what it took", async ({ expect }) => {
  expect(await planOf((db) => hasDelivered(db, "whk_x", "2026-01-01T00:00:00.000Z"))).toEqual([
    "SEARCH webhook_deliveries USING COVERING INDEX webhook_deliveries_taken (webhook_id=? AND updated_at>?)",
  ]);
});

it.for(["north", null])(
  "purchases that wait are found from the people who are asked, in %s",
  async (region, { expect }) => {
    expect(await planOf((db) => listWaitingPurchases(db, { region, requests: 50, allocations: 100 }))).toEqual([
      "CO-ROUTINE counted",
      "CO-ROUTINE (subquery-4)",
      "CO-ROUTINE waiting",
      "SCAN p",
      "SEARCH s USING INDEX approval_steps_by_approver (approver=? AND state=?)",
      "SEARCH r USING INDEX sqlite_autoindex_requests_1 (id=?)",
      "USE TEMP B-TREE FOR DISTINCT",
      "USE TEMP B-TREE FOR ORDER BY",
      // Of those that were found: no more than are asked for.
      "SCAN waiting",
      "SCAN (subquery-4)",
      "SCAN w",
      "SEARCH r USING INDEX sqlite_autoindex_requests_1 (id=?)",
      "USE TEMP B-TREE FOR ORDER BY",
    ]);
  },
);

describe("the rates that hold", () => {
  it("are sought currency by currency, each at its newest", async ({ expect }) => {
    const plan = await planOf((db) => listRates(db, "USD", "2026-11-23"));
    expect(plan.filter((step) => step.includes("exchange_rates") || step.includes(" r "))).toEqual([
      "SEARCH exchange_rates USING PRIMARY KEY",
      "SEARCH exchange_rates USING PRIMARY KEY (from_currency>?)",
      "SEARCH r USING PRIMARY KEY (from_currency=? AND to_currency=? AND as_of=?)",
      "SEARCH exchange_rates USING PRIMARY KEY (from_currency=? AND to_currency=? AND as_of<?)",
    ]);
    expect(plan.filter((step) => step.startsWith("SCAN"))).toEqual(["SCAN currencies", "SCAN currencies"]);
  });

  it("are the newest of each currency up to the day, to this currency alone", async ({ expect }) => {
    const rate = env.DB.prepare(
      "INSERT INTO exchange_rates(from_currency, to_currency, as_of, rate) VALUES (?, ?, ?, ?)",
    );
    await env.DB.batch([
      env.DB.prepare("DELETE FROM exchange_rates"),
      rate.bind("CHF", "EUR", "2026-01-01", 1),
      rate.bind("EUR", "USD", "2026-01-01", 2),
      rate.bind("EUR", "USD", "2026-01-03", 3),
      rate.bind("EUR", "USD", "2026-01-05", 4),
      rate.bind("GBP", "EUR", "2026-01-04", 5),
      rate.bind("GBP", "USD", "2026-01-04", 6),
      rate.bind("JPY", "USD", "2026-01-05", 7),
    ]);
    const db = openDatabase(env.DB);
    expect(await listRates(db, "USD", "2026-01-04")).toEqual([
      { from: "EUR", to: "USD", asOf: "2026-01-03", billionths: 3 },
      { from: "GBP", to: "USD", asOf: "2026-01-04", billionths: 6 },
    ]);
    expect((await listRates(db, "EUR", "2026-01-04")).map(({ from }) => from)).toEqual(["CHF", "GBP"]);
    await env.DB.prepare("DELETE FROM exchange_rates").run();
    expect(await listRates(db, "USD", "2026-01-04")).toEqual([]);
  });
});
