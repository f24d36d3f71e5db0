/**
 * A large document's way into SharePoint: an upload session, fragment after fragment. After a lost answer the other side is
 * asked what it has, and the upload goes on there. A session that is given up is cancelled.
 */
import { z } from "zod";
import { SHAREPOINT_CANCEL_MS, SHAREPOINT_SESSIONS, SHAREPOINT_SETBACKS } from "../config.ts";
import { AppError } from "../domain/errors.ts";
import { StatusFault, type ExchangeAnswer } from "./json-exchange.ts";
import { passingFault, refusalFault, understood } from "./sharepoint-answers.ts";
import type { Graph } from "./sharepoint-graph.ts";
import { contentRange, firstMissing, nextFragment } from "./sharepoint-ranges.ts";

export interface LargeDocument {
  /** `/root:/a/b/c:`, encoded. */
  readonly address: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly graph: Graph;
  /** A Graph with a little time of its own, for the cancellation. */
  readonly graphWithin: (budgetMs: number) => Graph;
  /** An address that Graph gave out, if it may be called. */
  readonly checked: (address: string) => URL;
}

const sessionSchema = z.object({ uploadUrl: z.string().max(8_192) });
const progressSchema = z.object({ nextExpectedRanges: z.array(z.string().max(64)).max(100) });

/** Where the upload stands: the first missing byte, or how it ended. */
type Standing =
  | { readonly kind: "missing"; readonly from: number }
  | { readonly kind: "complete"; readonly answer: ExchangeAnswer & { ok: true } }
  | { readonly kind: "expired" };

/** The answer with the document's item. Throws as an exchange does; the session is then gone. */
export async function uploadInSession(document: LargeDocument): Promise<ExchangeAnswer & { ok: true }> {
  for (let session = 1; session <= SHAREPOINT_SESSIONS; session++) {
    const url = await beginSession(document);
    const end = await sendAll(document, url).catch(async (error: unknown) => {
      await cancelSession(document, url);
      throw error;
    });
    if (end.kind === "complete") return end.answer;
  }
  throw passingFault(`the upload session expired ${SHAREPOINT_SESSIONS} times`);
}

async function beginSession({ graph, address, checked }: LargeDocument): Promise<URL> {
  const answer = await graph.call(`${address}/createUploadSession`, {
    method: "POST",
    body: { item: { "@microsoft.graph.conflictBehavior": "replace" } },
  });
  if (!answer.ok) throw refusalFault(answer);
  return checked(understood(sessionSchema, answer).uploadUrl);
}

async function sendAll(document: LargeDocument, url: URL): Promise<Exclude<Standing, { kind: "missing" }>> {
  let from = 0;
  for (let setbacks = 0; ;) {
    const sent = await sendFragment(document, url, from);
    const standing = sent ?? (await askStanding(document, url, from));
    if (standing.kind !== "missing") return standing;
    // One that only ever asks again would go on for ever.
    if ((sent === null || standing.from <= from) && ++setbacks > SHAREPOINT_SETBACKS) {
      throw passingFault(`the upload makes no headway at byte ${standing.from}`);
    }
    from = standing.from;
  }
}

/** Where the upload stands after one more fragment; null: unknown. */
async function sendFragment({ graph, bytes }: LargeDocument, url: URL, from: number): Promise<Standing | null> {
  const fragment = nextFragment(from, bytes.byteLength);
  let answer: ExchangeAnswer;
  try {
    answer = await graph.callGiven(url, {
      method: "PUT",
      headers: {
        "content-range": contentRange(fragment, bytes.byteLength),
        "content-type": "application/octet-stream",
      },
      content: bytes.subarray(fragment.from, fragment.to),
    });
  } catch (error) {
    // Only where no good answer came is it unknown what arrived; what was answered, such as 503, is for the queue to wait out.
    if (error instanceof AppError && error.retryable && !(error instanceof StatusFault)) return null;
    throw error;
  }
  if (!answer.ok && answer.status === 404) return { kind: "expired" };
  if (!answer.ok && answer.status === 416) return null; // it has these bytes already
  if (!answer.ok) throw refusalFault(answer);
  const isProgress = progressSchema.safeParse(answer.value).success;
  return isProgress ? standingOf(answer, fragment.to) : { kind: "complete", answer };
}

async function askStanding({ graph, bytes }: LargeDocument, url: URL, from: number): Promise<Standing> {
  const answer = await graph.callGiven(url, { method: "GET" });
  if (!answer.ok && answer.status === 404) return { kind: "expired" };
  if (!answer.ok) throw refusalFault(answer);
  return standingOf(answer, nextFragment(from, bytes.byteLength).to);
}

function standingOf(answer: ExchangeAnswer & { ok: true }, sent: number): Standing {
  const from = firstMissing(understood(progressSchema, answer).nextExpectedRanges, sent);
  if (from === null) throw passingFault("it asks for bytes that can't be missing");
  return { kind: "missing", from };
}

/** As well as it goes: a session that isn't cancelled expires by itself, and keeps no document. */
async function cancelSession({ graphWithin }: LargeDocument, url: URL): Promise<void> {
  try {
    await graphWithin(SHAREPOINT_CANCEL_MS).callGiven(url, { method: "DELETE" });
  } catch (error) {
    if (!(error instanceof AppError)) throw error; // to fail is an answer here
  }
}
