/** What a person asks of an order: cancel it, or retry, skip, resolve or resume one that needs attention or is stuck. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { MAX_JSON_BYTES } from "../config.ts";
import { actOnOrder, type AskedAct } from "../services/order-acts.ts";
import { sagaOf } from "../wiring/orders.ts";
import type { AppEnv } from "./app-env.ts";
import { KEYED, KEYED_JSON_PROBLEMS, keyed, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";

const params = z.object({ id: z.string().min(1).max(100) });
const reason = z.string().trim().min(3).max(500).openapi({ description: "Why, in words: it is kept with who asked" });
const step = z.string().min(1).max(120).openapi({
  description: "`reserve`, `purchase:{supplier}`, `move`, …; what is possible now is in `possible` of the saga",
});

const ROUTE = {
  method: "post" as const,
  tags: ["orders"],
  security: BEARER,
  ...KEYED,
  responses: {
    202: json(
      z.object({ order_id: z.string(), saga: z.string() }),
      "Accepted, and on record: it will be carried out. `Location` is the order, `saga` each step of what becomes of it. " +
        "409 says where the order stands (`order_status`) and what is possible instead (`possible`)",
    ),
    ...problems(...KEYED_JSON_PROBLEMS, "NOT_FOUND", "CONFLICT"),
  },
};

const jsonBody = bodyOf(["application/json"], MAX_JSON_BYTES);

/** A request to `params.id` with this body. */
function asking<Body extends z.ZodType>(body: Body) {
  return { params, body: { required: true, content: { "application/json": { schema: body } } } };
}

const cancel = createRoute({
  ...ROUTE,
  path: "/api/orders/{id}/cancel",
  description: "Undoes what was done, unless the stock has moved: then it is too late (409).",
  middleware: [requires("orders.operate"), keyed, jsonBody] as const,
  request: asking(z.strictObject({ reason })),
});

const retry = createRoute({
  ...ROUTE,
  path: "/api/orders/{id}/saga/retry",
  description: "Takes the step that failed or waits up again, or its compensation, with five new attempts.",
  middleware: [requires("orders.operate"), keyed, jsonBody] as const,
  request: asking(z.strictObject({ step, reason })),
});

const skip = createRoute({
  ...ROUTE,
  path: "/api/orders/{id}/saga/skip",
  description:
    "Leaves a compensation that can't be done as it is, and goes on with the rest. A purchase that is skipped is awaited no " +
    "more; moved stock can be left only where it has arrived.",
  middleware: [requires("orders.operate"), keyed, jsonBody] as const,
  request: asking(z.strictObject({ step, reason })),
});

const resolve = createRoute({
  ...ROUTE,
  path: "/api/orders/{id}/saga/resolve",
  description:
    "A person has settled it: Cancelled closes an order whose compensations were tried, giving back what it still reserves and " +
    "writing off what it still awaits; Completed is possible once its stock has moved and everything is bought.",
  middleware: [requires("orders.operate"), keyed, jsonBody] as const,
  request: asking(z.strictObject({ status: z.enum(["Completed", "Cancelled"]), reason })),
});

const resume = createRoute({
  ...ROUTE,
  path: "/api/orders/{id}/saga/resume",
  description: "An order that needs attention before anything was undone (a circuit stayed open) goes on forward.",
  middleware: [requires("orders.operate"), keyed, jsonBody] as const,
  request: asking(z.strictObject({ reason })),
});

export function registerOrderActs(app: OpenAPIHono<AppEnv>): void {
  app.openapi(cancel, (c) => act(c, { ...named(c.req.valid("param").id, c.req.valid("json")), action: "cancel" }));
  app.openapi(retry, (c) => act(c, { ...named(c.req.valid("param").id, c.req.valid("json")), action: "retry" }));
  app.openapi(skip, (c) => act(c, { ...named(c.req.valid("param").id, c.req.valid("json")), action: "skip" }));
  app.openapi(resolve, (c) => act(c, { ...named(c.req.valid("param").id, c.req.valid("json")), action: "resolve" }));
  app.openapi(resume, (c) => act(c, { ...named(c.req.valid("param").id, c.req.valid("json")), action: "resume" }));
}

function named(
  orderId: string,
  body: { readonly reason: string; readonly step?: string; readonly status?: "Completed" | "Cancelled" },
): Omit<AskedAct, "action"> {
  return { orderId, step: body.step ?? null, to: body.status ?? null, reason: body.reason };
}

function act(c: Context<AppEnv>, asked: AskedAct) {
  return once(
    c,
    (deps, intent) => {
      const actOn = async (...args: Parameters<ReturnType<typeof sagaOf>["act"]>) => sagaOf(deps, args[0]).act(...args);
      const knowsAct = async (orderId: string, actId: string) => sagaOf(deps, orderId).knowsAct(actId);
      return actOnOrder({ ...deps, actOn, knowsAct }, c.get("principal"), asked, intent, c.get("trace"));
    },
    ({ orderId }) => ({
      status: 202,
      location: `/api/orders/${orderId}`,
      body: { order_id: orderId, saga: `/api/orders/${orderId}/saga` },
    }),
  );
}
