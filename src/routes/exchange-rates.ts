/** Exchange rates by which suppliers in other currencies are compared: dated, entered by a person. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { MAX_JSON_BYTES, PAGE_LIMIT_MAX } from "../config.ts";
import { listExchangeRates } from "../db/queries/exchange-rates.ts";
import { formatRate, readRate, type ExchangeRate } from "../domain/exchange.ts";
import { setExchangeRate } from "../services/exchange-rates.ts";
import type { AppEnv } from "./app-env.ts";
import { KEYED, keyed, KEYED_JSON_PROBLEMS, once } from "./idempotency.ts";
import { everyRegion, requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";

const currency = z.string().regex(/^[A-Z]{3}$/, "must be a currency such as EUR (ISO 4217)");
const rateText = z
  .string()
  .refine(
    (text) => readRate(text) !== null,
    "must be above 0 with at most six digits and nine decimals, such as 1.085",
  );

const rateView = z.object({
  from: z.string(),
  to: z.string(),
  as_of: z.string(),
  rate: z.string().openapi({ description: "Units of `to` for one of `from`" }),
});

const list = createRoute({
  method: "get",
  path: "/api/exchange-rates",
  tags: ["purchase orders"],
  security: BEARER,
  middleware: [requires("purchase_proposals.read")] as const,
  responses: {
    200: json(z.object({ data: z.array(rateView), meta: z.object({ count: z.int() }) }), "The newest first"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN"),
  },
});

const set = createRoute({
  method: "post",
  path: "/api/exchange-rates",
  tags: ["purchase orders"],
  security: BEARER,
  description: "Holds from its day on until a newer one does; the same pair and day again replaces it.",
  ...KEYED,
  middleware: [
    requires("exchange_rates.set"),
    everyRegion,
    keyed,
    bodyOf(["application/json"], MAX_JSON_BYTES),
  ] as const,
  request: {
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z
            .strictObject({ from: currency, to: currency, as_of: z.iso.date(), rate: rateText })
            .refine(({ from, to }) => from !== to, { path: ["to"], error: "must be another currency" }),
        },
      },
    },
  },
  responses: {
    200: json(rateView, "Set"),
    ...problems(...KEYED_JSON_PROBLEMS, "UNKNOWN_REFERENCE"),
  },
});

export function registerExchangeRates(app: OpenAPIHono<AppEnv>): void {
  app.openapi(list, async (c) => {
    const rates = await listExchangeRates(c.get("container").db, PAGE_LIMIT_MAX);
    return c.json({ data: rates.map(view), meta: { count: rates.length } }, 200);
  });

  app.openapi(set, (c) => {
    const { from, to, as_of: asOf, rate: text } = c.req.valid("json");
    const rate: ExchangeRate = { from, to, asOf, billionths: readRate(text) ?? 0 };
    return once(
      c,
      (deps) => setExchangeRate(deps, c.get("principal"), rate, c.get("trace")),
      (done) => ({ status: 200, body: view(done.rate) }),
    );
  });
}

function view(rate: ExchangeRate): z.output<typeof rateView> {
  return { from: rate.from, to: rate.to, as_of: rate.asOf, rate: formatRate(rate) };
}
