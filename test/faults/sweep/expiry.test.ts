/** The sweep of a reservation that nobody used: its order waits for a supplier in vain, and after three days the parts are free. */
import { clientOf, hand } from "../../support/breaker-world.ts";
import { endOfOrder, mayOrder, order } from "../../support/sweep/orders.ts";
import { seedOffer, seedShelves } from "../../support/sweep/parts.ts";
import { env } from "../../support/sweep/small-world.ts";
import { sweep } from "../../support/sweep/sweep.ts";

const HOUR_MS = 60 * 60 * 1000;

sweep({
  name: "expiry",
  horizonMs: 80 * HOUR_MS,
  leapMs: 80 * 60_000,
  prepare: async ({ client, tag }) => {
    const [stocked, bought] = [`S${tag}`, `B${tag}`];
    await mayOrder();
    await seedShelves(stocked, { location: "warehouse-03", bins: { "Bin-T-1": 20 } });
    const supplier = await seedOffer(bought, `sup-${tag}`);
    // Its circuit was opened by others' failures.
    await clientOf(`supplier:${supplier.supplier}`).openByHand(hand());
    let id: string | undefined;
    const buyer = async () => {
      id = await order(client, `O-${tag}`, [
        { sku: stocked, quantity: 15 },
        { sku: bought, quantity: 4 },
      ]);
    };
    return {
      clients: [buyer],
      check: async () => {
        const open = await env.DB.prepare("SELECT COUNT(*) AS n FROM reservations WHERE state = 'open'").first<number>(
          "n",
        );
        return [
          // A circuit that can't be asked holds nobody up: then the order goes through.
          ...(await endOfOrder(client, id, "NeedsAttention", "Completed")),
          ...(open === 0 ? [] : [`3 what is reserved in vain is given back: ${open} open`]),
        ];
      },
    };
  },
});
