/** The HTTP app: middleware in order, one resource a file, problem+json for whatever the framework answers itself. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { CLIENT_DEADLINE_MS } from "../config.ts";
import type { InputProblem } from "../domain/errors.ts";
import { pointerOf } from "../domain/json-pointer.ts";
import { registerAgentRuns } from "./agent-runs.ts";
import type { AppEnv } from "./app-env.ts";
import { registerApprovals } from "./approvals.ts";
import { registerAudit } from "./audit.ts";
import { registerAuth } from "./auth.ts";
import { registerBreakers } from "./breakers.ts";
import { registerCommands } from "./commands.ts";
import { registerDeadLetterDecisions } from "./dead-letter-decisions.ts";
import { registerDeadLetters } from "./dead-letters.ts";
import { registerDevices } from "./devices.ts";
import { registerDevSupplier } from "./dev-supplier.ts";
import { registerDiscrepancies } from "./discrepancies.ts";
import { registerDocuments } from "./documents.ts";
import { registerDocs } from "./docs.ts";
import { registerExchangeRates } from "./exchange-rates.ts";
import { registerHealth } from "./health.ts";
import { registerImports } from "./imports.ts";
import { registerInvariants } from "./invariants.ts";
import { allowedMethods } from "./methods.ts";
import { requestContext, securityHeaders } from "./middleware/context.ts";
import { registerNotifications } from "./notifications.ts";
import { registerOps } from "./ops.ts";
import { registerOrderActs } from "./order-acts.ts";
import { registerOrderSagas } from "./order-sagas.ts";
import { registerOrders } from "./orders.ts";
import { registerOutbox } from "./outbox.ts";
import { registerPage } from "./page.ts";
import { registerParts } from "./parts.ts";
import { registerPurchaseOrders } from "./purchase-orders.ts";
import { registerPurchaseProposals } from "./purchase-proposals.ts";
import { onError, problem } from "./problem.ts";
import { registerRequests } from "./requests.ts";
import { registerStock } from "./stock.ts";
import { registerTransfers } from "./transfers.ts";
import { registerUploads } from "./uploads.ts";
import { registerWebhookDeliveries } from "./webhook-deliveries.ts";
import { registerWebhooks } from "./webhooks.ts";

export function createApp(): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>({
    defaultHook: (result, c) => {
      if (result.success) return undefined;
      // An id that can't be one names nothing: a path like any other that leads nowhere.
      if (result.target === "param")
        return problem(c, { code: "NOT_FOUND", detail: "no such thing: the path names nothing of ours" });
      const root = result.target === "json" ? "" : `/${result.target}`;
      const problems: InputProblem[] = result.error.issues.flatMap((issue) => {
        const unknown = issue.code === "unrecognized_keys" ? issue.keys : [];
        const pointer = root + pointerOf(issue.path);
        if (unknown.length === 0) return { pointer, detail: issue.message };
        return unknown.map((key) => ({ pointer: `${pointer}${pointerOf([key])}`, detail: "unknown: leave it out" }));
      });
      return problem(c, {
        code: "VALIDATION",
        detail: "see errors: each names the field and what it must be",
        problems,
      });
    },
  });

  app.use(securityHeaders, requestContext);
  app.onError(onError);
  app.notFound((c) => {
    const allow = allowedMethods(app, new URL(c.req.url).pathname);
    return allow.length === 0
      ? problem(c, { code: "NOT_FOUND", detail: `no route ${new URL(c.req.url).pathname}; /openapi.json lists them` })
      : problem(c, {
          code: "METHOD_NOT_ALLOWED",
          detail: `use ${allow.join(" or ")}`,
          headers: { allow: allow.join(", ") },
        });
  });

  registerHealth(app);
  registerAuth(app);
  registerParts(app);
  registerStock(app);
  registerCommands(app);
  registerDiscrepancies(app);
  registerTransfers(app);
  registerPurchaseOrders(app);
  registerPurchaseProposals(app);
  registerExchangeRates(app);
  registerRequests(app);
  registerDocuments(app);
  registerUploads(app);
  registerApprovals(app);
  registerAgentRuns(app);
  registerOrderSagas(app);
  registerOrderActs(app);
  registerOrders(app);
  registerDevices(app);
  registerNotifications(app);
  registerImports(app);
  registerWebhooks(app);
  registerWebhookDeliveries(app);
  registerOps(app);
  registerBreakers(app);
  registerInvariants(app);
  registerAudit(app);
  registerOutbox(app);
  registerDeadLetters(app);
  registerDeadLetterDecisions(app);
  registerDocs(app);
  registerPage(app);
  registerDevSupplier(app);

  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
  });
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: {
      title: "Waybill",
      version: "1.0.0",
      license: { name: "MIT", url: "https://opensource.org/license/mit" },
      description: `Parts for field fleets. Clients wait ${CLIENT_DEADLINE_MS / 1000} s at most; every problem is application/problem+json.`,
    },
    servers: [{ url: "/" }],
  });
  return app;
}
