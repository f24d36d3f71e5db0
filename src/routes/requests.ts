/** Requests: asking for parts, the status query (always from the primary), the timeline and the response. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { MAX_JSON_BYTES, MAX_REQUEST_LINES } from "../config.ts";
import { findRequest, findResponse, listRequests, type RequestRow } from "../db/queries/requests.ts";
import { actorOf, coversRegion, type Principal } from "../domain/identity.ts";
import { requestBodySchema } from "../domain/request-file.ts";
import { REQUEST_STATUSES } from "../domain/request.ts";
import { createRequest } from "../services/requests.ts";
import { storyOf } from "../services/timeline.ts";
import type { AppEnv } from "./app-env.ts";
import { taggedJson } from "./etag.ts";
import { KEYED, keyed, KEYED_JSON_PROBLEMS, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { pageOf, pageQuery, pageSchema } from "./paging.ts";
import { problem } from "./problem.ts";
import { requestDetails, requestSummary, summaryView, detailsView, stepView } from "./request-views.ts";

const params = z.object({ id: z.string().min(1).max(100) });

const create = createRoute({
  method: "post",
  path: "/api/requests",
  tags: ["requests"],
  security: BEARER,
  ...KEYED,
  middleware: [requires("requests.create"), keyed, bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: {
    body: { required: true, content: { "application/json": { schema: requestBodySchema(MAX_REQUEST_LINES) } } },
  },
  responses: {
    202: json(
      z.object({ request_id: z.string(), status: z.enum(REQUEST_STATUSES) }),
      "Accepted; Location says where to look",
    ),
    ...problems(...KEYED_JSON_PROBLEMS, "UNKNOWN_REFERENCE", "DUPLICATE"),
  },
});

const list = createRoute({
  method: "get",
  path: "/api/requests",
  tags: ["requests"],
  security: BEARER,
  middleware: [requires("requests.read")] as const,
  request: {
    query: z.strictObject(pageQuery),
  },
  responses: {
    200: json(pageSchema(summaryView), "Requests that the caller may see, newest first"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/requests/{id}",
  tags: ["requests"],
  security: BEARER,
  middleware: [requires("requests.read")] as const,
  request: { params },
  responses: {
    200: json(detailsView, "The request as it stands now, read from the primary"),
    304: { description: "Unchanged (If-None-Match)" },
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

const timeline = createRoute({
  method: "get",
  path: "/api/requests/{id}/timeline",
  tags: ["requests"],
  security: BEARER,
  middleware: [requires("requests.read")] as const,
  request: { params },
  responses: {
    200: json(z.object({ data: z.array(stepView) }), "Every step, who or what decided it and by which rule"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

const response = createRoute({
  method: "get",
  path: "/api/requests/{id}/response",
  tags: ["requests"],
  security: BEARER,
  middleware: [requires("requests.read")] as const,
  request: { params },
  responses: {
    200: json(z.record(z.string(), z.unknown()), "response.json, as the archive keeps it"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

/** Devices and technicians see their own; the others what their region covers. */
export function maySee(principal: Principal, request: RequestRow): boolean {
  if (principal.kind === "device") return request.deviceId === principal.subject;
  if (principal.role === "technician") return request.requester === principal.subject;
  return coversRegion(principal, request.region);
}

export function registerRequests(app: OpenAPIHono<AppEnv>): void {
  app.openapi(create, (c) => {
    const context = { trace: c.get("trace"), actor: actorOf(c.get("principal")) };
    return once(
      c,
      (deps) => createRequest(deps, c.get("principal"), c.req.valid("json"), context),
      ({ requestId }) => ({
        status: 202,
        location: `/api/requests/${requestId}`,
        body: { request_id: requestId, status: "uploaded" as const },
      }),
    );
  });

  app.openapi(list, async (c) => {
    const principal = c.get("principal");
    const { cursor, limit } = c.req.valid("query");
    const rows = await listRequests(c.get("container").db, {
      region: principal.region,
      requester: principal.role === "technician" ? principal.subject : null,
      deviceId: principal.kind === "device" ? principal.subject : null,
      after: cursor ?? null,
      limit: limit + 1,
    });
    return c.json(
      pageOf(rows.map(requestSummary), limit, (request) => request.request_id),
      200,
    );
  });

  app.openapi(one, async (c) => {
    const found = await findRequest(c.get("container").db, c.req.valid("param").id);
    if (!found || !maySee(c.get("principal"), found.request))
      return problem(c, { code: "NOT_FOUND", detail: "no such request" });
    const body = await requestDetails(c.get("container").db, found);
    return taggedJson(c, body, body);
  });

  app.openapi(timeline, async (c) => {
    const { db } = c.get("container");
    const found = await findRequest(db, c.req.valid("param").id);
    if (!found || !maySee(c.get("principal"), found.request))
      return problem(c, { code: "NOT_FOUND", detail: "no such request" });
    return c.json({ data: await storyOf(db, found.request) }, 200);
  });

  app.openapi(response, async (c) => {
    const { db } = c.get("container");
    const found = await findRequest(db, c.req.valid("param").id);
    if (!found || !maySee(c.get("principal"), found.request))
      return problem(c, { code: "NOT_FOUND", detail: "no such request" });
    const row = await findResponse(db, found.request.id);
    if (!row)
      return problem(c, {
        code: "NOT_FOUND",
        detail: `the request is ${found.request.status}: there is no response yet`,
      });
    return c.json(JSON.parse(row.body) as Record<string, unknown>, 200);
  });
}
