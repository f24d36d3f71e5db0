/** A person's second try for a document that was given up: the ladder begins anew, in the store that is chosen now. */
import { findCloudUpload, requeueCloudUpload, type CloudUploadRow } from "../db/queries/cloud-uploads.ts";
import { findResponse, type RequestRow } from "../db/queries/requests.ts";
import { messageOf, refuse, type Refusal } from "../domain/errors.ts";
import { actorOf, type Principal } from "../domain/identity.ts";
import type { DocumentStoreName } from "../domain/ports.ts";
import type { Trace } from "../domain/trace.ts";
import { archivePath } from "./cloud-upload.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export interface DocumentRetryDeps extends ServiceDeps {
  /** Where documents go now. */
  readonly store: DocumentStoreName;
  readonly sendCloudUpload: (responseId: string) => Promise<void>;
  readonly log: (level: "warn", event: string, facts: Readonly<Record<string, unknown>>) => void;
}

export interface UploadAgain {
  readonly ok: true;
  readonly responseId: string;
  readonly store: DocumentStoreName;
  readonly path: string;
}

/** Refuses with CONFLICT what wasn't given up: it is on its way, or there. The caller has seen that `request` may be seen. */
export async function uploadAgain(
  deps: DocumentRetryDeps,
  principal: Principal,
  request: RequestRow,
  trace: Trace,
): Promise<UploadAgain | Refusal> {
  const response = await findResponse(deps.db, request.id);
  const upload = response && (await findCloudUpload(deps.db, response.id));
  if (!upload) return refuse("CONFLICT", `the request is ${request.status}: there is no document to upload yet`);
  if (upload.state !== "failed") return refuse("CONFLICT", inNoNeed(upload));
  const { responseId } = upload;
  const again: UploadAgain = { ok: true, responseId, store: deps.store, path: archivePath(request) };
  const committed = await deps.commit({
    trace: { ...trace, correlationId: request.id },
    answers: again,
    writes: [requeueCloudUpload(again, isoNow(deps))],
    audit: [
      {
        actor: actorOf(principal),
        action: "response.upload asked again",
        subject: `request/${request.id}`,
        before: { store: upload.store, path: upload.path, attempts: upload.attempts },
        after: { store: again.store, path: again.path },
        ...(upload.error === null ? {} : { reason: upload.error }),
      },
    ],
  });
  if (!committed.ok) return refuse("CONFLICT", "someone else has just sent it again");
  await deps.sendCloudUpload(responseId).catch((error: unknown) => {
    // It is queued all the same: the cron finds what is due and has no message.
    deps.log("warn", "document.message_lost", { response: responseId, error: messageOf(error) });
  });
  return again;
}

function inNoNeed({ state, store, path }: CloudUploadRow): string {
  return state === "stored" ? `it is stored: ${path} in ${store}` : `it is on its way to ${store}: ${path}`;
}
