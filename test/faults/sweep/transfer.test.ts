/**
 * The sweep of stock work: a count finds a piece less, pieces leave for a truck, which brings the shelf below its minimum, and
 * the truck takes them in twice, one of them broken.
 */
import { applied } from "../../support/sweep/commands.ts";
import { seedShelves } from "../../support/sweep/parts.ts";
import { env } from "../../support/sweep/small-world.ts";
import { sweep } from "../../support/sweep/sweep.ts";

sweep({
  name: "transfer",
  prepare: async ({ client, tag }) => {
    const sku = `T${tag}`;
    await seedShelves(sku, { location: "warehouse-03", bins: { "Bin-T-1": 10, "Bin-T-2": 4 } });
    const by = (device: string, id: string, type: string, data: object) =>
      applied(client, device, `cmd_${id}-${tag}`, type, { device_id: device, ...data });
    let over = false;
    const work = async () => {
      await by("warehouse-03", "m", "SetMinimum", { sku, minimum: 8 });
      await by("warehouse-03", "c", "CountStock", { sku, location: "Bin-T-2", counted: 3 });
      const { transfer_id: id } = await by("warehouse-03", "s", "ShipTransfer", {
        to_location: "truck-001",
        lines: [{ sku, quantity: 12 }],
      });
      const take = (id_: string, line: object, more: object = {}) =>
        by("truck-001", id_, "ReceiveTransfer", { transfer_id: id, bin: "Bin-U", lines: [{ sku, ...line }], ...more });
      await take("r", { received: 7, rejected: 1 }, { reason: "cracked" });
      await take("e", { received: 4 });
      over = true;
    };
    return {
      clients: [work],
      check: async () => {
        const { results } = await env.DB.prepare(
          "SELECT location || ' ' || on_hand || ' ' || in_transit AS level FROM stock_levels WHERE sku = ? ORDER BY location",
        )
          .bind(sku)
          .all<{ level: string }>();
        const low = await env.DB.prepare(
          "SELECT COUNT(*) AS n FROM outbox WHERE type = 'StockBelowMinimum' AND event ->> '$.data.sku' = ?",
        )
          .bind(sku)
          .first<number>("n");
        const said = `${results.map(({ level }) => level).join(", ")}, ${low} told`;
        return over && said === "truck-001 11 0, warehouse-03 1 0, 1 told"
          ? []
          : [`4 what is shipped arrives once, and a crossing is told once: ${over ? "over" : "not over"}, ${said}`];
      },
    };
  },
});
