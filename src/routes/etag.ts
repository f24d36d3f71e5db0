/** Strong entity tags (RFC 9110 §8.8.3) over what an answer says; how it was found (`meta.cache`) isn't part of that. */
import type { Context } from "hono";
import { sha256Hex } from "../container.ts";
import type { AppEnv } from "./app-env.ts";
import { untyped, type UntypedResponse } from "./problem.ts";

/** The JSON answer with its tag, or 304 when the caller has it. `identity`: what the tag stands for. */
export async function taggedJson(
  c: Context<AppEnv>,
  body: object,
  identity: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<UntypedResponse> {
  const etag = `"${(await sha256Hex(JSON.stringify(identity))).slice(0, 32)}"`;
  const base = { etag, "cache-control": "private, no-cache", ...headers };
  if (matches(c.req.header("if-none-match"), etag)) return untyped(new Response(null, { status: 304, headers: base }));
  const answer = new Response(JSON.stringify(body), {
    status: 200,
    headers: { ...base, "content-type": "application/json" },
  });
  return untyped(answer);
}

/** If-None-Match compares weakly (RFC 9110 §13.1.2). */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === "*" || header.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}
