/** Uploads: the file is kept first, whatever it holds; then it becomes a request, once. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { MAX_REQUEST_LINES, MAX_UPLOAD_BYTES } from "../config.ts";
import { AppError } from "../domain/errors.ts";
import { readRequestFile, REQUEST_FILE_TYPES, requestFileType } from "../domain/request-file.ts";
import { REQUEST_STATUSES } from "../domain/request.ts";
import { askingDevice } from "../services/requests.ts";
import { announceUpload, keepUpload, registerKeptUpload } from "../wiring/uploads.ts";
import type { AppEnv } from "./app-env.ts";
import { KEYED, keyed, KEY_PROBLEMS, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";

/** Documented only: the route itself reads the bytes, so that whatever came is kept as it came. */
const fileContent = Object.fromEntries(
  REQUEST_FILE_TYPES.map((type) => [type, { schema: { type: "string" as const } }]),
);

const upload = createRoute({
  method: "post",
  path: "/api/uploads",
  tags: ["requests"],
  security: BEARER,
  description:
    "The raw file. CSV has the header sku,quantity,unit,note; JSON is the body of POST /api/requests; text has one line a part.",
  ...KEYED,
  middleware: [requires("requests.create"), keyed, bodyOf(REQUEST_FILE_TYPES, MAX_UPLOAD_BYTES)] as const,
  request: {
    body: { required: false, content: fileContent },
    query: z.strictObject({
      request_number: z.string().min(1).max(100).optional(),
      device_id: z.string().min(1).max(100).optional(),
    }),
  },
  responses: {
    202: json(
      z.object({ upload_id: z.string(), request_id: z.string(), status: z.enum(REQUEST_STATUSES) }),
      "Kept and registered; Location says where to look",
    ),
    ...problems(
      ...KEY_PROBLEMS,
      "UNAUTHENTICATED",
      "FORBIDDEN",
      "VALIDATION",
      "UNKNOWN_REFERENCE",
      "DUPLICATE",
      "PAYLOAD_TOO_LARGE",
      "UNSUPPORTED_MEDIA_TYPE",
    ),
  },
});

const LIMITS = { maxLines: MAX_REQUEST_LINES };

const EXTENSIONS: Readonly<Record<string, string>> = {
  "text/csv": "csv",
  "application/json": "json",
  "text/plain": "txt",
};

export function registerUploads(app: OpenAPIHono<AppEnv>): void {
  app.openapi(upload, async (c) => {
    const principal = c.get("principal");
    const query = c.req.valid("query");
    const contentType = c.req.header("content-type") ?? "text/plain";
    const body = new Uint8Array(await c.req.arrayBuffer());
    if (body.byteLength === 0) throw new AppError("VALIDATION", "the file is empty");
    // A JSON file says itself for whom it asks and under which number; one that can't be read is kept all the same.
    const read =
      requestFileType(contentType) === "application/json" ? readRequestFile(contentType, body, LIMITS) : null;
    const head = read?.ok ? read.head : {};
    const deviceId = query.device_id ?? head.deviceId ?? (principal.kind === "device" ? principal.subject : undefined);
    if (deviceId === undefined) {
      throw new AppError("VALIDATION", "say for which device: ?device_id=truck-001");
    }
    return once(
      c,
      async (deps, intent) => {
        const place = await askingDevice(deps, principal, deviceId);
        if (!place.ok) return place;
        // The same key from the same caller names the same file: sent twice, it is kept and registered once.
        const name = (await deps.sha256(`${intent.scope} ${intent.id}`)).slice(0, 32);
        const extension = EXTENSIONS[contentType.split(";")[0]?.trim().toLowerCase() ?? ""] ?? "bin";
        const objectKey = `uploads/${place.region}/${deviceId}/${name}.${extension}`;
        const kept = await keepUpload(
          deps,
          {
            object_key: objectKey,
            content_type: contentType,
            upload_id: `upl_${name}`,
            request_id: `req_${name}`,
            device_id: deviceId,
            requester: principal.subject,
            requester_kind: principal.kind,
            request_number: query.request_number ?? head.requestNumber ?? `upl_${name}`,
            traceparent: c.get("trace").traceparent,
            body_hash: intent.bodyHash,
          },
          body,
        );
        if (!kept.ok) return kept;
        announceUpload(deps, objectKey, body.byteLength);
        return registerKeptUpload(deps, objectKey);
      },
      ({ uploadId, requestId }) => ({
        status: 202,
        location: `/api/requests/${requestId}`,
        body: { upload_id: uploadId, request_id: requestId, status: "uploaded" as const },
      }),
    );
  });
}
