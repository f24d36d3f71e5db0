/** The sweep of approvals: a manager is asked and decides; what was approved is what is ordered. */
import { seedShelves } from "../../support/sweep/parts.ts";
import { decide, endOfRequest, requestIs, upload } from "../../support/sweep/requests.ts";
import { sweep } from "../../support/sweep/sweep.ts";

sweep({
  name: "approval",
  prepare: async ({ client, tag }) => {
    const sku = `A${tag}`;
    await seedShelves(sku, { location: "warehouse-03", bins: { "Bin-T-1": 40 } });
    let id: string | undefined;
    const device = async () => {
      id = await upload(client, "truck-001", [{ sku, quantity: 12 }]);
      await requestIs(client, id, "completed", "failed", "rejected", "needs_attention");
    };
    const manager = async () => {
      const decided = await decide(client, "manager-north", () => id, "approve");
      if (decided.status !== 200) throw new Error(`a decision is taken: ${JSON.stringify(decided.body)}`);
    };
    return { clients: [device, manager], check: () => endOfRequest(client, id, "completed") };
  },
});
