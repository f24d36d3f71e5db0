/** The document store over R2: the default place of response files. The same path written twice is one document. */
import { AppError, messageOf } from "../domain/errors.ts";
import type { DocumentStore } from "../domain/ports.ts";

/** Any key serves: `head` answers null for one that isn't there, and moves no bytes. */
const HEALTH_KEY = "health";

/** Throws a retryable DEPENDENCY_FAILED when R2 fails; whether the document was kept is then unknown. */
export function archiveStore(bucket: R2Bucket): DocumentStore {
  const failed = (what: string, cause: unknown) =>
    new AppError("DEPENDENCY_FAILED", `the archive ${what}: ${messageOf(cause)}`, { retryable: true, cause });
  return {
    name: "archive",
    async put(path, body, contentType) {
      try {
        await bucket.put(path, body, { httpMetadata: { contentType } });
        return { link: null };
      } catch (cause) {
        throw failed(`didn't take ${path}`, cause);
      }
    },
    async read(path) {
      try {
        const object = await bucket.get(path);
        return object ? await object.json<unknown>() : null;
      } catch (cause) {
        throw failed(`didn't give ${path}`, cause);
      }
    },
    health: () =>
      bucket.head(HEALTH_KEY).then(
        () => true,
        () => false,
      ),
  };
}
