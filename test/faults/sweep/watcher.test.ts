/** The sweep of a file that came without its route: nobody sends it again, only the bucket tells of it. */
import { enqueue } from "../../support/sweep/bindings.ts";
import { seedShelves } from "../../support/sweep/parts.ts";
import { endOfRequest, requestIs } from "../../support/sweep/requests.ts";
import { env } from "../../support/sweep/small-world.ts";
import { sweep } from "../../support/sweep/sweep.ts";

sweep({
  name: "watcher",
  prepare: async ({ client, tag }) => {
    const sku = `W${tag}`;
    const [id, key] = [`req_${tag}`, `uploads/north/truck-001/${tag}.csv`];
    await seedShelves(sku, { location: "warehouse-03", bins: { "Bin-T-1": 9 } });
    const csv = `sku,quantity,unit,note\n${sku},3,,\n`;
    await env.FILES.put(key, csv, {
      httpMetadata: { contentType: "text/csv" },
      customMetadata: {
        upload_id: `upl_${tag}`,
        request_id: id,
        device_id: "truck-001",
        requester: "truck-001",
        requester_kind: "device",
        request_number: `N-${tag}`,
        traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
        body_hash: "a".repeat(64),
      },
    });
    enqueue("uploads", {
      account: "local",
      action: "PutObject",
      bucket: "waybill-files",
      object: { key, size: csv.length, eTag: "local" },
      eventTime: "2031-01-06T08:00:00.000Z",
    });
    const device = async () => {
      await requestIs(client, id, "completed", "failed", "rejected", "needs_attention");
    };
    return { clients: [device], check: () => endOfRequest(client, id, "completed") };
  },
});
