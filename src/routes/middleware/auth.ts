/** Token check and permission, on the matched route: a route without `requires(...)` in its list answers no one. */
import { createMiddleware } from "hono/factory";
import { AppError } from "../../domain/errors.ts";
import { hasRight, RIGHTS, type Right } from "../../domain/identity.ts";
import { authenticate } from "../../wiring/identity.ts";
import type { AppEnv } from "../app-env.ts";

/** Lets the request on only with a valid token whose role has the right. */
export function requires(right: Right) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const principal = await authenticate(c.get("container"), c.req.header("authorization"));
    if (!hasRight(principal, right)) {
      throw new AppError(
        "FORBIDDEN",
        `role ${principal.role} lacks the right ${right} (held by: ${RIGHTS[right].join(", ")})`,
      );
    }
    c.set("principal", principal);
    await next();
  });
}

/** After `requires`: for what concerns every region and can't be told apart by one. */
export const everyRegion = createMiddleware<AppEnv>(async (c, next) => {
  const { region, subject } = c.get("principal");
  if (region !== null) {
    throw new AppError("FORBIDDEN", `this concerns every region, and ${subject} is bound to ${region}`);
  }
  await next();
});
