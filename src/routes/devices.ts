/** Devices: who is connected, the socket itself, and the snapshot to start from when a position is lost. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { listRegionIds } from "../db/queries/regions.ts";
import { listRequests } from "../db/queries/requests.ts";
import { hasRight } from "../domain/identity.ts";
import { SUBPROTOCOL } from "../domain/hub/frames.ts";
import { hubName, shardOf } from "../domain/hub/routing.ts";
import { authenticate } from "../wiring/identity.ts";
import type { AppEnv } from "./app-env.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { problem } from "./problem.ts";
import { requestSummary, summaryView } from "./request-views.ts";

const client = z.object({
  device_type: z.string(),
  connected_at: z.string(),
  last_seen: z.string(),
  region: z.string().nullable(),
  unacked: z.int(),
});

const connected = createRoute({
  method: "get",
  path: "/api/devices/connected",
  tags: ["devices"],
  security: BEARER,
  middleware: [requires("devices.read")] as const,
  responses: {
    200: json(z.record(z.string(), client), "Connected clients by device id, in the caller's regions"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN"),
  },
});

const snapshot = createRoute({
  method: "get",
  path: "/api/snapshot",
  tags: ["devices"],
  security: BEARER,
  middleware: [requires("sockets.open")] as const,
  request: { query: z.strictObject({ region: z.string().max(100).optional() }) },
  responses: {
    200: json(
      z.object({ epoch: z.string(), seq: z.int(), requests: z.array(summaryView) }),
      "The hub's position first, then the state: say hello with this position",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

export function registerDevices(app: OpenAPIHono<AppEnv>): void {
  app.openapi(connected, async (c) => {
    const { env, settings, db } = c.get("container");
    const { region } = c.get("principal");
    const regions = region === null ? await listRegionIds(db) : [region];
    const hubs = regions.flatMap((r) => Array.from({ length: settings.HUB_SHARDS }, (_, n) => hubName(r, n)));
    const states = await Promise.all(hubs.map((name) => env.HUB.get(env.HUB.idFromName(name)).connected()));
    return c.json(Object.assign({}, ...states) as Record<string, z.output<typeof client>>, 200);
  });

  app.openapi(snapshot, async (c) => {
    const { env, settings, db } = c.get("container");
    const principal = c.get("principal");
    const region = principal.region ?? c.req.valid("query").region;
    if (region === undefined || !(await listRegionIds(db)).includes(region)) {
      return problem(c, { code: "VALIDATION", detail: "you cover every region: say which one that exists, ?region=" });
    }
    const name = hubName(region, shardOf(principal.subject, settings.HUB_SHARDS));
    const { epoch, seq } = await env.HUB.get(env.HUB.idFromName(name)).position();
    const rows = await listRequests(db, {
      region,
      requester: principal.role === "technician" ? principal.subject : null,
      deviceId: principal.kind === "device" ? principal.subject : null,
      after: null,
      limit: 100,
    });
    return c.json({ epoch, seq, requests: rows.map(requestSummary) }, 200);
  });

  // Not in the OpenAPI document: the protocol `waybill.v1` has its own page, design/socket-protocol.md.
  app.get("/ws", async (c) => {
    if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
      return problem(c, {
        code: "UPGRADE_REQUIRED",
        detail: "connect with a WebSocket, protocol waybill.v1",
        headers: { upgrade: "websocket" },
      });
    }
    const protocols = (c.req.header("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
    if (!protocols.includes(SUBPROTOCOL)) {
      return problem(c, {
        code: "UPGRADE_REQUIRED",
        detail: `offer the subprotocol ${SUBPROTOCOL}`,
        headers: { upgrade: "websocket" },
      });
    }
    const container = c.get("container");
    const principal = await authenticate(container, c.req.header("authorization"));
    if (!hasRight(principal, "sockets.open")) {
      return problem(c, { code: "FORBIDDEN", detail: `role ${principal.role} may not open a socket` });
    }
    const region = principal.region ?? c.req.query("region");
    if (region === undefined || !(await listRegionIds(container.db)).includes(region)) {
      return problem(c, { code: "VALIDATION", detail: "you cover every region: say which one that exists, ?region=" });
    }
    const { env, settings } = container;
    const headers = new Headers(c.req.raw.headers);
    headers.delete("authorization");
    headers.set(
      "x-waybill-identity",
      JSON.stringify({
        device_id: principal.subject,
        device_type: principal.deviceType,
        region,
        role: principal.role,
        credential_version: principal.credentialVersion,
      }),
    );
    const stub = env.HUB.get(env.HUB.idFromName(hubName(region, shardOf(principal.subject, settings.HUB_SHARDS))));
    return stub.fetch("https://hub/ws", { headers });
  });
}
