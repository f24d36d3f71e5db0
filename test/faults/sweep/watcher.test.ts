/** The sweep of a file that came without its route: nobody sends it again, only the bucket tells of it. It becomes a request, which asks back. */
import { enqueue } from "../../support/sweep/bindings.ts";
import { requestIs } from "../../support/sweep/requests.ts";
import { env } from "../../support/sweep/small-world.ts";
import { sweep } from "../../support/sweep/sweep.ts";

sweep({
  name: "watcher",
  prepare: async ({ client, tag }) => {
    const [id, key] = [`req_${tag}`, `uploads/north/truck-001/${tag}.csv`];
    const csv = `sku,quantity,unit,note\nNO-SUCH-PART,3,,\n`;
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
      // The request doesn't exist before the file is registered.
      await requestIs(client, id, "needs_clarification");
    };
    return { clients: [device] };
  },
});
