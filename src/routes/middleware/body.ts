/** What a body may be: its type (415) and its size by counted bytes (413), before anything parses it. */
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { AppError } from "../../domain/errors.ts";
import type { AppEnv } from "../app-env.ts";

export function bodyOf(types: readonly string[], maxBytes: number) {
  const sized = bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw new AppError("PAYLOAD_TOO_LARGE", `the body is larger than ${maxBytes} bytes`);
    },
  });
  return createMiddleware<AppEnv>(async (c, next) => {
    const type = (c.req.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
    if (!types.includes(type)) {
      throw new AppError("UNSUPPORTED_MEDIA_TYPE", `send Content-Type ${types.join(" or ")}, not ${type || "none"}`);
    }
    return sized(c, next);
  });
}
