/** The sweep of the main job without a person: a small file becomes a request, an order from the shelf, a response, an archived file. */
import { seedShelves } from "../../support/sweep/parts.ts";
import { endOfRequest, requestIs, upload } from "../../support/sweep/requests.ts";
import { sweep } from "../../support/sweep/sweep.ts";

sweep({
  name: "upload",
  prepare: async ({ client, tag }) => {
    const sku = `U${tag}`;
    await seedShelves(sku, { location: "warehouse-03", bins: { "Bin-T-1": 2, "Bin-T-2": 5 } });
    let id: string | undefined;
    const device = async () => {
      // The same part on two lines: what is asked for of a shelf is the sum.
      id = await upload(client, "truck-001", [
        { sku, quantity: 3 },
        { sku, quantity: 2 },
      ]);
      await requestIs(client, id, "completed", "failed", "rejected", "needs_attention");
    };
    return { clients: [device], check: () => endOfRequest(client, id, "completed") };
  },
});
