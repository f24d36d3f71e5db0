/**
 * Graph's API of a tenant's drive, `/v1.0/drives/{drive}/…`, and the sign-in. It asks of a client what Graph asks: a token for
 * Graph, names that SharePoint takes, at most 250 MB in one call.
 */
import { z } from "zod";
import { json } from "../answers.ts";
import { CLIENT_ID, CLIENT_SECRET, DRIVE_ID } from "./account.ts";
import { graphError, itemAnswer } from "./answers.ts";
import type { Drive } from "./drive.ts";
import type { GraphSwitches } from "./switches.ts";

const SIMPLE_MAX_BYTES = 250 * 1000 * 1000;
const FORBIDDEN = /["*:<>?\\|\p{Cc}]|^ |[ .]$|^~\$|_vti_/u;
const BEHAVIOURS = ["replace", "rename", "fail"] as const;
const KEY = "@microsoft.graph.conflictBehavior";

const sessionSchema = z.object({ item: z.object({ [KEY]: z.enum(BEHAVIOURS).default("fail") }).optional() });

export interface ApiCall {
  readonly request: Request;
  readonly url: URL;
  readonly bytes: Uint8Array;
  /** Where the tenant's documents are read, and its upload sessions written. */
  readonly files: string;
  readonly uploads: string;
}

export function answerApi(drive: Drive, call: ApiCall): Response {
  const refused = refuseToken(drive, call);
  if (refused) return refused;
  const path = /^\/v1\.0\/drives\/([^/]+)(?:\/root:\/(.+?):(?:\/(content|createUploadSession))?)?$/.exec(
    call.url.pathname,
  );
  if (!path) return graphError(400, "BadRequest", "Resource not found for the segment.");
  const [id = "", address, action] = path.slice(1);
  if (decodeURIComponent(id) !== DRIVE_ID) return graphError(404, "itemNotFound", "The drive could not be found.");
  if (address === undefined) return json(200, { id: DRIVE_ID, driveType: "documentLibrary" });
  const names = address.split("/").map(decodeURIComponent);
  if (names.some((name) => name === "" || name.length > 255 || FORBIDDEN.test(name)) || names.join("/").length > 400) {
    return graphError(400, "invalidRequest", "The provided name is not valid.");
  }
  const to = names.join("/");
  if (action === "content" && call.request.method === "PUT") return put(drive, to, call);
  if (action === "createUploadSession" && call.request.method === "POST") return begin(drive, to, call);
  if (action === undefined && call.request.method === "GET") {
    const file = drive.file(to);
    return file
      ? itemAnswer(200, file, call.files)
      : graphError(404, "itemNotFound", "The resource could not be found.");
  }
  return graphError(405, "invalidRequest", "The method isn't one of this address.");
}

function refuseToken(drive: Drive, { request, url }: ApiCall): Response | null {
  const text = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  const token = text === undefined ? null : drive.token(text);
  const refuse = (why: string) => graphError(401, "InvalidAuthenticationToken", why);
  if (!token) return refuse("Access token is empty or malformed.");
  if (token.audience !== url.host) return refuse("Access token validation failure. Invalid audience.");
  return token.until <= Date.now() ? refuse("Lifetime validation failed, the token is expired.") : null;
}

function put(drive: Drive, path: string, { request, url, bytes, files }: ApiCall): Response {
  if (bytes.byteLength > SIMPLE_MAX_BYTES) return graphError(413, "maxRequestLengthExceeded", "Use an upload session.");
  const behaviour = z.enum(BEHAVIOURS).safeParse(url.searchParams.get(KEY) ?? "replace");
  if (!behaviour.success) return graphError(400, "invalidRequest", "There is no such conflict behavior.");
  const isTaken = drive.file(path) !== null;
  if (isTaken && behaviour.data === "fail") return graphError(409, "nameAlreadyExists", "The name is taken.");
  const to = isTaken && behaviour.data === "rename" ? `${path} 1` : path;
  const isNew = drive.store(to, request.headers.get("content-type") ?? "application/octet-stream", bytes);
  const file = drive.file(to);
  if (!file) throw new Error("a document that was just stored isn't there");
  return itemAnswer(isNew ? 201 : 200, file, files);
}

function begin(drive: Drive, path: string, { bytes, uploads }: ApiCall): Response {
  const body: unknown = bytes.byteLength === 0 ? {} : JSON.parse(new TextDecoder().decode(bytes));
  const parsed = sessionSchema.safeParse(body);
  if (!parsed.success) return graphError(400, "invalidRequest", "The body isn't a session's.");
  const { id } = drive.begin(path, parsed.data.item?.[KEY] ?? "fail");
  return json(200, {
    uploadUrl: `${uploads}/${id}?tempauth=write`,
    expirationDateTime: new Date(Date.now() + 15 * 60 * 1000).toISOString(),
    nextExpectedRanges: ["0-"],
  });
}

/** The sign-in of Microsoft Entra for client credentials, `/{tenant}/oauth2/v2.0/token`. The token begins with its tenant. */
export function signIn(drive: Drive, tenant: string, call: ApiCall, on: GraphSwitches): Response {
  const error = (status: number, error: string, text: string) => json(status, { error, error_description: text });
  if (call.request.method !== "POST")
    return error(405, "invalid_request", "AADSTS900561: The endpoint only accepts POST.");
  if (call.request.headers.get("content-type") !== "application/x-www-form-urlencoded") {
    return error(400, "invalid_request", "AADSTS900144: The body must be a form.");
  }
  const form = new URLSearchParams(new TextDecoder().decode(call.bytes));
  if (form.get("grant_type") !== "client_credentials") {
    return error(400, "unsupported_grant_type", "AADSTS70003: The grant type isn't supported.");
  }
  if (form.get("client_id") !== CLIENT_ID)
    return error(400, "unauthorized_client", "AADSTS700016: No such application.");
  if (form.get("client_secret") !== CLIENT_SECRET) {
    return error(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.");
  }
  const audience = /^https:\/\/([^/]+)\/\.default$/.exec(form.get("scope") ?? "")?.[1];
  if (audience === undefined) return error(400, "invalid_scope", "AADSTS70011: The scope must end with /.default.");
  const text = `${tenant}~${crypto.randomUUID()}`;
  drive.addToken(text, audience, Date.now() + on.token_life_s * 1000);
  return json(200, { token_type: "Bearer", expires_in: on.token_life_s, access_token: text });
}
