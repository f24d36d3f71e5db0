/** How the lists are read: by which index, and never by a walk over what only grows. */
import { beforeAll, describe, it } from "vitest";
import { openDatabase, type Database } from "../../src/db/database.ts";
import { listOrders } from "../../src/db/queries/orders.ts";
import { listWaitingPurchases } from "../../src/db/queries/purchase-proposals.ts";
import { listAllPurchaseOrders } from "../../src/db/queries/purchase-orders.ts";
import { listRates } from "../../src/db/queries/sourcing.ts";
import { aroundDatabase } from "../support/bindings.ts";
import { env, startWorld } from "../support/harness.ts";

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
