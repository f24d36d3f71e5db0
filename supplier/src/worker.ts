/**
 * The stand-in supplier: `/{supplier}/…` is the API of that supplier, with its own book and its own faults. The
 * switches act on the API only; the page, the count of calls and the switches themselves always answer. Hosts `hooks.*`
 * are receivers of webhooks instead, `/{receiver}`; hosts `login.*`, `graph.*` and `sharepoint.*` are Microsoft Graph.
 */
import { z } from "zod";
import { cutOff, invalid, json, methodNotAllowed, padded, problem, seeOther } from "./answers.ts";
import { answerGraph, isGraphHost } from "./graph/hosts.ts";
import type { GraphTenant } from "./graph/tenant.ts";
import { bookPage, maintenancePage, STYLE } from "./page.ts";
import { cancellationSchema, draftSchema, idempotencyKeySchema, type PurchaseOrder } from "./purchase-order.ts";
import { wrongSignature } from "./signature.ts";
import type { SupplierBook } from "./supplier-book.ts";
import { switchesFromForm, switchesSchema, type Switches } from "./switches.ts";
import { answerWebhook, type WebhookReceiver } from "./webhook-receiver.ts";

export { GraphTenant } from "./graph/tenant.ts";
export { SupplierBook } from "./supplier-book.ts";
export { WebhookReceiver } from "./webhook-receiver.ts";

interface Env {
  readonly BOOK: DurableObjectNamespace<SupplierBook>;
  readonly RECEIVER: DurableObjectNamespace<WebhookReceiver>;
  readonly TENANT: DurableObjectNamespace<GraphTenant>;
  /** With which every call that writes must be signed, `whsec_…`; a secret. */
  readonly SIGNING_SECRET?: string;
  /** How old a signature's timestamp may be; "0": it isn't looked at, where the caller's clock is moved. */
  readonly SIGNATURE_TOLERANCE_S: string;
}

interface Call {
  readonly request: Request;
  readonly url: URL;
  readonly supplier: string;
  readonly book: DurableObjectStub<SupplierBook>;
  readonly env: Env;
}

const NEVER_MS = 10 * 60 * 1000; // a promise that never settles is ended by the runtime, with a 500
const MAX_BODY_BYTES = 1024 * 1024;
const API: readonly string[] = ["health", "purchase-orders", "purchase-orders/cancel"];
const supplierSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);

export default {
  async fetch(request, env): Promise<Response> {
    const url = new URL(request.url);
    if (isGraphHost(url.hostname)) return answerGraph(request, url, env.TENANT);
    const [, first, ...rest] = url.pathname.split("/");
    const supplier = supplierSchema.safeParse(first);
    if (!supplier.success) return problem(404, "Not found", "The address begins with a supplier's id: /{supplier}/.");
    if (url.hostname.startsWith("hooks."))
      return answerWebhook(request, rest.join("/"), env.RECEIVER.getByName(supplier.data));
    if (isForeign(request, url)) return problem(403, "Forbidden", "Another site's page may not change anything here.");
    const call = { request, url, supplier: supplier.data, book: env.BOOK.getByName(supplier.data), env };
    switch (rest.join("/")) {
      case "":
        if (request.method !== "GET") return methodNotAllowed("GET");
        return rest.length === 0 ? seeOther(`${url.pathname}/`) : bookPage(call.supplier, await call.book.view());
      case "switches":
        return switches(call);
      case "late-acceptances":
        return lateAcceptances(call);
      case "style.css":
        return new Response(STYLE, { headers: { "content-type": "text/css" } });
      case "book":
        return request.method === "GET" ? json(200, await call.book.view()) : methodNotAllowed("GET");
      case "calls":
        return request.method === "GET"
          ? json(200, await call.book.calls(url.searchParams.get("since") ?? ""))
          : methodNotAllowed("GET");
      default:
        return onRecord(call, rest);
    }
  },
} satisfies ExportedHandler<Env>;

/** A form on a page of another site; whoever is no browser sends no Origin. */
function isForeign({ method, headers }: Request, url: URL): boolean {
  const origin = headers.get("origin");
  return method !== "GET" && origin !== null && origin !== url.origin;
}

async function onRecord(call: Call, path: readonly string[]): Promise<Response> {
  const { call: number, on } = await call.book.called(nameOf(call.request.method, path));
  const answer = await withFaults(call, on, path);
  await call.book.answered(number, answer.status);
  return answer;
}

/** The API under the faults that don't depend on what is asked. The work is done at once, a delay holds the answer. */
async function withFaults(call: Call, on: Switches, path: readonly string[]): Promise<Response> {
  if (on.never) await scheduler.wait(NEVER_MS);
  const answer =
    on.down || on.never
      ? problem(503, "Down", "This supplier is down.")
      : on.html
        ? maintenancePage()
        : on.redirect
          ? new Response(null, { status: 307, headers: { location: `https://moved.example${call.url.pathname}` } })
          : on.rate_limited_s > 0
            ? json(429, { detail: "Too many requests." }, { "retry-after": String(on.rate_limited_s) })
            : await api(call, on, path);
  if (on.delay_ms > 0) await scheduler.wait(on.delay_ms);
  if (on.no_content && answer.ok) return new Response(null, { status: 204 });
  return on.too_big ? padded(answer) : answer;
}

async function api(call: Call, on: Switches, path: readonly string[]): Promise<Response> {
  const { method } = call.request;
  const [collection, reference, action] = path;
  if (collection === "health" && path.length === 1) {
    return method === "GET" ? json(200, { status: "ok" }) : methodNotAllowed("GET");
  }
  if (collection === "purchase-orders" && path.length === 1) {
    if (method === "GET") return find(call, on);
    return method === "POST" ? place(call, on) : methodNotAllowed("GET, POST");
  }
  if (collection === "purchase-orders" && path.length === 3 && reference !== undefined && action === "cancel") {
    return method === "POST" ? cancel(call, reference) : methodNotAllowed("POST");
  }
  return problem(404, "Not found", "There is nothing at this address.");
}

/** What is asked for, without whose: `POST purchase-orders/cancel`. */
function nameOf(method: string, [collection = "", , action]: readonly string[]): string {
  const what = action === undefined ? collection : `${collection}/${action}`;
  return API.includes(what) ? `${method} ${what}` : "elsewhere";
}

async function place(call: Call, on: Switches): Promise<Response> {
  const body = await signedBody(call);
  if (body instanceof Response) return body;
  const key = idempotencyKeySchema.safeParse(call.request.headers.get("idempotency-key") ?? "");
  if (!key.success) return problem(400, "Bad request", "Idempotency-Key must be 1 to 255 printable characters.");
  const draft = draftSchema.safeParse(body.value);
  if (!draft.success) return invalid(draft.error);
  if (draft.data.idempotency_key !== key.data) return problem(400, "Bad request", "Header and body name two keys.");
  const placed = await call.book.place(call.supplier, key.data, draft.data);
  switch (placed.kind) {
    case "fail":
      return problem(503, "Unavailable", "Try again later.");
    case "mismatch":
      return problem(422, "Key reused", "This Idempotency-Key was used for another body.");
    case "refuse":
      return problem(422, "Refused", "We don't deliver to this account at present.");
    case "accept_late":
      return problem(504, "Gateway time-out", "No answer from the order desk.");
    case "order": {
      const { order, created, replyLost } = placed;
      if (replyLost) return cutOff(json(201, order));
      if (on.wrong_order) return json(200, someoneElses(order));
      return json(created ? 201 : 200, named(order, on));
    }
  }
}

async function find(call: Call, on: Switches): Promise<Response> {
  const key = idempotencyKeySchema.safeParse(call.url.searchParams.get("idempotency_key") ?? "");
  if (!key.success) return problem(400, "Bad request", "idempotency_key must be 1 to 255 printable characters.");
  const orders = await call.book.find(key.data);
  return json(200, { orders: orders.map((order) => (on.wrong_lookup ? someoneElses(order) : named(order, on))) });
}

function someoneElses(order: PurchaseOrder): PurchaseOrder {
  return { ...order, order_id: "another-order", idempotency_key: "another-order:key" };
}

/** Under the reference that the switch says: a client that builds a path of it unseen would call something else. */
function named(order: PurchaseOrder, on: Switches): PurchaseOrder {
  return on.wrong_reference ? { ...order, reference: `../switches?${order.reference}\r\n` } : order;
}

async function cancel(call: Call, reference: string): Promise<Response> {
  const body = await signedBody(call);
  if (body instanceof Response) return body;
  const wanted = cancellationSchema.safeParse(body.value);
  if (!wanted.success) return invalid(wanted.error);
  if (encodeURIComponent(wanted.data.reference) !== reference)
    return problem(400, "Bad request", "Path and body name two orders.");
  const cancelled = await call.book.cancel(wanted.data.reference, wanted.data.idempotency_key);
  switch (cancelled.kind) {
    case "unknown":
      return problem(404, "Not found", "There is no such purchase order.");
    case "refuse":
      return problem(409, "Refused", "The goods have left: this purchase order can't be cancelled any more.");
    case "cancelled":
      return json(200, { reference: cancelled.reference, status: "cancelled" });
  }
}

async function switches({ request, book }: Call): Promise<Response> {
  switch (request.method) {
    case "GET":
      return json(200, await book.switches());
    case "PUT": {
      const body = await jsonBody(request);
      if (body instanceof Response) return body;
      const parsed = switchesSchema.safeParse(body.value);
      if (!parsed.success) return invalid(parsed.error);
      await book.setSwitches(parsed.data);
      return json(200, parsed.data);
    }
    case "POST": {
      const text = await textBody(request, "application/x-www-form-urlencoded");
      if (text instanceof Response) return text;
      const parsed = switchesFromForm(new Map(new URLSearchParams(text)));
      if (!parsed.success) return invalid(parsed.error);
      await book.setSwitches(parsed.data);
      return seeOther("./");
    }
    default:
      return methodNotAllowed("GET, PUT, POST");
  }
}

async function lateAcceptances({ request, book }: Call): Promise<Response> {
  if (request.method !== "POST") return methodNotAllowed("POST");
  const accepted = await book.acceptLateNow();
  return request.headers.get("accept")?.includes("text/html") ? seeOther("./") : json(200, { accepted });
}

/** The body as text. It is read before it is judged: a request left unread is logged as an exception by the runtime. */
async function textBody(request: Request, type: string): Promise<string | Response> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) return tooLarge();
  const bytes = await request.arrayBuffer();
  if (bytes.byteLength > MAX_BODY_BYTES) return tooLarge();
  const sent = request.headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (sent !== type) return problem(415, "Unsupported media type", `The body must be ${type}.`);
  return new TextDecoder().decode(bytes);
}

async function jsonBody(request: Request): Promise<{ value: unknown } | Response> {
  const text = await textBody(request, "application/json");
  return text instanceof Response ? text : parsedJson(text);
}

/** The body of a call that writes: 401 unless it is signed. */
async function signedBody({ request, env }: Call): Promise<{ value: unknown } | Response> {
  const text = await textBody(request, "application/json");
  if (text instanceof Response) return text;
  const verifier = { secret: env.SIGNING_SECRET ?? "", toleranceS: Number(env.SIGNATURE_TOLERANCE_S) };
  const wrong = await wrongSignature(verifier, request.headers, text, Date.now());
  return wrong === null ? parsedJson(text) : problem(401, "Not signed", `The signature is refused: ${wrong}.`);
}

function parsedJson(text: string): { value: unknown } | Response {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    if (error instanceof SyntaxError) return problem(400, "Bad JSON", "The body isn't JSON.");
    throw error;
  }
}

function tooLarge(): Response {
  return problem(413, "Too large", `The body may have at most ${MAX_BODY_BYTES} bytes.`);
}
