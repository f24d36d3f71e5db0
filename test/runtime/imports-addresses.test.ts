import { beforeAll, describe, it } from "vitest";
import { file, importCsv, importDeps, importPlaces, must, rowsOf, SUPPLIERS } from "../support/importing.ts";

const ADDRESSES = "supplier_id,adapter,url,secret_name";
const production = () => ({ deps: importDeps({ environment: "production" }) });

beforeAll(importPlaces);

const kept = async (id: string) =>
  (await rowsOf("SELECT name, adapter, url, secret_name FROM suppliers WHERE id = ?", id))[0];

async function problemsOf(row: string, options = production()) {
  const result = await importCsv("supplier_addresses", file(ADDRESSES, row), options);
  return result.ok ? [] : (result.problems ?? []);
}

describe("a file of suppliers' addresses", () => {
  it("says where a supplier that is there is reached, and what names the secret; nothing else of it changes", async ({
    expect,
  }) => {
    const text = file(ADDRESSES, "acme,http-supplier,https://orders.acme.example/v1,acme-2026");
    expect(await must(importCsv("supplier_addresses", text, production()))).toMatchObject({ answer: { updated: 1 } });
    expect(await kept("acme")).toEqual({
      name: 'Acme, "Inc"',
      adapter: "http-supplier",
      url: "https://orders.acme.example/v1",
      secret_name: "acme-2026",
    });

    const again = file(SUPPLIERS, "acme,Acme,,2,true,true");
    await must(importCsv("suppliers", again, production()));
    expect(await kept("acme")).toMatchObject({ name: "Acme", url: "https://orders.acme.example/v1" });
  });

  it.for<[string, string, object]>([
    [
      "an address without TLS",
      "acme,http-supplier,http://orders.acme.example,acme",
      { line: 2, column: "url", detail: "must be an https URL: without TLS nothing is sent" },
    ],
    [
      "an address of this machine without TLS",
      "acme,http-supplier,http://localhost:8788,acme",
      { column: "url", detail: "must be an https URL: without TLS nothing is sent" },
    ],
    ["what is no address", "acme,http-supplier,orders,acme", { column: "url", detail: "must be an https URL" }],
    [
      "an address with a password",
      "acme,http-supplier,https://me:secret@orders.acme.example,acme",
      { column: "url", detail: "must not hold a user name or password" },
    ],
    [
      "a simulated supplier",
      "acme,simulated-supplier,https://orders.acme.example,",
      { column: "adapter", detail: "it is simulated, and only development has simulated suppliers" },
    ],
    ["another adapter", "acme,ftp,https://orders.acme.example,acme", { column: "adapter" }],
    [
      "no secret's name",
      "acme,http-supplier,https://orders.acme.example,",
      { column: "secret_name", detail: "must name an entry of SUPPLIER_SECRETS: what isn't signed isn't sent" },
    ],
    [
      "a supplier that isn't there",
      "nobody,http-supplier,https://orders.acme.example,acme",
      { column: "supplier_id", detail: "no supplier nobody" },
    ],
  ])(
    "is refused in production with %s, by line and column, and nothing is kept",
    async ([, row, problem], { expect }) => {
      const before = await kept("acme");
      expect(await problemsOf(row)).toMatchObject([problem]);
      expect(await kept("acme")).toEqual(before);
      expect(await kept("nobody")).toBeUndefined();
    },
  );

  it("in development may lead to this machine without TLS, and to no other", async ({ expect }) => {
    const development = { deps: importDeps() };
    expect(await problemsOf("acme,http-supplier,http://orders.acme.example,acme", development)).toMatchObject([
      { column: "url", detail: "must be an https URL: without TLS only this machine is called" },
    ]);
    await must(
      importCsv(
        "supplier_addresses",
        file(ADDRESSES, "acme,simulated-supplier,http://localhost:8788/acme,"),
        development,
      ),
    );
    expect(await kept("acme")).toMatchObject({ adapter: "simulated-supplier", secret_name: null });
  });
});
