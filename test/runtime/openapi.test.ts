/** The OpenAPI document: it holds every route, names every problem, and real answers keep it. */
import { beforeAll, it } from "vitest";
import { ERROR_CODES } from "../../src/domain/errors.ts";
import { createApp } from "../../src/routes/app.ts";
import { breachOf, operationsOf, problemsOf, readContract } from "../support/contract.ts";
import { as, call, startWorld } from "../support/harness.ts";

beforeAll(startWorld);

const body = (number: string) => ({
  request_number: number,
  device_id: "truck-001",
  lines: [{ sku: "PUMP-001", quantity: 1 }],
});

/** Pages, their assets, the socket and what exists in development only: not part of the API. */
const OUTSIDE = /^\/($|docs(\/errors)?$|assets\/|openapi\.json$|ws$|dev\/)/;

it("is OpenAPI 3.1 and holds every route of the app", async ({ expect }) => {
  const contract = await readContract();
  expect(contract.openapi).toMatch(/^3\.1\./);
  const documented = operationsOf(contract).map(({ method, path }) => `${method} ${path}`);
  const routes = createApp().routes.filter(({ method, path }) => method !== "ALL" && !OUTSIDE.test(path));
  const real = [...new Set(routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`))];
  expect(documented.toSorted()).toEqual(real.toSorted());
});

it("lists for every 4xx and 5xx the problem types it can carry, each explained under its address", async ({
  expect,
}) => {
  const page = await (await call("/docs/errors")).text();
  for (const code of ERROR_CODES) expect(page).toContain(`id="${code}"`);
  for (const { method, path, operation } of operationsOf(await readContract())) {
    const failures = Object.keys(operation.responses).filter((status) => status >= "400" && path !== "/health/ready");
    if (path !== "/health" && path !== "/health/ready") expect(failures, `${method} ${path}`).toContain("500");
    for (const status of failures) {
      const { types, codes } = problemsOf(operation, status);
      expect(codes.length, `${method} ${path} ${status}`).toBeGreaterThan(0);
      expect(types).toEqual(codes.map((code) => `/docs/errors#${code}`));
      expect(ERROR_CODES).toEqual(expect.arrayContaining([...codes]));
    }
  }
});

it("is kept by real answers: status, media type and body", async ({ expect }) => {
  const contract = await readContract();
  const { body: made } = await as("tech-north", "POST", "/api/requests", body("contract-0"));
  const id = made.request_id;
  const { headers } = await as("ops", "GET", `/api/requests/${id}`);
  const breaches: string[] = [];
  const check = async (
    who: string,
    method: string,
    path: string,
    sent?: unknown,
    more: Record<string, string> = {},
  ) => {
    const answer = await as(who, method, path, sent, more);
    const breach = breachOf(contract, method, path, answer);
    if (breach !== null) breaches.push(breach);
    return answer.status;
  };
  const statuses = [
    await check("ops", "GET", "/api/parts?limit=2"),
    await check("ops", "GET", "/api/parts?limit=0"),
    await check("ops", "GET", "/api/parts/PUMP-001"),
    await check("ops", "GET", "/api/parts/NONE"),
    await check("ops", "GET", `/api/parts/${"x".repeat(101)}`),
    await check("ops", "GET", "/api/stock?sku=PUMP-001&location=warehouse-03"),
    await check("ops", "GET", `/api/requests/${id}`),
    await check("ops", "GET", `/api/requests/${id}`, undefined, { "if-none-match": headers.get("etag") ?? "" }),
    await check("ops", "GET", `/api/requests/${id}/timeline`),
    await check("ops", "GET", `/api/requests/${id}/response`),
    await check("ops", "GET", `/api/requests/${"x".repeat(101)}`),
    await check("tech-north", "POST", "/api/requests", body("contract-1")),
    await check("tech-north", "POST", "/api/requests", body("contract-1")),
    await check("tech-north", "POST", "/api/requests", { ...body("contract-2"), device_id: "truck-004" }),
    await check("tech-north", "POST", "/api/requests", "{", { "content-type": "application/json" }),
    await check("tech-north", "POST", "/api/requests", "x", { "content-type": "text/plain" }),
    await check("truck-001", "POST", "/api/uploads", "", { "content-type": "text/csv" }),
    await check("truck-001", "POST", "/api/commands", { type: "Nothing", data: {} }),
    await check("truck-001", "GET", "/api/commands/cmd_none_at_all"),
    await check("manager-north", "GET", "/api/approvals"),
    await check("manager-north", "POST", "/api/approvals/stp_none/decision", {
      decision: "approve",
      payload_hash: "0".repeat(64),
    }),
    await check("manager-north", "GET", "/api/orders"),
    await check("manager-north", "GET", "/api/orders/ord_none"),
    await check("manager-north", "GET", "/api/orders/stuck"),
    await check("tech-north", "GET", "/api/orders/stuck"),
    await check("manager-north", "GET", "/api/orders/ord_none/saga"),
    await check("manager-north", "POST", "/api/orders/ord_none/cancel", { reason: "for a test" }),
    await check("admin", "POST", "/api/orders/ord_none/saga/resume", {}),
    await check("manager-north", "GET", "/api/devices/connected"),
    await check("truck-001", "GET", "/api/snapshot"),
    await check("truck-001", "GET", "/api/notifications"),
    await check("ops", "GET", "/api/ops/recount"),
    await check("ops", "GET", "/api/outbox"),
    await check("ops", "GET", `/api/audit?subject=request/${id}`),
    await check("ops", "GET", "/api/ops/invariants"),
    await check("ops", "GET", "/api/ops/invariants/reports"),
    await check("ops", "GET", "/api/audit/verify"),
    await check("ops", "GET", "/api/audit/verify?limit=0"),
    await check("truck-001", "GET", "/api/audit/export"),
    await check("ops", "POST", "/api/auth/token", { client_id: "truck-001", client_secret: "wrong" }),
    await check("ops", "POST", "/api/auth/token", { client_id: "truck-001", client_secret: "truck-001-secret" }),
    await check("admin", "POST", "/api/imports/nothing", "x", { "content-type": "text/csv" }),
    await check("integrator", "POST", "/api/webhooks", { url: "https://hooks.waybill.example/contract" }),
    await check("integrator", "POST", "/api/webhooks", { url: "ftp://hooks.waybill.example/" }),
    await check("integrator", "GET", "/api/webhooks"),
    await check("integrator", "GET", "/api/webhooks/whk_none"),
    await check("integrator", "POST", "/api/webhooks/whk_none/rotate"),
    await check("integrator", "POST", "/api/webhooks/deliveries/whd_none/replay"),
    await check("ops", "GET", "/api/webhooks"),
    await check("ops", "GET", "/health/ready"),
    await check("ops", "GET", "/schemas/InventoryUpdated.v1.json"),
    await check("ops", "GET", "/schemas/Nothing.v1.json"),
  ];
  expect(breaches).toEqual([]);
  expect([...new Set(statuses)].toSorted((a, b) => a - b)).toEqual([
    200, 201, 202, 304, 400, 401, 403, 404, 409, 415, 422,
  ]);
});
