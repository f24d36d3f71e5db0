/** Wires the upload store: keep the file first, then register it; the same way for the route and for the file watcher. */
import type { Container } from "../container.ts";
import { refuse, type Refusal } from "../domain/errors.ts";
import { headUpload, putUpload, readUpload, type StoredUpload } from "../integrations/upload-store.ts";
import { registerUpload } from "../services/requests.ts";

/** Keeps the file. The same key with the same file is fine; with another file it is refused. */
export async function keepUpload(
  container: Container,
  upload: Omit<StoredUpload, "bytes">,
  body: Uint8Array,
): Promise<{ readonly ok: true } | Refusal> {
  if (await putUpload(container.env.FILES, upload, body)) return { ok: true };
  const kept = await headUpload(container.env.FILES, upload.object_key);
  if (kept?.body_hash === upload.body_hash) return { ok: true };
  return refuse("KEY_REUSED", "this Idempotency-Key came with another file; make a new key");
}

/** Registers a kept file, once. */
export async function registerKeptUpload(container: Container, objectKey: string) {
  const upload = await headUpload(container.env.FILES, objectKey);
  if (!upload) return refuse("NOT_FOUND", "the file isn't there, or says not whose it is");
  return registerUpload(container, {
    objectKey: upload.object_key,
    uploadId: upload.upload_id,
    requestId: upload.request_id,
    deviceId: upload.device_id,
    requester: upload.requester,
    requesterKind: upload.requester_kind,
    requestNumber: upload.request_number,
    contentType: upload.content_type,
    bytes: upload.bytes,
    traceparent: upload.traceparent,
  });
}

export function readKeptUpload(container: Container, objectKey: string): Promise<Uint8Array | null> {
  return readUpload(container.env.FILES, objectKey);
}

/**
 * In production the bucket itself announces each object to the `uploads` queue. The local platform doesn't, so the same
 * message is sent here: if this route dies before it registers the file, the watcher does it.
 */
export function announceUpload(container: Container, objectKey: string, bytes: number): void {
  if (container.settings.ENVIRONMENT !== "development") return;
  const message = {
    account: "local",
    action: "PutObject",
    bucket: "waybill-files",
    object: { key: objectKey, size: bytes, eTag: "local" },
    eventTime: new Date(container.clock.now()).toISOString(),
  };
  container.background(container.env.UPLOADS_QUEUE.send(message));
}
