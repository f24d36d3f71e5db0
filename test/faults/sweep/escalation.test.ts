/** The sweep of the timers of an approval: reminders, then the due time hands it up, and who is asked then decides. */
import { seedShelves } from "../../support/sweep/parts.ts";
import { decide, endOfRequest, requestIs, upload } from "../../support/sweep/requests.ts";
import { sweep } from "../../support/sweep/sweep.ts";

const HOUR_MS = 60 * 60 * 1000;

sweep({
  name: "escalation",
  horizonMs: 6 * HOUR_MS,
  prepare: async ({ client, tag }) => {
    const sku = `E${tag}`;
    await seedShelves(sku, { location: "warehouse-03", bins: { "Bin-T-1": 40 } });
    let id: string | undefined;
    const device = async () => {
      id = await upload(client, "truck-001", [{ sku, quantity: 12 }]);
    };
    const manager = async () => {
      const decided = await decide(client, "manager-national", () => id, "reject", HOUR_MS);
      if (decided.status !== 200) throw new Error(`a decision is taken: ${JSON.stringify(decided.body)}`);
      await requestIs(client, id ?? "", "completed", "failed", "rejected", "needs_attention");
    };
    return { clients: [device, manager], check: () => endOfRequest(client, id, "rejected") };
  },
});
