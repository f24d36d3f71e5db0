/**
 * An upload session's address, `/{tenant}/uploads/{session}`, under Graph's rules: no token, whole multiples of 320 KiB but for
 * the last fragment, each less than 60 MiB, in order. Source: Microsoft's page on driveItem createUploadSession.
 */
import { json } from "../answers.ts";
import { graphError, itemAnswer } from "./answers.ts";
import type { Drive, Session } from "./drive.ts";
import type { GraphSwitches } from "./switches.ts";

const RANGE_BYTES = 320 * 1024;
const FRAGMENT_MAX_BYTES = 60 * 1024 * 1024;
const LIFE_MS = 15 * 60 * 1000;

export interface UploadCall {
  readonly method: string;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  /** Where the tenant's documents are read. */
  readonly files: string;
}

/** `taken` of the switches' counts are what this call has used up. */
export function answerUpload(drive: Drive, id: string, call: UploadCall, on: GraphSwitches): Response {
  const session = drive.session(id);
  if (!session) return graphError(404, "itemNotFound", "The upload session was not found: it has ended or expired.");
  if (call.headers.has("authorization")) {
    return graphError(401, "unauthenticated", "An upload session's address takes no Authorization header.");
  }
  switch (call.method) {
    case "GET":
      return progress(200, session, on);
    case "DELETE":
      drive.endSession(id);
      return new Response(null, { status: 204 });
    case "PUT":
      return takeFragment(drive, session, call, on);
    default:
      return graphError(405, "invalidRequest", "Use PUT, GET or DELETE.");
  }
}

function takeFragment(drive: Drive, session: Session, call: UploadCall, on: GraphSwitches): Response {
  const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(call.headers.get("content-range") ?? "");
  if (!range) return graphError(400, "invalidRequest", "Content-Range must say bytes {first}-{last}/{total}.");
  const [first = 0, last = 0, total = 0] = range.slice(1).map(Number);
  const { byteLength } = call.bytes;
  if (last < first || last >= total)
    return graphError(400, "invalidRequest", "Content-Range isn't within the document.");
  if (byteLength !== last - first + 1)
    return graphError(400, "invalidRequest", "The bytes aren't as many as Content-Range says.");
  if (byteLength >= FRAGMENT_MAX_BYTES) return graphError(413, "invalidRequest", "A fragment has less than 60 MiB.");
  if (session.total !== 0 && session.total !== total)
    return graphError(400, "invalidRequest", "The total has changed.");
  if (last + 1 < total && byteLength % RANGE_BYTES !== 0) {
    return graphError(400, "invalidRequest", "A fragment before the last one has a multiple of 320 KiB.");
  }
  if (first !== session.received) return graphError(416, "invalidRange", "These aren't the bytes that come next.");
  if (on.half_fragment_next > 0) {
    const half = Math.floor(byteLength / 2 / RANGE_BYTES) * RANGE_BYTES;
    return progress(202, drive.append(session, total, call.bytes.subarray(0, half)), on);
  }
  const grown = drive.append(session, total, call.bytes);
  if (grown.received < total) {
    if (on.session_dies_next > 0) drive.endSession(session.id);
    return progress(202, grown, on);
  }
  return complete(drive, grown, call.files);
}

function complete(drive: Drive, session: Session, files: string): Response {
  if (session.behaviour === "fail" && drive.file(session.path)) {
    return graphError(409, "nameAlreadyExists", "There is a document of this name.");
  }
  const path = session.behaviour === "rename" && drive.file(session.path) ? `${session.path} 1` : session.path;
  const isNew = drive.complete(session, path);
  const file = drive.file(path);
  if (!file) throw new Error("a document that was just stored isn't there");
  return itemAnswer(isNew ? 201 : 200, file, files);
}

function progress(status: number, session: Session, on: GraphSwitches): Response {
  const next = {
    off: [`${session.received}-`],
    beyond: [`${session.received + RANGE_BYTES}-`],
    back: ["0-"],
    none: [],
    words: ["the rest"],
  }[on.wrong_ranges];
  return json(status, { expirationDateTime: new Date(Date.now() + LIFE_MS).toISOString(), nextExpectedRanges: next });
}
