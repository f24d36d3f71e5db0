/** The sweep of an order that fails half-way: one supplier accepts, the next refuses, and all that was done is undone. */
import { endOfOrder, mayOrder, order } from "../../support/sweep/orders.ts";
import { seedOffer, seedShelves } from "../../support/sweep/parts.ts";
import { sweep } from "../../support/sweep/sweep.ts";

sweep({
  name: "compensation",
  prepare: async ({ client, tag }) => {
    const skus = [`S${tag}`, `B${tag}`, `D${tag}`] as const;
    await mayOrder();
    await seedShelves(skus[0], { location: "warehouse-03", bins: { "Bin-T-1": 20, "Bin-T-2": 10 } });
    await seedOffer(skus[1], `sup-a-${tag}`);
    const refusing = await seedOffer(skus[2], `sup-b-${tag}`);
    await refusing.switchOn({ refuse: true });
    let id: string | undefined;
    const buyer = async () => {
      id = await order(
        client,
        `O-${tag}`,
        skus.map((sku) => ({ sku, quantity: 4 })),
      );
    };
    return { clients: [buyer], check: () => endOfOrder(client, id, "Cancelled") };
  },
});
