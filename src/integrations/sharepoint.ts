/**
 * The document store over Microsoft Graph: a document library in SharePoint. The same path written twice is one document. An
 * answer that isn't about the document that was sent counts as none, so whether it was kept is then unknown.
 */
import { z } from "zod";
import {
  SHAREPOINT_DOCUMENT_BYTES,
  SHAREPOINT_READ_MS,
  SHAREPOINT_SIMPLE_BYTES,
  SHAREPOINT_TIMEOUT_MS,
  SHAREPOINT_UPLOAD_MS,
} from "../config.ts";
import type { SharepointSettings } from "../config/documents.ts";
import { AppError } from "../domain/errors.ts";
import type { DocumentStore } from "../domain/ports.ts";
import type { ExchangeAnswer } from "./json-exchange.ts";
import { passingFault, refusalFault, SHAREPOINT, understood } from "./sharepoint-answers.ts";
import { graphWithin, type Graph } from "./sharepoint-graph.ts";
import { sharepointPath } from "./sharepoint-path.ts";
import { uploadInSession } from "./sharepoint-session.ts";
import type { TokenDeps } from "./sharepoint-token.ts";

const itemSchema = z.object({
  id: z.string().min(1),
  name: z.string(),
  size: z.int(),
  webUrl: z
    .url({ protocol: /^https$/ })
    .max(2_000)
    .nullable()
    .catch(null),
});
const downloadSchema = z.object({ "@microsoft.graph.downloadUrl": z.string().max(8_192) });
const driveSchema = z.object({ id: z.string() });

/**
 * Faults, all AppError: DEPENDENCY_FAILED, retryable where a repetition may help (no or no good answer, 3xx, 401, 408, 409, 423,
 * 429, 5xx), with the seconds of `Retry-After`, and final with the reason at any other 4xx; INTERNAL for a path that can't be one.
 */
export function sharepointStore(deps: TokenDeps, at: SharepointSettings): DocumentStore {
  const within = (budgetMs: number): Graph => graphWithin(budgetMs, deps, at);
  const isPlain = new URL(at.graphUrl).protocol === "http:";
  const checked = (address: string): URL => checkedAddress(address, isPlain);

  return {
    name: SHAREPOINT,

    async put(path, body, contentType) {
      const { name, encoded } = sharepointPath(path);
      const bytes = new TextEncoder().encode(body) as Uint8Array<ArrayBuffer>;
      const address = `/root:/${encoded}:`;
      const graph = within(SHAREPOINT_UPLOAD_MS);
      const answer =
        bytes.byteLength > SHAREPOINT_SIMPLE_BYTES
          ? await uploadInSession({ address, bytes, graph, graphWithin: within, checked })
          : taken(
              await graph.call(`${address}/content?@microsoft.graph.conflictBehavior=replace`, {
                method: "PUT",
                headers: { "content-type": contentType },
                content: bytes,
              }),
            );
      const item = understood(itemSchema, answer);
      if (item.name !== name || item.size !== bytes.byteLength)
        throw passingFault("the answer is about another document");
      return { link: item.webUrl };
    },

    async read(path) {
      const graph = within(SHAREPOINT_READ_MS);
      const found = await graph.call(`/root:/${sharepointPath(path).encoded}:`, { method: "GET" });
      if (!found.ok && found.status === 404) return null;
      const url = checked(understood(downloadSchema, taken(found))["@microsoft.graph.downloadUrl"]);
      const call = { method: "GET", anyType: true, maxAnswerBytes: SHAREPOINT_DOCUMENT_BYTES } as const;
      return taken(await graph.callGiven(url, call)).value;
    },

    async health() {
      try {
        const answer = await within(SHAREPOINT_TIMEOUT_MS).call("?$select=id", { method: "GET" });
        return answer.ok && driveSchema.safeParse(answer.value).data?.id === at.driveId;
      } catch (error) {
        if (error instanceof AppError) return false; // to fail is an answer here
        throw error;
      }
    },
  };
}

function taken(answer: ExchangeAnswer): ExchangeAnswer & { ok: true } {
  if (!answer.ok) throw refusalFault(answer);
  return answer;
}

/** Graph itself gave it out, and the document is on its way there: never in the open, unless Graph itself is spoken to so. */
function checkedAddress(address: string, isPlain: boolean): URL {
  const url = URL.parse(address);
  const isSafe = url?.protocol === "https:" || (isPlain && url?.protocol === "http:");
  if (!url || !isSafe || url.username !== "" || url.password !== "")
    throw passingFault("it gave an address that isn't https");
  return url;
}
