/** The document of a request's response: as its store has it, and a second try when its upload was given up. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { findCloudUpload } from "../db/queries/cloud-uploads.ts";
import { findRequest, findResponse } from "../db/queries/requests.ts";
import { refuse } from "../domain/errors.ts";
import { DOCUMENT_STORES } from "../domain/ports.ts";
import { uploadAgain } from "../services/document-retry.ts";
import { documentRetryDeps, readDocument } from "../wiring/documents.ts";
import type { AppEnv } from "./app-env.ts";
import { KEYED, keyed, KEY_PROBLEMS, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { problem } from "./problem.ts";
import { maySee } from "./requests.ts";

const params = z.object({ id: z.string().min(1).max(100) });

const stored = createRoute({
  method: "get",
  path: "/api/requests/{id}/archive",
  tags: ["requests"],
  security: BEARER,
  middleware: [requires("requests.read")] as const,
  request: { params },
  responses: {
    200: json(z.record(z.string(), z.unknown()), "The response file as its document store has it"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

const again = createRoute({
  method: "post",
  path: "/api/requests/{id}/response/upload",
  tags: ["requests"],
  security: BEARER,
  ...KEYED,
  description:
    "Uploads the response file again after its upload was given up, to the document store that is chosen now.",
  middleware: [requires("documents.retry"), keyed] as const,
  request: { params },
  responses: {
    202: json(
      z.object({ response_id: z.string(), store: z.enum(DOCUMENT_STORES), path: z.string() }),
      "On its way; Location says where to look",
    ),
    ...problems(...KEY_PROBLEMS, "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "CONFLICT"),
  },
});

export function registerDocuments(app: OpenAPIHono<AppEnv>): void {
  app.openapi(stored, async (c) => {
    const container = c.get("container");
    const found = await findRequest(container.db, c.req.valid("param").id);
    const response =
      found && maySee(c.get("principal"), found.request) ? await findResponse(container.db, found.request.id) : null;
    const upload = response && (await findCloudUpload(container.db, response.id));
    const document = upload && z.record(z.string(), z.unknown()).safeParse(await readDocument(container, upload));
    if (document?.success) return c.json(document.data, 200);
    return problem(c, { code: "NOT_FOUND", detail: "no response file of this request in its document store yet" });
  });

  app.openapi(again, (c) => {
    const { id } = c.req.valid("param");
    const principal = c.get("principal");
    return once(
      c,
      async (deps) => {
        const found = await findRequest(deps.db, id);
        if (!found || !maySee(principal, found.request)) return refuse("NOT_FOUND", "no such request");
        return uploadAgain(documentRetryDeps(deps), principal, found.request, c.get("trace"));
      },
      ({ responseId, store, path }) => ({
        status: 202,
        location: `/api/requests/${id}`,
        body: { response_id: responseId, store, path },
      }),
    );
  });
}
