/** Imports of the catalogue: what is updated, what stays, and who hears of it. */
import { env } from "cloudflare:workers";
import { beforeAll, describe, it } from "vitest";
import { MAX_ANNOUNCED_CHANGES } from "../../src/domain/import-file.ts";
import {
  eventsSince,
  everything,
  file,
  importCsv,
  importDeps,
  importPlaces,
  lastEvent,
  must,
  OFFERS,
  part,
  PARTS,
  parts,
  rowsOf,
  STOCK,
  SUPPLIERS,
} from "../support/importing.ts";

beforeAll(importPlaces);

describe("the catalogue", () => {
  it("new parts are announced to no device, but lists are dropped from the cache at once and again 120 s later", async ({
    expect,
  }) => {
    const from = await lastEvent();
    await must(importCsv("parts", parts("NEW-1", "NEW-2", "NEW-3")));
    expect(
      (await eventsSince(from)).map(({ type, notBefore, data }) => [
        type,
        notBefore,
        "keys" in data ? data.keys : null,
      ]),
    ).toEqual([
      ["CacheDropDue", "", ["parts:catalog"]],
      ["ImportCompleted", "", null],
    ]);
  });

  it("of parts that exist only those that differ get a new version and a PartUpdated with it", async ({ expect }) => {
    await must(importCsv("parts", parts("CHG-1", "CHG-2", "CHG-3")));
    const from = await lastEvent();
    const text = file(
      PARTS,
      part("CHG-1"),
      part("CHG-2", "12.3450"),
      part("CHG-3", "10.00", '"Pump, ""big"""'),
      part("CHG-4"),
    );
    const { answer } = await must(importCsv("parts", text));
    expect(answer).toMatchObject({ rows: 4, created: 1, updated: 2, unchanged: 1 });
    expect(
      await rowsOf("SELECT sku, name, list_price, version FROM parts WHERE sku LIKE 'CHG-%' ORDER BY sku"),
    ).toEqual([
      { sku: "CHG-1", name: "Part CHG-1", list_price: 1000, version: 1 },
      { sku: "CHG-2", name: "Part CHG-2", list_price: 1235, version: 2 },
      { sku: "CHG-3", name: 'Pump, "big"', list_price: 1000, version: 2 },
      { sku: "CHG-4", name: "Part CHG-4", list_price: 1000, version: 1 },
    ]);
    const events = await eventsSince(from);
    expect(events.filter(({ type }) => type === "PartUpdated").map(({ data }) => data)).toMatchObject([
      { sku: "CHG-2", version: 2 },
      { sku: "CHG-3", version: 2 },
    ]);
    // The events themselves drop the parts and the lists.
    expect(events.map(({ type }) => type)).toEqual(["PartUpdated", "PartUpdated", "ImportCompleted"]);
    expect(
      await rowsOf("SELECT p.sku FROM parts_search s JOIN parts p ON p.rowid = s.rowid WHERE parts_search MATCH 'big'"),
    ).toEqual([{ sku: "CHG-3" }]);
  });

  it("a file that changes nothing drops nothing from the cache", async ({ expect }) => {
    await must(importCsv("parts", parts("SAME-1")));
    const from = await lastEvent();
    const { answer } = await must(importCsv("parts", `${parts("SAME-1")}\n`));
    expect(answer).toMatchObject({ created: 0, updated: 0, unchanged: 1 });
    expect((await eventsSince(from)).map(({ type }) => type)).toEqual(["ImportCompleted"]);
  });

  it("what the file doesn't know of a part, a supplier and an offer stays", async ({ expect }) => {
    await must(importCsv("parts", parts("KEEP-1")));
    await must(importCsv("suppliers", file(SUPPLIERS, "keeper-co,Keeper,,2,false,true")));
    await must(importCsv("supplier_parts", file(OFFERS, "keeper-co,KEEP-1,CTN,2.50,USD,10,100,7")));
    await env.DB.batch([
      env.DB.prepare(
        "UPDATE parts SET description = 'by hand', unit = 'M', barcode = '4006381333931' WHERE sku = 'KEEP-1'",
      ),
      env.DB.prepare("UPDATE suppliers SET url = 'https://api.keeper.example' WHERE id = 'keeper-co'"),
      env.DB.prepare("UPDATE supplier_parts SET pack = 12 WHERE sku = 'KEEP-1'"),
      env.DB.prepare("INSERT INTO price_breaks VALUES ('keeper-co', 'KEEP-1', 100, 200)"),
    ]);
    await must(importCsv("parts", file(PARTS, part("KEEP-1", "20.00"))));
    await must(importCsv("suppliers", file(SUPPLIERS, "keeper-co,Keeper,K1,3,true,false")));
    const { answer } = await must(importCsv("supplier_parts", file(OFFERS, "keeper-co,KEEP-1,CTN,2.60,USD,10,100,7")));
    expect(answer).toMatchObject({ created: 0, updated: 1 });
    expect(await rowsOf("SELECT description, unit, barcode, list_price FROM parts WHERE sku = 'KEEP-1'")).toEqual([
      { description: "by hand", unit: "M", barcode: "4006381333931", list_price: 2000 },
    ]);
    expect(
      await rowsOf(
        "SELECT url, account_number, credit_rating, preferred, active FROM suppliers WHERE id = 'keeper-co'",
      ),
    ).toEqual([{ url: "https://api.keeper.example", account_number: "K1", credit_rating: 3, preferred: 1, active: 0 }]);
    expect(await rowsOf("SELECT pack, moq FROM supplier_parts WHERE sku = 'KEEP-1'")).toEqual([{ pack: 12, moq: 10 }]);
    expect(
      await rowsOf("SELECT min_quantity, unit_price FROM price_breaks WHERE sku = 'KEEP-1' ORDER BY min_quantity"),
    ).toEqual([
      { min_quantity: 1, unit_price: 260 },
      { min_quantity: 100, unit_price: 200 },
    ]);
  });

  it("freight, currency and pack come with a file that has these columns, and stay with one that hasn't", async ({
    expect,
  }) => {
    const terms = () =>
      rowsOf(
        "SELECT currency, freight_flat, freight_free_from, freight_per_line FROM suppliers WHERE id = 'freight-co'",
      );
    const plain = file(SUPPLIERS, "freight-co,Freight,,2,false,true");
    await must(importCsv("suppliers", plain));
    expect(await terms()).toEqual([{ currency: "USD", freight_flat: 0, freight_free_from: null, freight_per_line: 0 }]);
    const columns = `${SUPPLIERS},currency,freight_flat,freight_free_from,freight_per_line`;
    const { answer } = await must(
      importCsv("suppliers", file(columns, "freight-co,Freight,,2,false,true,EUR,15,250,0.5")),
    );
    expect(answer).toMatchObject({ created: 0, updated: 1 });
    const full = [{ currency: "EUR", freight_flat: 1_500, freight_free_from: 25_000, freight_per_line: 50 }];
    expect(await terms()).toEqual(full);
    await must(importCsv("suppliers", file(SUPPLIERS, "freight-co,Freight,,3,false,true")));
    expect(await terms()).toEqual(full);

    await must(importCsv("parts", parts("PACK-1")));
    await must(importCsv("supplier_parts", file(`${OFFERS},pack`, "freight-co,PACK-1,BOX,2.50,EUR,10,,7,5")));
    await must(importCsv("supplier_parts", file(OFFERS, "freight-co,PACK-1,BOX,2.60,EUR,10,,7")));
    expect(await rowsOf("SELECT currency, pack, moq FROM supplier_parts WHERE sku = 'PACK-1'")).toEqual([
      { currency: "EUR", pack: 5, moq: 10 },
    ]);
  });

  it("offers make the parts' cached views and the lists stale", async ({ expect }) => {
    await must(importCsv("parts", parts("OFF-1")));
    const from = await lastEvent();
    await must(importCsv("supplier_parts", file(OFFERS, "acme,OFF-1,EA,1.00,USD,1,,5")));
    const drops = (await eventsSince(from)).flatMap(({ data }) => ("keys" in data ? [data.keys] : []));
    expect(drops).toEqual([["parts:catalog", "parts:OFF-1"]]);
  });

  it("suppliers get the stand-in's address in development and none in production", async ({ expect }) => {
    await must(importCsv("suppliers", file(SUPPLIERS, "dev-co,Dev,,1,true,true")));
    const deps = importDeps({ environment: "production" });
    await must(importCsv("suppliers", file(SUPPLIERS, "prod-co,Prod,,1,true,true"), { deps }));
    expect(await rowsOf("SELECT id, url FROM suppliers WHERE id IN ('dev-co', 'prod-co') ORDER BY id")).toEqual([
      { id: "dev-co", url: "https://suppliers.waybill.example/dev-co" },
      { id: "prod-co", url: null },
    ]);
  });

  it("a warehouse that moves to another region makes the parts stored there stale", async ({ expect }) => {
    await must(importCsv("warehouses", "warehouse_id,name,region_id\nw-move,Move,north\n"));
    await must(importCsv("parts", parts("MOVE-1")));
    await must(importCsv("stock", file(STOCK, "MOVE-1,w-move,A,1")));
    const from = await lastEvent();
    await must(importCsv("warehouses", "warehouse_id,name,region_id\nw-move,Move,south\n"));
    expect((await eventsSince(from))[0]).toMatchObject({ type: "CacheDropDue", data: { keys: ["parts:MOVE-1"] } });
  });

  it("a part that someone else changes while the file is compared is compared again", async ({ expect }) => {
    await must(importCsv("parts", parts("RACE-1", "RACE-2")));
    const deps = importDeps();
    let commits = 0;
    const racing = importDeps({
      commit: async (work) => {
        commits += 1;
        if (commits === 1) await must(importCsv("parts", file(PARTS, part("RACE-2", "12.00"))));
        return deps.commit(work);
      },
    });
    const { answer } = await must(
      importCsv("parts", file(PARTS, part("RACE-1", "12.00"), part("RACE-2", "12.00")), { deps: racing }),
    );
    expect(commits).toBe(2);
    expect(answer).toMatchObject({ updated: 1, unchanged: 1 });
    expect(await rowsOf("SELECT sku, version FROM parts WHERE sku LIKE 'RACE-%' ORDER BY sku")).toEqual([
      { sku: "RACE-1", version: 2 },
      { sku: "RACE-2", version: 2 },
    ]);
  });

  it("a file that changes more parts than devices can hear of is refused before it writes", async ({ expect }) => {
    const skus = Array.from({ length: MAX_ANNOUNCED_CHANGES + 1 }, (_, n) => `MANY-${n}`);
    await must(importCsv("parts", parts(...skus)));
    const before = await everything();
    const refused = await importCsv("parts", file(PARTS, ...skus.map((sku) => part(sku, "11.00"))));
    expect(refused).toMatchObject({
      ok: false,
      code: "VALIDATION",
      reason: expect.stringContaining(`at most ${MAX_ANNOUNCED_CHANGES}`),
    });
    expect(await everything()).toEqual(before);
    const { answer } = await must(importCsv("parts", file(PARTS, ...skus.slice(1).map((sku) => part(sku, "11.00")))));
    expect(answer).toMatchObject({ updated: MAX_ANNOUNCED_CHANGES });
  });
});
