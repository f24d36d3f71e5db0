/** Operations: recount of the stock, the outbox, breakers, and what lies in the archive. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { summariseOutbox } from "../db/queries/outbox.ts";
import { findRequest } from "../db/queries/requests.ts";
import { recountStock } from "../db/queries/recount.ts";
import { archivedResponse } from "../wiring/archive.ts";
import type { AppEnv } from "./app-env.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { problem } from "./problem.ts";
import { maySee } from "./requests.ts";

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

const archived = createRoute({
  method: "get",
  path: "/api/requests/{id}/archive",
  tags: ["requests"],
  security: BEARER,
  middleware: [requires("requests.read")] as const,
  request: { params: z.object({ id: z.string().min(1).max(100) }) },
  responses: {
    200: json(z.record(z.string(), z.unknown()), "The response file as it lies in the archive"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

export function registerOps(app: OpenAPIHono<AppEnv>): void {
  app.openapi(recount, async (c) => {
    const data = await recountStock(c.get("container").db);
    return c.json({ data, meta: { count: data.length } }, 200);
  });

  app.openapi(outbox, async (c) => {
    const { db, clock } = c.get("container");
    return c.json(await summariseOutbox(db, new Date(clock.now()).toISOString()), 200);
  });

  app.openapi(archived, async (c) => {
    const container = c.get("container");
    const found = await findRequest(container.db, c.req.valid("param").id);
    const file =
      found && maySee(c.get("principal"), found.request) ? await archivedResponse(container, found.request) : null;
    if (!file) return problem(c, { code: "NOT_FOUND", detail: "no response file of this request in the archive yet" });
    return c.json(file, 200);
  });
}
