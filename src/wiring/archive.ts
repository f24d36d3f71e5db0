/** Wires the read of an archived response file. */
import type { Container } from "../container.ts";
import { archivePath } from "../services/cloud-upload.ts";

export async function archivedResponse(
  { env }: Container,
  request: { readonly id: string; readonly region: string; readonly createdAt: string },
): Promise<Record<string, unknown> | null> {
  const object = await env.ARCHIVE.get(archivePath(request));
  return object ? object.json<Record<string, unknown>>() : null;
}
