/**
 * The response file's way to the document store: one attempt a call, behind the breaker, by the ladder 1, 2, 4, 8 s. The
 * path is derived from the request, so a repeated upload overwrites itself. Giving up is told once.
 */
import { OPEN_CIRCUIT_SPREAD_MS } from "../config.ts";
import { findCloudUpload, finishCloudUpload, noteFailedAttempt, noteWaiting } from "../db/queries/cloud-uploads.ts";
import { findRequest, findResponseById } from "../db/queries/requests.ts";
import { AppError, messageOf } from "../domain/errors.ts";
import type { DocumentStore } from "../domain/ports.ts";
import { spreadMs } from "../resilience/backoff.ts";
import { decideRetry, faultOf } from "../resilience/retry.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export interface CloudUploadDeps extends ServiceDeps {
  readonly random: () => number;
  /** The store behind its breaker: an open one throws CIRCUIT_OPEN. */
  readonly documents: DocumentStore;
}

export type UploadOutcome =
  | { readonly do: "done" }
  /** Try again after so many ms. */
  | { readonly do: "again"; readonly delayMs: number };

/** `responses/{region}/{yyyy-mm}/{request}/response.json` */
export function archivePath(request: {
  readonly id: string;
  readonly region: string;
  readonly createdAt: string;
}): string {
  return `responses/${request.region}/${request.createdAt.slice(0, 7)}/${request.id}/response.json`;
}

/** One attempt. A call that an open breaker refused is none: it waits for the next health check. */
export async function uploadResponse(deps: CloudUploadDeps, responseId: string): Promise<UploadOutcome> {
  const upload = await findCloudUpload(deps.db, responseId);
  const response = await findResponseById(deps.db, responseId);
  if (!upload || !response || upload.state !== "queued") return { do: "done" };
  const attempt = upload.attempts + 1;
  try {
    await deps.documents.put(upload.path, response.body, "application/json");
  } catch (error) {
    return afterFailure(deps, { responseId, requestId: response.requestId, attempt, error });
  }
  await deps.commit({
    trace: deps.newTrace(),
    writes: [finishCloudUpload(responseId, attempt, isoNow(deps))],
    audit: [
      {
        actor: { id: "cloud-archive", kind: "system" },
        action: "response.archived",
        subject: `request/${response.requestId}`,
        after: { path: upload.path, store: deps.documents.name, attempts: attempt },
      },
    ],
  });
  return { do: "done" };
}

async function afterFailure(
  deps: CloudUploadDeps,
  failed: { responseId: string; requestId: string; attempt: number; error: unknown },
): Promise<UploadOutcome> {
  const { error, attempt, responseId, requestId } = failed;
  if (error instanceof AppError && error.code === "CIRCUIT_OPEN") {
    // Else the cron would take the message for lost, and add another one in every minute of a long outage.
    await deps.commit({ trace: deps.newTrace(), writes: [noteWaiting(responseId, isoNow(deps))] });
    const held = (error.retryAfterSeconds ?? 30) * 1000;
    return { do: "again", delayMs: held + spreadMs(OPEN_CIRCUIT_SPREAD_MS, deps.random) };
  }
  const decision = decideRetry({ attempt, error: faultOf(error), random: deps.random });
  const at = isoNow(deps);
  const final = decision.do === "give_up";
  const request = final ? (await findRequest(deps.db, requestId))?.request : undefined;
  await deps.commit({
    trace: deps.newTrace(),
    writes: [noteFailedAttempt(responseId, { attempts: attempt, error: messageOf(error), final, at })],
    audit: final
      ? [
          {
            actor: { id: "cloud-archive", kind: "system" },
            action: "response.archive given up",
            subject: `request/${requestId}`,
            reason: messageOf(error),
          },
        ]
      : [],
    events: final
      ? [
          {
            type: "ErrorOccurred",
            subject: `response/${responseId}`,
            region: request?.region ?? null,
            sequence: attempt,
            data: {
              code: "ARCHIVE_FAILED",
              kind: "response",
              id: responseId,
              message: `the response file of ${requestId} was not archived after ${attempt} attempts: ${messageOf(error)}`,
              retryable: true,
              timestamp: at,
            },
          },
        ]
      : [],
  });
  return decision.do === "retry" ? { do: "again", delayMs: decision.delayMs } : { do: "done" };
}
