/** The forms of an answer. What a client did wrong is told as a problem document (RFC 9457), never as a page. */
import type { z } from "zod";

const CHUNK_BYTES = 64 * 1024;
const TOO_BIG_CHUNKS = 160; // 10 MiB

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  });
}

export function problem(status: number, title: string, detail: string, more: Record<string, unknown> = {}): Response {
  return json(
    status,
    { type: "about:blank", title, status, detail, ...more },
    { "content-type": "application/problem+json" },
  );
}

/** 422 with one entry for each wrong field, as JSON pointers (RFC 6901). */
export function invalid(error: z.ZodError): Response {
  const errors = error.issues.map((issue) => ({
    pointer: issue.path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join(""),
    detail: issue.message,
  }));
  return problem(422, "Invalid", errors[0]?.detail ?? "The body is invalid.", { errors });
}

export function methodNotAllowed(allow: string): Response {
  const answer = problem(405, "Method not allowed", `Use ${allow}.`);
  answer.headers.set("allow", allow);
  return answer;
}

export function seeOther(location: string): Response {
  return new Response(null, { status: 303, headers: { location } });
}

/**
 * The answer with its second half missing, as after a lost connection. It ends in good order: breaking the stream
 * itself makes the local runtime log an uncaught exception each time, and a client learns no more from it.
 */
export async function cutOff(answer: Response): Promise<Response> {
  const text = await answer.text();
  return new Response(text.slice(0, text.length / 2), answer);
}

/** The same answer with 10 MiB of blanks after it: still good JSON, but larger than a careful client reads. */
export async function padded(answer: Response): Promise<Response> {
  const text = new TextEncoder().encode(await answer.text());
  const blanks = new Uint8Array(CHUNK_BYTES).fill(0x20);
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(text),
    pull: (controller) => (sent++ === TOO_BIG_CHUNKS ? controller.close() : controller.enqueue(blanks.slice())),
  });
  return new Response(body, answer);
}
