/** The sweep of an order that goes through: pieces from two bins, more from a supplier. */
import { endOfOrder, mayOrder, order } from "../../support/sweep/orders.ts";
import { seedOffer, seedShelves } from "../../support/sweep/parts.ts";
import { sweep } from "../../support/sweep/sweep.ts";

sweep({
  name: "saga",
  prepare: async ({ client, tag }) => {
    const [stocked, bought] = [`S${tag}`, `B${tag}`];
    await mayOrder();
    await seedShelves(stocked, { location: "warehouse-03", bins: { "Bin-T-1": 20, "Bin-T-2": 10 } });
    await seedOffer(bought, `sup-${tag}`);
    let id: string | undefined;
    const buyer = async () => {
      id = await order(client, `O-${tag}`, [
        { sku: stocked, quantity: 15 },
        { sku: bought, quantity: 4 },
        { sku: stocked, quantity: 10 },
      ]);
    };
    return { clients: [buyer], check: () => endOfOrder(client, id, "Completed") };
  },
});
