/** Tokens: client credentials of a device; in development also a token for any persona. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { MAX_JSON_BYTES, TOKEN_LIFE_S } from "../config.ts";
import { findDevice, findDevicePrincipal, findPersonPrincipal, listPersonas } from "../db/queries/people.ts";
import { AppError } from "../domain/errors.ts";
import type { Principal } from "../domain/identity.ts";
import { issueToken } from "../wiring/identity.ts";
import type { Container } from "../container.ts";
import type { AppEnv } from "./app-env.ts";
import { bodyOf } from "./middleware/body.ts";
import { developmentOnly } from "./middleware/development.ts";
import { createRoute, json, problems, z } from "./openapi.ts";

const tokenView = z.object({ access_token: z.string(), token_type: z.literal("Bearer"), expires_in: z.int() });

const token = createRoute({
  method: "post",
  path: "/api/auth/token",
  tags: ["identity"],
  middleware: [bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: {
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z.strictObject({
            grant_type: z.literal("client_credentials").optional(),
            client_id: z.string().min(1).max(100),
            client_secret: z.string().min(1).max(500),
          }),
        },
      },
    },
  },
  responses: {
    200: json(tokenView, "A token for 15 minutes"),
    ...problems("BAD_JSON", "UNAUTHENTICATED", "VALIDATION", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"),
  },
});

const devToken = createRoute({
  method: "post",
  path: "/dev/token",
  tags: ["development"],
  hide: true,
  middleware: [developmentOnly, bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: {
    body: {
      required: true,
      content: { "application/json": { schema: z.strictObject({ subject: z.string().min(1).max(100) }) } },
    },
  },
  responses: { 200: json(tokenView, "A token for the persona"), ...problems("NOT_FOUND", "VALIDATION", "BAD_JSON") },
});

const personas = createRoute({
  method: "get",
  path: "/dev/personas",
  tags: ["development"],
  hide: true,
  middleware: [developmentOnly] as const,
  responses: {
    200: json(
      z.object({ data: z.array(z.object({ id: z.string(), role: z.string(), region: z.string().nullable() })) }),
      "Everyone that /dev/token gives a token for",
    ),
    ...problems("NOT_FOUND"),
  },
});

export function registerAuth(app: OpenAPIHono<AppEnv>): void {
  app.openapi(token, async (c) => {
    const container = c.get("container");
    const { client_id: id, client_secret: secret } = c.req.valid("json");
    const device = await findDevice(container.db, id);
    const hash = await container.sha256(secret);
    const principal = device && sameHex(hash, device.secretHash) ? await findDevicePrincipal(container.db, id) : null;
    if (!principal) throw new AppError("UNAUTHENTICATED", "the device id or its secret is wrong");
    return c.json(await answer(container, principal), 200);
  });

  app.openapi(devToken, async (c) => {
    const container = c.get("container");
    const { subject } = c.req.valid("json");
    const principal =
      (await findPersonPrincipal(container.db, subject)) ?? (await findDevicePrincipal(container.db, subject));
    if (!principal) throw new AppError("NOT_FOUND", `no persona ${subject}; GET /dev/personas lists them`);
    return c.json(await answer(container, principal), 200);
  });

  app.openapi(personas, async (c) => {
    const container = c.get("container");
    return c.json({ data: await listPersonas(container.db) }, 200);
  });
}

async function answer(container: Container, principal: Principal) {
  return {
    access_token: await issueToken(container, principal),
    token_type: "Bearer" as const,
    expires_in: TOKEN_LIFE_S,
  };
}

/** Compares two hex digests without leaving early. */
function sameHex(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let different = 0;
  for (let i = 0; i < a.length; i++) different |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return different === 0;
}
