/** The sweep of commands: two devices change the same shelf, one of them by more than is there, while others read the part. */
import { seedShelves } from "../../support/sweep/parts.ts";
import { endOfCommand, updateInventory } from "../../support/sweep/commands.ts";
import { sweep } from "../../support/sweep/sweep.ts";

sweep({
  name: "command",
  prepare: async ({ client, tag }) => {
    const sku = `C${tag}`;
    await seedShelves(sku, { location: "warehouse-03", bins: { "Bin-T-1": 10 } });
    const sent: string[] = [];
    const change = (device: string, id: string, quantity: number) => async () => {
      const answer = await client.send(updateInventory(device, `cmd_${id}-${tag}`, sku, quantity));
      sent.push(`${answer.status} ${answer.body.id}`);
    };
    const read = async () => {
      for (let n = 0; n < 2; n++) await client.send({ as: "tech-north", method: "GET", path: `/api/parts/${sku}` });
    };
    return {
      clients: [change("warehouse-03", "a", 5), change("keeper-03", "b", -4), change("warehouse-03", "c", -12), read],
      check: () => endOfCommand(client, sent),
    };
  },
});
