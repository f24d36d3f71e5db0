/** Uploaded files in R2. A file's metadata says whose it is, so that a file that came without its route is registered too. */
import { z } from "zod";

const metadataSchema = z.object({
  upload_id: z.string().min(1),
  request_id: z.string().min(1),
  device_id: z.string().min(1),
  requester: z.string().min(1),
  requester_kind: z.enum(["person", "device"]),
  request_number: z.string().min(1),
  traceparent: z.string().min(1),
  /** Hash of all that was sent: the same key with another file, or the same file for another purpose, is told apart. */
  body_hash: z.string().min(1),
});

export interface StoredUpload extends z.output<typeof metadataSchema> {
  readonly object_key: string;
  readonly content_type: string;
  readonly bytes: number;
}

/**
 * Keeps the file before anything else happens: what was sent is never lost, even when it is rubbish. A file that is
 * there already stays as it is: false.
 */
export async function putUpload(
  bucket: R2Bucket,
  upload: Omit<StoredUpload, "bytes">,
  body: Uint8Array,
): Promise<boolean> {
  const { object_key, content_type, ...metadata } = upload;
  const put = await bucket.put(object_key, body, {
    httpMetadata: { contentType: content_type },
    customMetadata: metadata,
    onlyIf: new Headers({ "if-none-match": "*" }),
  });
  return put !== null;
}

/** What a kept file says of itself; null when there is none, or it wasn't put there as an upload. */
export async function headUpload(bucket: R2Bucket, objectKey: string): Promise<StoredUpload | null> {
  const object = await bucket.head(objectKey);
  const metadata = metadataSchema.safeParse(object?.customMetadata);
  if (!object || !metadata.success) return null;
  return {
    ...metadata.data,
    object_key: objectKey,
    content_type: object.httpMetadata?.contentType ?? "application/octet-stream",
    bytes: object.size,
  };
}

export async function readUpload(bucket: R2Bucket, objectKey: string): Promise<Uint8Array | null> {
  const object = await bucket.get(objectKey);
  return object ? new Uint8Array(await object.arrayBuffer()) : null;
}
