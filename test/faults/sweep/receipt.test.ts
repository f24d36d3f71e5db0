/** The sweep of a delivery: what an order has bought comes in twice, one piece of it broken, and nothing stays incoming. */
import { applied } from "../../support/sweep/commands.ts";
import { endOfOrder, mayOrder, order } from "../../support/sweep/orders.ts";
import { seedOffer } from "../../support/sweep/parts.ts";
import { env } from "../../support/sweep/small-world.ts";
import { sweep } from "../../support/sweep/sweep.ts";

sweep({
  name: "receipt",
  prepare: async ({ client, tag }) => {
    const sku = `P${tag}`;
    await mayOrder();
    await seedOffer(sku, `sup-${tag}`);
    let id: string | undefined;
    let over = false;
    const work = async () => {
      id = await order(client, `O-${tag}`, [{ sku, quantity: 4 }]);
      const bought = await client.look(async () => {
        const { body } = await client.see({ as: "ops", method: "GET", path: `/api/orders/${id}` });
        return body.status === "Completed" ? (body.purchase_orders[0] as { id: string }) : null;
      });
      const take = (key: string, line: object, more: object = {}) =>
        applied(client, "truck-001", `cmd_${key}-${tag}`, "ReceivePurchaseOrder", {
          device_id: "truck-001",
          purchase_order_id: bought.id,
          bin: "Bin-U",
          lines: [{ line: 1, ...line }],
          ...more,
        });
      await take("r", { received: 2, rejected: 1 }, { reason: "cracked" });
      await take("e", { received: 1 });
      over = true;
    };
    return {
      clients: [work],
      check: async () => {
        const level = await env.DB.prepare(
          "SELECT location || ' ' || on_hand || ' ' || incoming AS level FROM stock_levels WHERE sku = ?",
        )
          .bind(sku)
          .first<string>("level");
        const found = await endOfOrder(client, id, "Completed");
        return over && level === "truck-001 3 0"
          ? found
          : [...found, `4 what is bought comes in once: ${over ? "over" : "not over"}, ${level}`];
      },
    };
  },
});
