/** The sweep of an order that a person takes up again: its supplier took nothing back at first, and then does. */
import { endOfOrder, mayOrder, order, BUYER } from "../../support/sweep/orders.ts";
import { seedOffer, seedShelves } from "../../support/sweep/parts.ts";
import { sweep } from "../../support/sweep/sweep.ts";

sweep({
  name: "operator",
  prepare: async ({ client, tag }) => {
    const skus = [`S${tag}`, `B${tag}`, `D${tag}`] as const;
    await mayOrder();
    await seedShelves(skus[0], { location: "warehouse-03", bins: { "Bin-T-1": 20, "Bin-T-2": 10 } });
    const keeping = await seedOffer(skus[1], `sup-a-${tag}`);
    const refusing = await seedOffer(skus[2], `sup-b-${tag}`);
    await keeping.switchOn({ refuse_to_cancel: true });
    await refusing.switchOn({ refuse: true });
    let id: string | undefined;
    const manager = async () => {
      const placed = await order(
        client,
        `O-${tag}`,
        skus.map((sku) => ({ sku, quantity: 4 })),
      );
      id = placed;
      await client.look(async () => {
        const { body } = await client.see({ as: BUYER, method: "GET", path: `/api/orders/${placed}` });
        return body.status === "NeedsAttention" ? true : null;
      });
      await keeping.switchOn({});
      const body = { step: `purchase:${keeping.supplier}`, reason: "they agreed by phone" };
      const asked = await client.send({ as: BUYER, method: "POST", path: `/api/orders/${placed}/saga/retry`, body });
      if (asked.status !== 202) throw new Error(`a good act is taken: ${asked.status} ${JSON.stringify(asked.body)}`);
    };
    return { clients: [manager], check: () => endOfOrder(client, id, "Cancelled") };
  },
});
