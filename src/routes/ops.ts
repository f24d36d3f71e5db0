/** Operations: recount of the stock, and the outbox. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { summariseOutbox } from "../db/queries/outbox.ts";
import { recountStock } from "../db/queries/recount.ts";
import type { AppEnv } from "./app-env.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";

const recount = createRoute({
  method: "get",
  path: "/api/ops/recount",
  tags: ["operations"],
  security: BEARER,
  middleware: [requires("ops.read")] as const,
  responses: {
    200: json(
      z.object({
        data: z.array(
          z.object({ rule: z.string(), sku: z.string(), location: z.string(), expected: z.int(), found: z.int() }),
        ),
        meta: z.object({ count: z.int() }),
      }),
      "Each stock row that differs from its ledger: none, when all is well",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN"),
  },
});

const outbox = createRoute({
  method: "get",
  path: "/api/outbox",
  tags: ["operations"],
  security: BEARER,
  middleware: [requires("ops.read")] as const,
  responses: {
    200: json(
      z.object({
        open: z.int(),
        parked: z.int(),
        timers: z.int(),
        dead_letters: z.int(),
        oldest_open_at: z.string().nullable(),
      }),
      "Events on their way, parked ones, timers that aren't due; dead letters that wait for a decision",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN"),
  },
});

export function registerOps(app: OpenAPIHono<AppEnv>): void {
  app.openapi(recount, async (c) => {
    const data = await recountStock(c.get("container").db, c.get("principal").region);
    return c.json({ data, meta: { count: data.length } }, 200);
  });

  app.openapi(outbox, async (c) => {
    const { db, clock } = c.get("container");
    return c.json(await summariseOutbox(db, new Date(clock.now()).toISOString(), c.get("principal").region), 200);
  });
}
