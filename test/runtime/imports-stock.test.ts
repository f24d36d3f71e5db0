/** Imports of stock: the ledger is never wrong, and what is reserved stays. */
import { env } from "cloudflare:workers";
import { beforeAll, describe, it } from "vitest";
import { openDatabase } from "../../src/db/database.ts";
import {
  eventsSince,
  everything,
  file,
  importCsv,
  importDeps,
  importPlaces,
  lastEvent,
  must,
  parts,
  reserve,
  rowsOf,
  STOCK,
  stockDifferences,
} from "../support/importing.ts";
import { meterRows } from "../support/row-meter.ts";
import { throughWorld, wrapBindings } from "../support/world.ts";

beforeAll(importPlaces);

describe("stock", () => {
  it("a row sets its bin: the movement is the difference, and bins that aren't named stay", async ({ expect }) => {
    await must(importCsv("parts", parts("BIN-1")));
    await must(importCsv("stock", file(STOCK, "BIN-1,w-1,A,10", "BIN-1,w-1,B,4.00", "BIN-1,w-2,A,0")));
    const from = await lastEvent();
    const { answer } = await must(importCsv("stock", file(STOCK, "BIN-1,w-1,A,7", "BIN-1,w-1,C,5", "BIN-1,w-2,A,.00")));
    expect(answer).toMatchObject({ rows: 3, created: 1, updated: 1, unchanged: 1 });
    expect(
      await rowsOf("SELECT location, bin, quantity FROM stock_bins WHERE sku = 'BIN-1' ORDER BY location, bin"),
    ).toEqual([
      { location: "w-1", bin: "A", quantity: 7 },
      { location: "w-1", bin: "B", quantity: 4 },
      { location: "w-1", bin: "C", quantity: 5 },
      { location: "w-2", bin: "A", quantity: 0 },
    ]);
    expect(
      await rowsOf(
        "SELECT bin, quantity, kind FROM stock_movements WHERE sku = 'BIN-1' AND source = ? ORDER BY bin",
        `import/${answer.file_hash.slice(0, 16)}`,
      ),
    ).toEqual([
      { bin: "A", quantity: -3, kind: "import" },
      { bin: "C", quantity: 5, kind: "import" },
    ]);
    expect(
      await rowsOf("SELECT location, on_hand, version FROM stock_levels WHERE sku = 'BIN-1' ORDER BY location"),
    ).toEqual([
      { location: "w-1", on_hand: 16, version: 2 },
      { location: "w-2", on_hand: 0, version: 1 },
    ]);
    expect(await stockDifferences()).toEqual([]);
    const events = await eventsSince(from);
    expect(events.filter(({ type }) => type === "InventoryUpdated")).toMatchObject([
      { subject: "stock/BIN-1@w-1", region: "north", data: { bin: "A", quantity_change: -3, on_hand: 16 } },
      { subject: "stock/BIN-1@w-1", region: "north", data: { bin: "C", quantity_change: 5, on_hand: 16 } },
    ]);
    expect(events.filter(({ type }) => type === "CacheDropDue")).toEqual([]); // its changes drop the part themselves
  });

  it("reads no more of the ledger when the ledger is long", async ({ expect }) => {
    await must(importCsv("parts", parts("LONG-1")));
    await must(importCsv("stock", file(STOCK, "LONG-1,w-1,A,10")));
    const read = async (quantity: number) => {
      const rows = meterRows();
      const deps = importDeps({ db: openDatabase(throughWorld(env).DB) });
      await must(importCsv("stock", file(STOCK, `LONG-1,w-1,A,${quantity}`), { deps }));
      wrapBindings({});
      return rows.taken().read;
    };
    const short = await read(11);
    await env.DB.exec(
      "INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) SELECT 'long-' || i, 'LONG-1', 'w-2', 'A', CASE i % 2 WHEN 0 THEN 1 ELSE -1 END, 'adjustment', 'test', '2026-01-05T06:00:00.000Z' FROM n", // prettier-ignore
    );
    expect(await read(12)).toBeLessThan(short + 100);
  });

  it("what is reserved can't be imported away: the rows are named, nothing is written", async ({ expect }) => {
    await must(importCsv("parts", parts("RES-1", "RES-2")));
    await must(importCsv("stock", file(STOCK, "RES-1,w-1,A,6", "RES-1,w-1,B,6", "RES-2,w-1,A,5")));
    await reserve("RES-1", "w-1", 8);
    const before = await everything();
    for (const dryRun of [true, false]) {
      const refused = await importCsv("stock", file(STOCK, "RES-2,w-1,A,9", "RES-1,w-1,B,1"), { dryRun });
      expect(refused).toMatchObject({
        ok: false,
        code: "INSUFFICIENT_STOCK",
        problems: [
          { line: 3, column: "quantity", value: "1", detail: "w-1 would hold 7 of RES-1, but 8 are reserved" },
        ],
      });
    }
    expect(await everything()).toEqual(before);
    await must(importCsv("stock", file(STOCK, "RES-1,w-1,B,0", "RES-1,w-1,A,8")));
    expect(await rowsOf("SELECT on_hand, reserved FROM stock_levels WHERE sku = 'RES-1'")).toEqual([
      { on_hand: 8, reserved: 8 },
    ]);
    expect(await stockDifferences()).toEqual([]);
  });

  it("a reservation that lands between the comparison and the batch wins", async ({ expect }) => {
    await must(importCsv("parts", parts("LATE-1")));
    await must(importCsv("stock", file(STOCK, "LATE-1,w-1,A,10")));
    const deps = importDeps();
    let commits = 0;
    const racing = importDeps({
      commit: async (work) => {
        commits += 1;
        if (commits === 1) await reserve("LATE-1", "w-1", 6);
        return deps.commit(work);
      },
    });
    const refused = await importCsv("stock", file(STOCK, "LATE-1,w-1,A,5"), { deps: racing });
    expect(refused).toMatchObject({ ok: false, code: "INSUFFICIENT_STOCK", problems: [{ line: 2, value: "5" }] });
    expect(commits).toBe(1);
    expect(await rowsOf("SELECT on_hand, reserved FROM stock_levels WHERE sku = 'LATE-1'")).toEqual([
      { on_hand: 10, reserved: 6 },
    ]);
    expect(await stockDifferences()).toEqual([]);
  });

  it("pieces that move between the comparison and the batch are counted: the movement is the difference then", async ({
    expect,
  }) => {
    await must(importCsv("parts", parts("SLIP-1")));
    await must(importCsv("stock", file(STOCK, "SLIP-1,w-1,A,10")));
    const deps = importDeps();
    const from = await lastEvent();
    const racing = importDeps({
      commit: async (work) => {
        await must(importCsv("stock", file(STOCK, "SLIP-1,w-1,A,3")));
        return deps.commit(work);
      },
    });
    await must(importCsv("stock", file(STOCK, "SLIP-1,w-1,A,12"), { deps: racing }));
    expect(await rowsOf("SELECT quantity FROM stock_movements WHERE sku = 'SLIP-1'")).toHaveLength(3);
    const told = (await eventsSince(from)).filter(({ type }) => type === "InventoryUpdated").map(({ data }) => data);
    expect(told).toMatchObject([
      { quantity_change: -7, on_hand: 3 },
      { quantity_change: 9, on_hand: 12 },
    ]);
    expect(await stockDifferences()).toEqual([]);
  });
});
