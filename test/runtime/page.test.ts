import { OpenAPIHono, z } from "@hono/zod-openapi";
import { describe, it } from "vitest";
import { ERROR_CODES } from "../../src/domain/errors.ts";
import { dataSchemaOf, MESSAGE_TYPES, type DataOf, type MessageType } from "../../src/domain/events.ts";
import type { AppEnv } from "../../src/routes/app-env.ts";
import { registerDocs } from "../../src/routes/docs.ts";
import { registerHealth } from "../../src/routes/health.ts";
import { securityHeaders } from "../../src/routes/middleware/context.ts";
import { registerPage } from "../../src/routes/page.ts";
import { problemTypeOf, statusOf, titleOf } from "../../src/routes/problem.ts";
import { registerRequests } from "../../src/routes/requests.ts";

function mount(): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.use(securityHeaders);
  registerHealth(app);
  registerRequests(app);
  registerDocs(app);
  registerPage(app);
  return app;
}

const app = mount();

async function read(
  path: string,
  environment = "development",
  from = app,
): Promise<{ response: Response; text: string }> {
  const response = await from.request(path, {}, { ENVIRONMENT: environment });
  return { response, text: await response.text() };
}

/** What the policy `script-src 'self'; style-src 'self'` would block, and addresses of other hosts. */
function forbiddenMarkup(page: string): string[] {
  const tags = page.match(/<[a-z][^>]*>/gi) ?? [];
  return tags.filter(
    (tag) =>
      /\s(?:on\w+|style)\s*=/i.test(tag) ||
      /^<style/i.test(tag) ||
      (/^<script/i.test(tag) && !/\ssrc="\/[^"]+"/.test(tag)) ||
      /(?:src|href|action)="(?:https?:|\/\/|javascript:|data:)/i.test(tag),
  );
}

function idsOf(page: string): string[] {
  return [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id ?? "");
}

describe("the page", () => {
  it("is HTML with a title, a language and a width for phones", async ({ expect }) => {
    const { response, text } = await read("/");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=UTF-8");
    expect(text).toMatch(/^<!doctype html>\s*<html lang="en">/);
    expect(text).toContain("<title>Waybill</title>");
    expect(text).toContain('content="width=device-width, initial-scale=1"');
  });

  it.for(["/", "/docs", "/docs/errors"])(
    "%s needs nothing that its own content security policy blocks",
    async (path, { expect }) => {
      for (const environment of ["development", "production"]) {
        const { response, text } = await read(path, environment);
        const policy = response.headers.get("content-security-policy") ?? "";
        expect(policy).toContain("script-src 'self'; style-src 'self'");
        expect(policy).not.toContain("unsafe");
        expect(forbiddenMarkup(text)).toEqual([]);
      }
    },
  );

  it("the check for inline code finds inline code", ({ expect }) => {
    const bad = [
      '<p style="a">',
      "<style>",
      "<script>",
      '<a onclick="x()">',
      '<script src="https://x/y.js">',
      '<a href="javascript:x">',
    ];
    expect(forbiddenMarkup(bad.join(" text "))).toEqual(bad);
  });

  it("offers personas in development and a field for a token in production", async ({ expect }) => {
    const ids = async (environment: string) => idsOf((await read("/", environment)).text);
    expect(await ids("development")).toContain("persona");
    expect(await ids("development")).not.toContain("token");
    expect(await ids("production")).toContain("token");
    expect(await ids("production")).not.toContain("persona");
  });

  it("links the stand-in supplier only in development and where it is mounted", async ({ expect }) => {
    const withSupplier = mount();
    withSupplier.get("/dev/supplier", (c) => c.text("its page"));
    expect((await read("/")).text).not.toContain("/dev/supplier");
    expect((await read("/", "development", withSupplier)).text).toContain('href="/dev/supplier"');
    expect((await read("/", "production", withSupplier)).text).not.toContain("/dev/supplier");
  });

  it.for<[path: string, type: string]>([
    ["/assets/page.css", "text/css"],
    ["/assets/page.js", "text/javascript"],
    ["/assets/client.js", "text/javascript"],
    ["/assets/elements.js", "text/javascript"],
    ["/assets/document.js", "text/javascript"],
  ])("%s is served as %s and asked for again each time", async ([path, type], { expect }) => {
    const { response, text } = await read(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe(`${type}; charset=utf-8`);
    expect(response.headers.get("cache-control")).toBe("no-cache");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(text.length).toBeGreaterThan(500);
  });

  it("has every element that its script looks for, each once", async ({ expect }) => {
    const { text: script } = await read("/assets/page.js");
    const wanted = [...script.matchAll(/\b(?:element|copyOf)\("([^"]+)"\)/g)].map(([, id]) => id ?? "");
    const [development, production] = [idsOf((await read("/")).text), idsOf((await read("/", "production")).text)];
    expect(wanted.length).toBeGreaterThan(20);
    expect([...new Set(wanted)].filter((id) => !development.includes(id) && !production.includes(id))).toEqual([]);
    for (const ids of [development, production]) expect(new Set(ids).size).toBe(ids.length);
  });

  it("ties each label to a field, or leaves it to the script in a template", async ({ expect }) => {
    const { text } = await read("/");
    const outside = text.replaceAll(/<template[\s\S]*?<\/template>/g, "");
    const labelled = [...outside.matchAll(/<label(?: for="([^"]*)")?/g)].map(([, id]) => id);
    expect(labelled.length).toBeGreaterThan(4);
    expect(labelled.filter((id) => id === undefined || !idsOf(outside).includes(id))).toEqual([]);
  });
});

describe("the docs", () => {
  it("list every operation of the contract with its method, path, statuses and problem codes", async ({ expect }) => {
    const { text } = await read("/docs");
    const document = app.getOpenAPI31Document({ openapi: "3.1.0", info: { title: "", version: "" } });
    const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
      Object.keys(item).map((method) => [`${method.toUpperCase()}</span> <code>${path}</code>`, item] as const),
    );
    expect(operations.length).toBeGreaterThan(6);
    for (const [heading] of operations) expect(text).toContain(heading);
    const create = text.slice(text.indexOf("POST</span> <code>/api/requests</code>")).split("</article>")[0];
    for (const known of [
      "Needs a bearer token",
      "request_number*",
      "lines*",
      "<strong>202</strong>",
      "<strong>409</strong>",
    ]) {
      expect(create).toContain(known);
    }
    expect(create).toContain('<a href="/docs/errors#UNKNOWN_REFERENCE">');
    const health = text.slice(text.indexOf("GET</span> <code>/health</code>")).split("</article>")[0];
    expect(health).toContain("Open to all");
    expect(health).toContain("The Worker answers");
  });

  it("have an anchor for each error code, where a problem's type points, with status, title and what to do", async ({
    expect,
  }) => {
    const { text } = await read("/docs/errors");
    expect(idsOf(text)).toEqual(ERROR_CODES);
    for (const code of ERROR_CODES) {
      expect(problemTypeOf(code)).toBe(`/docs/errors#${code}`);
      const entry = text.slice(text.indexOf(`id="${code}"`)).split("</article>")[0] ?? "";
      expect(entry).toContain(`${statusOf(code)} ${titleOf(code).replaceAll("'", "&#39;")}`);
      expect(entry.split("<p>").at(-1)?.length).toBeGreaterThan(40);
    }
  });

  it("say of a code that it is retryable when its problem says so", async ({ expect }) => {
    const { text } = await read("/docs/errors");
    const entry = (code: string) => text.slice(text.indexOf(`id="${code}"`)).split("</article>")[0];
    expect(entry("CIRCUIT_OPEN")).toContain("Retryable.");
    expect(entry("DEADLINE_EXCEEDED")).toContain("Retryable.");
    expect(entry("VALIDATION")).toContain("Not retryable");
  });
});

const at = "2026-12-01T08:00:00.000Z";
const SAMPLES: { readonly [T in MessageType]: DataOf<T> } = {
  RequestUploaded: { request_id: "req_1", device_id: "truck-001", timestamp: at },
  StatusChanged: {
    kind: "request",
    id: "req_1",
    from: "reading",
    to: "pricing",
    timestamp: at,
    device_id: "truck-001",
  },
  ResponseCreated: { response_id: "rsp_1", request_id: "req_1", outcome: "completed", timestamp: at },
  ResponseReady: { request_id: "req_1", timestamp: at, device_id: "truck-001" },
  ErrorOccurred: {
    code: "INTERNAL",
    kind: "request",
    id: "req_1",
    message: "it broke",
    retryable: true,
    timestamp: at,
  },
  InventoryUpdated: { sku: "BK-1", location: "wh-03", bin: "A1", quantity_change: -2, on_hand: 0, timestamp: at },
  StockBelowMinimum: {
    sku: "BK-1",
    location: "wh-03",
    on_hand: 3,
    reserved: 1,
    incoming: 0,
    minimum: 5,
    timestamp: at,
  },
  TransferShipped: {
    transfer_id: "trf_1",
    from_location: "wh-03",
    to_location: "truck-001",
    line_count: 1,
    lines: [{ sku: "BK-1", quantity: 2 }],
    timestamp: at,
  },
  TransferReceived: {
    transfer_id: "trf_1",
    from_location: "wh-03",
    to_location: "truck-001",
    state: "received",
    lines: [{ sku: "BK-1", received: 1, rejected: 1 }],
    timestamp: at,
  },
  PurchaseOrderReceived: {
    purchase_order_id: "po_1",
    order_id: "ord_1",
    supplier: "sup-1",
    location: "wh-03",
    status: "placed",
    lines: [{ line: 1, sku: "BK-1", received: 4, rejected: 0 }],
    timestamp: at,
  },
  PurchaseOrderClosed: {
    purchase_order_id: "po_1",
    order_id: "ord_1",
    supplier: "sup-1",
    location: "wh-03",
    reason: "discontinued",
    lines: [{ line: 1, sku: "BK-1", closed: 4 }],
    timestamp: at,
  },
  PartUpdated: { sku: "BK-1", version: 2, timestamp: at },
  CommandRejected: {
    command_id: "cmd_1",
    type: "MoveStock",
    code: "INSUFFICIENT_STOCK",
    reason: "too few",
    timestamp: at,
  },
  DiscrepancyFound: {
    discrepancy_id: "dsc_1",
    command_id: "cmd_1",
    kind: "shortage",
    device_id: "truck-001",
    sku: "BK-1",
    location: "truck-001",
    bin: "A1",
    expected: 1,
    found: 3,
    timestamp: at,
  },
  ApprovalRequested: {
    request_id: "req_1",
    step_id: "s_1",
    approver: "manager-north",
    rule: "r",
    due_at: at,
    timestamp: at,
  },
  ApprovalReminder: { request_id: "req_1", step_id: "s_1", approver: "manager-north", due_at: at, timestamp: at },
  ApprovalEscalated: {
    request_id: "req_1",
    step_id: "s_1",
    from: "manager-north",
    to: "manager-national",
    timestamp: at,
  },
  ApprovalDecided: {
    request_id: "req_1",
    step_id: "s_1",
    approver: "manager-north",
    decision: "approve",
    timestamp: at,
  },
  OrderPlaced: { order_id: "ord_1", timestamp: at },
  OrderEnded: { order_id: "ord_1", status: "NeedsAttention", timestamp: at },
  PurchaseOrderPlaced: {
    purchase_order_id: "po_1",
    order_id: "ord_1",
    supplier: "sup-1",
    reference: "X-1",
    timestamp: at,
  },
  CircuitOpened: { dependency: "supplier:sup-1", timestamp: at },
  CircuitClosed: { dependency: "supplier:sup-1", timestamp: at },
  ImportCompleted: { kind: "parts", rows: 504, timestamp: at },
  ApprovalReminderDue: { request_id: "req_1", step_id: "s_1", timestamp: at },
  ApprovalDue: { request_id: "req_1", step_id: "s_1", timestamp: at },
  ReservationDue: { order_id: "ord_1", timestamp: at },
  CacheDropDue: { keys: ["parts:BK-1"], timestamp: at },
  WebhookDue: { delivery_id: "whd_1", attempt: 1, timestamp: at },
};

describe("the schemas of event data", () => {
  it.for([...MESSAGE_TYPES])(
    "%s stands where its envelope points, and accepts that event",
    async (type, { expect }) => {
      const { response, text } = await read(dataSchemaOf(type));
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("application/schema+json");
      const document = JSON.parse(text) as { $id: string; required: string[] };
      expect(document.$id).toBe(dataSchemaOf(type));
      const schema = z.fromJSONSchema(document);
      const sample = SAMPLES[type] as Record<string, unknown>;
      expect(schema.safeParse(sample).error).toBeUndefined();
      expect(schema.safeParse({ ...sample, added_by_a_newer_version: 1 }).success).toBe(true);
      for (const field of document.required) {
        const { [field]: _, ...without } = sample;
        expect(schema.safeParse(without).success, `without ${field}`).toBe(false);
      }
      expect(schema.safeParse({ ...sample, timestamp: "yesterday" }).success).toBe(false);
    },
  );

  it.for([
    "/schemas/Nothing.v1.json",
    "/schemas/OrderPlaced.v2.json",
    "/schemas/OrderPlaced.json",
    "/schemas/toString.v1.json",
  ])("%s is a 404 problem", async (path, { expect }) => {
    const { response, text } = await read(path);
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(JSON.parse(text)).toMatchObject({ code: "NOT_FOUND", type: "/docs/errors#NOT_FOUND", instance: path });
  });
});
