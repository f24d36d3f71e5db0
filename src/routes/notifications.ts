/** In-app notifications of the caller. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { listNotifications } from "../db/queries/notifications.ts";
import type { AppEnv } from "./app-env.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";

const mine = createRoute({
  method: "get",
  path: "/api/notifications",
  tags: ["notifications"],
  security: BEARER,
  middleware: [requires("notifications.read")] as const,
  responses: {
    200: json(
      z.object({
        data: z.array(
          z.object({ id: z.string(), title: z.string(), link: z.string().nullable(), created_at: z.string() }),
        ),
        meta: z.object({ count: z.int() }),
      }),
      "The newest hundred, newest first",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN"),
  },
});

export function registerNotifications(app: OpenAPIHono<AppEnv>): void {
  app.openapi(mine, async (c) => {
    const rows = await listNotifications(c.get("container").db, c.get("principal").subject, 100);
    const data = rows.map((row) => ({ id: row.id, title: row.title, link: row.link, created_at: row.createdAt }));
    return c.json({ data, meta: { count: data.length } }, 200);
  });
}
