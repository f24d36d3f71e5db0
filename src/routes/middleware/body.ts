/** What a body may be: its type (415), its size by counted bytes (413) and its text (422), before any route sees it. */
import { bodyLimit } from "hono/body-limit";
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { AppError } from "../../domain/errors.ts";
import { illFormedPointers } from "../../domain/well-formed.ts";
import type { AppEnv } from "../app-env.ts";
import { problem } from "../problem.ts";

export function bodyOf(types: readonly string[], maxBytes: number) {
  const sized = bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw new AppError("PAYLOAD_TOO_LARGE", `the body is larger than ${maxBytes} bytes`);
    },
  });
  const jsonOnly = types.length === 1 && types[0] === "application/json";
  return createMiddleware<AppEnv>(async (c, next) => {
    const type = (c.req.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
    if (!types.includes(type)) {
      throw new AppError("UNSUPPORTED_MEDIA_TYPE", `send Content-Type ${types.join(" or ")}, not ${type || "none"}`);
    }
    if (!jsonOnly) return sized(c, next);
    let refusal: Response | undefined;
    const answer = await sized(c, async () => {
      refusal = await refuseHalfCharacters(c);
      if (!refusal) await next();
    });
    return refusal ?? answer;
  });
}

/** Half a surrogate pair comes by escapes only; a body that isn't JSON is left to the route's own check (400). */
async function refuseHalfCharacters(c: Context<AppEnv>): Promise<Response | undefined> {
  const text = await c.req.text().catch((cause: unknown) => {
    throw new AppError("BAD_JSON", "the body ended before its length: the connection was lost", { cause });
  });
  if (!/\\u[dD][89a-fA-F]/.test(text)) return undefined;
  const problems = illFormedPointers(parsed(text)).map((pointer) => ({
    pointer,
    detail: "holds half a character: not valid Unicode",
  }));
  return problems.length === 0
    ? undefined
    : problem(c, { code: "VALIDATION", detail: "see errors: text must be valid Unicode", problems });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
