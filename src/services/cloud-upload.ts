/**
 * The response file's way to its document store: one attempt a call, behind the store's breaker, by the ladder 1, 2, 4, 8 s. The
 * path is derived from the request, so a repeated upload overwrites itself. Giving up is told once.
 */
import { OPEN_CIRCUIT_SPREAD_MS } from "../config.ts";
import {
  findCloudUpload,
  finishCloudUpload,
  noteFailedAttempt,
  noteWaiting,
  type CloudUploadRow,
} from "../db/queries/cloud-uploads.ts";
import { findRequest, findResponseById } from "../db/queries/requests.ts";
import { AppError, messageOf } from "../domain/errors.ts";
import type { DocumentStore, DocumentStoreName } from "../domain/ports.ts";
import { spreadMs } from "../resilience/backoff.ts";
import { decideRetry, faultOf } from "../resilience/retry.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export interface CloudUploadDeps extends ServiceDeps {
  readonly random: () => number;
  /** The store behind its breaker: an open one throws CIRCUIT_OPEN. null: this deployment has no way into it. */
  readonly documents: (store: DocumentStoreName) => DocumentStore | null;
}

export type UploadOutcome =
  | { readonly do: "done" }
  /** Try again after so many ms. */
  | { readonly do: "again"; readonly delayMs: number };

const DONE: UploadOutcome = { do: "done" };
const UPLOADER = { id: "cloud-archive", kind: "system" } as const;

/** `responses/{region}/{yyyy-mm}/{request}/response.json` */
export function archivePath(request: {
  readonly id: string;
  readonly region: string;
  readonly createdAt: string;
}): string {
  return `responses/${request.region}/${request.createdAt.slice(0, 7)}/${request.id}/response.json`;
}

/**
 * One attempt, in the store that the row names. A call that an open breaker refused is none: it waits for the next health
 * check. Nor is a message that comes before its time, as one that the queue delivers twice does.
 */
export async function uploadResponse(deps: CloudUploadDeps, responseId: string): Promise<UploadOutcome> {
  const upload = await findCloudUpload(deps.db, responseId);
  const response = await findResponseById(deps.db, responseId);
  if (!upload || !response || upload.state !== "queued") return DONE;
  const early = Date.parse(upload.dueAt) - deps.clock.now();
  if (early > 0) return { do: "again", delayMs: early };
  const { requestId } = response;
  let link: string | null;
  try {
    ({ link } = await storeOf(deps, upload.store).put(upload.path, response.body, "application/json"));
  } catch (error) {
    return afterFailure(deps, { upload, requestId, error });
  }
  const attempts = upload.attempts + 1;
  await deps.commit({
    trace: deps.newTrace(),
    writes: [finishCloudUpload(upload, { attempts, link, at: isoNow(deps) })],
    audit: [
      {
        actor: UPLOADER,
        action: "response.archived",
        subject: `request/${requestId}`,
        after: { path: upload.path, store: upload.store, attempts },
      },
    ],
  });
  return DONE;
}

function storeOf(deps: CloudUploadDeps, name: DocumentStoreName): DocumentStore {
  const store = deps.documents(name);
  // Never another store in its place: a document lies where its row says.
  if (!store)
    throw new AppError("INTERNAL", `the store ${name} isn't set up any more: upload again to the one that is`);
  return store;
}

async function afterFailure(
  deps: CloudUploadDeps,
  { upload, requestId, error }: { upload: CloudUploadRow; requestId: string; error: unknown },
): Promise<UploadOutcome> {
  const { responseId } = upload;
  const now = deps.clock.now();
  const after = (ms: number) => new Date(now + ms).toISOString();
  if (error instanceof AppError && error.code === "CIRCUIT_OPEN") {
    const held = (error.retryAfterSeconds ?? 30) * 1000;
    const delayMs = held + spreadMs(OPEN_CIRCUIT_SPREAD_MS, deps.random);
    await deps.commit({ trace: deps.newTrace(), writes: [noteWaiting(responseId, after(delayMs))] });
    return { do: "again", delayMs };
  }
  const attempts = upload.attempts + 1;
  const decision = decideRetry({
    attempt: attempts - upload.ladderFrom,
    error: faultOf(error),
    random: deps.random,
  });
  const at = after(0);
  const noted = { attempts, error: messageOf(error), at };
  if (decision.do === "retry") {
    const write = noteFailedAttempt(responseId, { ...noted, dueAt: after(decision.delayMs) });
    const counted = await deps.commit({ trace: deps.newTrace(), writes: [write] });
    // Another message of the same upload counted this attempt: that one goes on.
    return counted.ok ? { do: "again", delayMs: decision.delayMs } : DONE;
  }
  const request = (await findRequest(deps.db, requestId))?.request;
  await deps.commit({
    trace: deps.newTrace(),
    writes: [noteFailedAttempt(responseId, { ...noted, dueAt: null })],
    audit: [
      {
        actor: UPLOADER,
        action: "response.archive given up",
        subject: `request/${requestId}`,
        after: { path: upload.path, store: upload.store, attempts },
        reason: noted.error,
      },
    ],
    events: [
      {
        type: "ErrorOccurred",
        subject: `response/${responseId}`,
        region: request?.region ?? null,
        sequence: attempts,
        data: {
          code: "ARCHIVE_FAILED",
          kind: "response",
          id: responseId,
          message: `the response file of ${requestId} was not archived after ${attempts} attempts: ${noted.error}`,
          retryable: true,
          timestamp: at,
        },
      },
    ],
  });
  return DONE;
}
