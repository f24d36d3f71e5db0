/**
 * Reads a request as a device sends it: the JSON body, or a file in CSV, JSON or plain text. What comes out is still
 * untrusted: quantities are whole numbers in range, but no SKU, unit or text has been checked against the catalogue.
 * Never throws, whatever the bytes.
 */
import { z } from "zod";
import type { InputProblem } from "./errors.ts";
import { isoDate } from "./iso-date.ts";
import { readCsvLines } from "./request-csv.ts";
import {
  capProblems,
  MAX_NOTE_LENGTH,
  MAX_QUANTITY,
  MAX_SKU_LENGTH,
  MAX_TEXT_LENGTH,
  MAX_UNIT_LENGTH,
  type FileLimits,
  type RequestLine,
} from "./request-line.ts";
import { readTextLines } from "./request-text.ts";

const words = (max: number) => z.string().trim().min(1, "must not be empty").max(max);

const quantitySchema = z
  .number("must be a whole number")
  .refine(Number.isInteger, { error: "must be a whole number", abort: true })
  .min(1, "must be 1 or more")
  .max(MAX_QUANTITY, `must be at most ${MAX_QUANTITY}`);

/** A calendar date or an instant, both UTC: `2026-12-01` or `2026-12-01T08:00:00Z`. */
export const neededBySchema = z.union([z.iso.date(), z.iso.datetime()], "must be a date such as 2026-12-01");

export const requestLineSchema = z
  .strictObject({
    sku: words(MAX_SKU_LENGTH).optional(),
    text: words(MAX_TEXT_LENGTH).optional(),
    quantity: quantitySchema,
    unit: words(MAX_UNIT_LENGTH).optional(),
    needed_by: neededBySchema.optional(),
  })
  .refine((line) => line.sku !== undefined || line.text !== undefined, "must have a sku or a text")
  .refine((line) => line.sku === undefined || line.text === undefined, "must have a sku or a text, not both");

function bodyShape(maxLines: number) {
  return {
    request_number: words(100),
    device_id: words(100),
    needed_by: neededBySchema.optional(),
    note: z.string().max(MAX_NOTE_LENGTH).optional(),
    lines: z
      .array(requestLineSchema)
      .min(1, "must have at least one line")
      .max(maxLines, `must have at most ${maxLines} lines`),
  };
}

/** The body of `POST /api/requests`. Unknown fields are refused. `maxLines` is the deployment's limit. */
export function requestBodySchema(maxLines: number) {
  return z.strictObject(bodyShape(maxLines));
}
export type RequestBody = z.output<ReturnType<typeof requestBodySchema>>;

/** What a file says of the request besides its lines; only a JSON file can. */
export interface RequestFileHead {
  readonly requestNumber?: string;
  readonly deviceId?: string;
  readonly neededBy?: string;
  readonly note?: string;
}

export type RequestFileResult =
  | { readonly ok: true; readonly head: RequestFileHead; readonly lines: readonly RequestLine[] }
  | { readonly ok: false; readonly problems: readonly InputProblem[] };

/** What is needed before today is over nowhere on earth: a device west of Greenwich still has the day before. */
const WESTERNMOST_MS = 12 * 60 * 60 * 1000;

/** The dates that lie in the past at `now` (ms since the epoch), by where they stand in the body. */
export function pastDates(
  request: { readonly neededBy?: string | null | undefined; readonly lines: readonly RequestLine[] },
  now: number,
): InputProblem[] {
  const today = isoDate(now - WESTERNMOST_MS);
  const past = (day: string | null | undefined) => typeof day === "string" && day.slice(0, 10) < today;
  const detail = (day: string) => `${day} is in the past: today is ${isoDate(now)}.`;
  const lines = request.lines.flatMap(({ line, neededBy }, index) =>
    past(neededBy) ? [{ pointer: `/lines/${index}/needed_by`, line, detail: detail(neededBy ?? "") }] : [],
  );
  const { neededBy } = request;
  return past(neededBy) ? [{ pointer: "/needed_by", detail: detail(neededBy ?? "") }, ...lines] : lines;
}

/** The kinds of file that are read. */
export const REQUEST_FILE_TYPES = ["text/csv", "application/json", "text/plain"] as const;
export type RequestFileType = (typeof REQUEST_FILE_TYPES)[number];

/** The kind of file that a Content-Type header names, or null (then the answer is 415). Parameters are ignored. */
export function requestFileType(contentType: string): RequestFileType | null {
  const essence = (contentType.split(";")[0] ?? "").trim().toLowerCase();
  return REQUEST_FILE_TYPES.find((type) => type === essence) ?? null;
}

/** The lines of a body that `requestBodySchema` has accepted, numbered from 1 in their order. */
export function linesOfBody(body: Pick<RequestBody, "lines">): RequestLine[] {
  return body.lines.map(({ needed_by: neededBy, ...line }, index) => ({
    line: index + 1,
    ...line,
    ...(neededBy === undefined ? {} : { neededBy }),
  }));
}

/**
 * Reads a request file. `contentType` is the header as it came, `body` the raw bytes (UTF-8, a BOM is allowed) or
 * text. Line numbers are those of the file: in CSV the header is line 1; in JSON the lines' positions from 1. In plain
 * text a line that names several parts takes as many numbers, so that each part has its own.
 */
export function readRequestFile(contentType: string, body: Uint8Array | string, limits: FileLimits): RequestFileResult {
  const type = requestFileType(contentType);
  if (type === null) return failed([{ detail: `The file must be one of ${REQUEST_FILE_TYPES.join(", ")}.` }]);
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType)?.[1]?.toLowerCase();
  if (charset !== undefined && !["utf-8", "utf8", "us-ascii"].includes(charset)) {
    return failed([{ detail: "The file must be encoded in UTF-8." }]);
  }
  const text = typeof body === "string" ? body.replace(/^\uFEFF/, "") : decodeUtf8(body);
  if (typeof text !== "string") return failed([text]);
  if (type === "application/json") return readJson(text, limits);
  const read = type === "text/csv" ? readCsvLines(text, limits) : readTextLines(text, limits);
  return read.ok ? { ok: true, head: {}, lines: read.lines } : failed(read.problems);
}

function failed(problems: readonly InputProblem[]): RequestFileResult {
  return { ok: false, problems: capProblems(problems) };
}

function decodes(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null; // the only error of a fatal decoder: the bytes aren't UTF-8
    throw error;
  }
}

/**
 * The text, or the problem with the first line that isn't UTF-8. No UTF-8 sequence contains the byte of a line feed.
 */
function decodeUtf8(bytes: Uint8Array): string | InputProblem {
  const text = decodes(bytes);
  if (text !== null) return text;
  let start = 0;
  for (let line = 1; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start);
    const slice = bytes.subarray(start, end === -1 ? bytes.length : end);
    if (decodes(slice) === null) return { line, detail: "The line is not valid UTF-8." };
    if (end === -1) break;
    start = end + 1;
  }
  return { detail: "The file is not valid UTF-8." };
}

function readJson(text: string, limits: FileLimits): RequestFileResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return failed([{ detail: "The file is not valid JSON." }]);
  }
  const shape = bodyShape(limits.maxLines);
  const schema = z.strictObject({
    ...shape,
    request_number: shape.request_number.optional(),
    device_id: shape.device_id.optional(),
  });
  const parsed = schema.safeParse(value);
  if (!parsed.success) return failed(problemsOf(parsed.error));
  const { request_number, device_id, needed_by, note } = parsed.data;
  const head: RequestFileHead = {
    ...(request_number === undefined ? {} : { requestNumber: request_number }),
    ...(device_id === undefined ? {} : { deviceId: device_id }),
    ...(needed_by === undefined ? {} : { neededBy: needed_by }),
    ...(note === undefined ? {} : { note }),
  };
  return { ok: true, head, lines: linesOfBody(parsed.data) };
}

function problemsOf(error: z.ZodError): InputProblem[] {
  return error.issues.map((issue) => {
    const keys = issue.code === "unrecognized_keys" ? issue.keys : [];
    const path = keys.length === 1 ? [...issue.path, ...keys] : issue.path;
    const pointer = path.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
    const index = issue.path[0] === "lines" ? issue.path[1] : undefined;
    const detail = keys.length > 0 ? `unknown field: ${keys.join(", ").slice(0, 200)}` : issue.message;
    return { pointer, ...(typeof index === "number" ? { line: index + 1 } : {}), detail };
  });
}
