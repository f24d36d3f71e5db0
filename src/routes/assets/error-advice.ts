/** What a caller does about each error code: the text of `/docs/errors`, where every problem's `type` points. */
import type { ErrorCode } from "../../domain/errors.ts";

export const ERROR_ADVICE = {
  BAD_JSON: "Send a body that is JSON, and in UTF-8. The same body will be refused again.",
  VALIDATION:
    "Mend what `errors` lists: each entry has a JSON pointer into the body, or a line and column of the file, and " +
    "says what the value must be.",
  UNAUTHENTICATED:
    "Get a token (POST /api/auth/token, or your identity provider) and send it as `Authorization: Bearer …`. " +
    "Tokens of devices last 15 minutes; a rotated or revoked device's token is worthless.",
  FORBIDDEN: "Your role, region or location doesn't allow this; `detail` says which. Ask someone whose it is.",
  NOT_FOUND: "There is no such thing, or you may not see it. Check the id; /openapi.json lists the routes.",
  METHOD_NOT_ALLOWED: "Use one of the methods in the `Allow` header.",
  UNKNOWN_REFERENCE:
    "A device, part, location or other id in the input doesn't exist: `errors` points at it. Mend it and send " +
    "again.",
  PAYLOAD_TOO_LARGE: "Send less: 1 MiB of JSON, 10 MiB a file. Split the file, each part under its own request number.",
  UNSUPPORTED_MEDIA_TYPE: "Set `Content-Type` to one of the types that `detail` names.",
  UPGRADE_REQUIRED: "This address speaks WebSocket only: open it as one.",
  DUPLICATE:
    "It was accepted before, so nothing was written now. Where the problem has `request_id`, follow that request; " +
    "for a new one take a new number.",
  KEY_REQUIRED:
    "Send the header `Idempotency-Key` with 1 to 255 visible ASCII characters without spaces, such as a random UUID: a new " +
    "one for each new intent, the same one to send the same again. The answer is then the first one.",
  KEY_REUSED:
    "This Idempotency-Key belongs to another body. Make a new key for each new intent, and keep it only to send " +
    "the same again.",
  CONFLICT: "The state has moved on. Read it again and decide anew, under a new Idempotency-Key.",
  ALREADY_DECIDED:
    "Someone, or an earlier click of yours, decided first; the problem names the winner. There is nothing more to " +
    "do.",
  PAYLOAD_CHANGED:
    "What would be ordered is no longer what you saw. Read the request again and decide on its new " +
    "`payload_hash`.",
  INSUFFICIENT_STOCK: "Less is available than asked for. Ask for less, from another location, or let it be purchased.",
  RESERVATION_GONE:
    "The reserved stock was released, moved or has expired. Reserve again; Waybill does so for its own orders.",
  FENCED: "A newer run of the same order has taken over, and this one wrote nothing. Read the order's state.",
  OVER_LIMIT: "The amount is above the limit that applies. Ask for less, or for someone with a higher limit.",
  CIRCUIT_OPEN:
    "A dependency keeps failing, so calls to it are on hold. Wait as long as `Retry-After` says, then send the " +
    "same again.",
  DEADLINE_EXCEEDED:
    "No answer came in time, but the work may have been done. Send the same again under the same Idempotency-Key, " +
    "or look for its result.",
  DEPENDENCY_FAILED:
    "A service behind Waybill failed. Send the same again after a pause that grows, under the same Idempotency- " +
    "Key.",
  SUPPLIER_REFUSED:
    "The supplier won't take the order; `detail` gives its reason. Choose another supplier, quantity or part.",
  INTERNAL:
    "The fault is ours. Send the same again under the same Idempotency-Key; if it stays, report the `trace_id`.",
} as const satisfies Record<ErrorCode, string>;
