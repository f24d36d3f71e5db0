/** Queues the response file for the document store: the row in the batch of the done bit, the message before it. */
import { queueCloudUpload } from "../db/queries/cloud-uploads.ts";
import { findRequest } from "../db/queries/requests.ts";
import type { DocumentStoreName } from "../domain/ports.ts";
import { archivePath } from "../services/cloud-upload.ts";
import { isoNow, type ServiceDeps } from "../services/deps.ts";
import { commitEffect, markDone, type Delivery } from "./delivery.ts";

export interface CloudArchiveDeps extends ServiceDeps {
  /** Where response files go now. */
  readonly documentStore: DocumentStoreName;
  readonly sendCloudUpload: (responseId: string) => Promise<void>;
}

export async function archiveResponse(deps: CloudArchiveDeps, delivery: Delivery): Promise<void> {
  if (delivery.message.type !== "ResponseCreated") return markDone(deps, delivery);
  const { response_id: responseId, request_id: requestId } = delivery.message.data;
  const found = await findRequest(deps.db, requestId);
  if (!found) return markDone(deps, delivery);
  const at = isoNow(deps);
  // The row first, so that the message finds it; the bit last, so that a lost message is sent again with the event.
  const queued = await deps.commit({
    trace: delivery.trace,
    writes: [queueCloudUpload({ responseId, store: deps.documentStore, path: archivePath(found.request) }, at)],
  });
  if (queued.ok) await deps.sendCloudUpload(responseId);
  await commitEffect(deps, delivery, { writes: [] });
}
