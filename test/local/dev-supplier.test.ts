import { it, vi } from "vitest";
import { apiOf } from "../../scripts/demo-story/api.ts";
import { demoData } from "../../scripts/demo-data.ts";
import { freePort, startWaybill, temporaryFolder } from "./start-process.ts";

const SOON = { timeout: 30_000, interval: 50 };
const ASKER = "truck-001"; // of region north
const CHEAP = 5_000; // nobody is asked to approve it

/** A part that the region has none of, that one supplier sells, and that nobody has to approve. */
function partToBuy(): { sku: string; supplier: string } {
  const { locations, parts, stock_levels: levels, supplier_parts: offers, price_breaks: breaks } = demoData();
  const north = new Set(locations.filter(({ region }) => region === "north").map(({ id }) => id));
  const stocked = new Set(levels.filter(({ location }) => north.has(location)).map(({ sku }) => sku));
  for (const { sku, discontinued } of parts) {
    const [offer, another] = offers.filter((one) => one.sku === sku);
    if (!offer || another || discontinued === 1 || stocked.has(sku)) continue;
    const price = breaks.find((step) => step.sku === sku && step.supplier === offer.supplier)?.unit_price ?? CHEAP;
    if (Math.max(offer.moq, offer.pack) * price < CHEAP) return { sku, supplier: offer.supplier };
  }
  throw new Error("the demo data has no such part");
}

it("a person takes a supplier down on its page, sees an order wait, takes it up again and sees the order end", async ({
  expect,
}) => {
  const port = await freePort();
  await startWaybill({ PORT: String(port), WAYBILL_STATE: temporaryFolder() }).ready();
  const { sku, supplier } = partToBuy();
  for (const home of [`http://localhost:${port}`, `http://127.0.0.1:${port}`]) {
    const list = await fetch(`${home}/dev/supplier`);
    expect(await list.text()).toContain(`href="/dev/supplier/${supplier}/"`);
  }
  const home = `http://localhost:${port}`;
  const page = `${home}/dev/supplier/${supplier}/`;
  const set = async (switches: Record<string, string>) => {
    const headers = { origin: home, "sec-fetch-site": "same-origin" };
    const sent = await fetch(`${page}switches`, { method: "POST", headers, body: new URLSearchParams(switches) });
    expect([sent.status, sent.url]).toEqual([200, page]); // its form leads back to the page
  };
  expect(await (await fetch(page)).text()).toContain('name="down"');
  await set({ down: "on" });
  expect(await (await fetch(page)).text()).toContain('name="down" checked');

  const api = apiOf(`http://127.0.0.1:${port}`);
  const wanted = { request_number: "R-1", device_id: ASKER, lines: [{ sku, quantity: 1 }] };
  const asked = await api.as<{ request_id: string }>(ASKER, "POST", "/api/requests", wanted, "R-1-asked-once");
  const requestId = asked.body.request_id;
  await vi.waitFor(
    async () => expect(await (await fetch(page)).text()).toMatch(/POST purchase-orders<\/td><td>503/),
    SOON,
  );
  expect(await api.read("ops", `/api/requests/${requestId}`)).toMatchObject({ status: "ordering" });

  await set({});
  await vi.waitFor(
    async () => expect(await api.read("ops", `/api/requests/${requestId}`)).toMatchObject({ status: "completed" }),
    SOON,
  );
  const book = await (await fetch(page)).text();
  expect(book).toMatch(new RegExp(`accepted</td>.*\\d+ × ${sku} at \\d+`));
  expect(book).toMatch(/POST purchase-orders<\/td><td>201/);
}, 120_000);
