/** Wires the document stores, each behind the breaker of its name, for whoever writes to them and reads from them. */
import { sharepointSettings } from "../config/documents.ts";
import type { Container } from "../container.ts";
import type { DocumentStore, DocumentStoreName } from "../domain/ports.ts";
import { archiveStore } from "../integrations/archive.ts";
import { breakerFor, throughBreaker } from "../integrations/breaker.ts";
import { sharepointStore } from "../integrations/sharepoint.ts";
import { log } from "../log.ts";
import type { CloudUploadDeps } from "../services/cloud-upload.ts";
import type { DocumentRetryDeps } from "../services/document-retry.ts";

/** The store itself; null: this deployment has no way into it. */
export function documentStore({ env, clock, settings }: Container, name: DocumentStoreName): DocumentStore | null {
  if (name === "archive") return archiveStore(env.ARCHIVE);
  const at = sharepointSettings(settings);
  return at && sharepointStore({ fetch: (url, init) => fetch(url, init), clock }, at);
}

function guardedStore(container: Container, name: DocumentStoreName): DocumentStore | null {
  const store = documentStore(container, name);
  if (!store) return null;
  const { clock, env } = container;
  const breaker = breakerFor(env.BREAKER, name, { clock, log });
  return {
    name,
    put: (path, body, contentType) => throughBreaker(breaker, () => store.put(path, body, contentType)),
    read: (path) => throughBreaker(breaker, () => store.read(path)),
    health: () => store.health(),
  };
}

export function cloudUploadDeps(container: Container): CloudUploadDeps {
  return { ...container, documents: (store) => guardedStore(container, store) };
}

export function documentRetryDeps(container: Container): DocumentRetryDeps {
  return {
    ...container,
    store: container.settings.DOCUMENT_STORE,
    log,
    sendCloudUpload: async (responseId) => {
      await container.env.CLOUD_UPLOADS_QUEUE.send({ response_id: responseId });
    },
  };
}

/** The document as its store has it, parsed; null: it isn't there, or this deployment has no way into the store. */
export async function readDocument(
  container: Container,
  { store, path }: { readonly store: DocumentStoreName; readonly path: string },
): Promise<unknown> {
  return (await guardedStore(container, store)?.read(path)) ?? null;
}
