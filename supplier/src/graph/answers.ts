/** The forms of Graph's answers: an error document, an item. */
import { json } from "../answers.ts";
import type { KeptFile } from "./drive.ts";

export function graphError(
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return json(status, { error: { code, message, innerError: { date: new Date().toISOString() } } }, headers);
}

/** `files`: the address under which the tenant's documents are read. */
export function itemAnswer(status: number, file: KeptFile, files: string): Response {
  const { path, size, content_type: mimeType } = file;
  const address = `${files}/${path.split("/").map(encodeURIComponent).join("/")}`;
  return json(status, {
    id: `01-${encodeURIComponent(path)}`,
    name: path.split("/").at(-1),
    size,
    webUrl: `${address}?web=1`,
    file: { mimeType },
    "@microsoft.graph.downloadUrl": `${address}?tempauth=read`,
  });
}
