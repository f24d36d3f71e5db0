/** The sweep of an order that is called off while it is on its way: done or undone, never half of each. */
import { endOfOrder, mayOrder, order } from "../../support/sweep/orders.ts";
import { seedOffer, seedShelves } from "../../support/sweep/parts.ts";
import { env } from "../../support/sweep/small-world.ts";
import { sweep } from "../../support/sweep/sweep.ts";

sweep({
  name: "cancel",
  prepare: async ({ client, random, tag }) => {
    const [stocked, bought] = [`S${tag}`, `B${tag}`];
    await mayOrder();
    await seedShelves(stocked, { location: "warehouse-03", bins: { "Bin-T-1": 20, "Bin-T-2": 10 } });
    await seedOffer(bought, `sup-${tag}`);
    let id: string | undefined;
    const buyer = async () => {
      const placed = await order(client, `O-${tag}`, [
        { sku: stocked, quantity: 25 },
        { sku: bought, quantity: 4 },
      ]);
      id = placed;
      await client.act(() => env.SAGA.get(env.SAGA.idFromName(placed)).cancel("called off"), random.below(1_500));
    };
    return { clients: [buyer], check: () => endOfOrder(client, id, "Completed", "Cancelled") };
  },
});
