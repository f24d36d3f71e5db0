/** The readable docs, rendered from the running routes, the error table and the event catalogue: they can't fall behind. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { html } from "hono/html";
import { ERROR_CODES, type ErrorCode } from "../domain/errors.ts";
import { dataSchemaOf, EVENT_DATA, MESSAGE_TYPES, TIMER_DATA, type MessageType } from "../domain/events.ts";
import type { AppEnv } from "./app-env.ts";
import { ERROR_ADVICE } from "./assets/error-advice.ts";
import { layout, type Markup } from "./assets/layout.ts";
import { createRoute, problems, z } from "./openapi.ts";
import { operationsByTag, type Operation } from "./operations.ts";
import { problem, statusOf, titleOf, untyped } from "./problem.ts";

const MESSAGE_DATA: Readonly<Record<MessageType, z.ZodType>> = { ...EVENT_DATA, ...TIMER_DATA };
const SCHEMA_FILE = /^(?<type>\w+)\.v1\.json$/;

const eventSchema = createRoute({
  method: "get",
  path: "/schemas/{file}",
  tags: ["events"],
  summary: "The JSON Schema of an event's data",
  description:
    "`{Type}.v1.json`, as the envelope's `dataschema` names it. Fields may be added, never renamed or removed.",
  request: { params: z.object({ file: z.string().max(100) }) },
  responses: {
    200: {
      description: "JSON Schema, draft 2020-12",
      content: { "application/schema+json": { schema: z.record(z.string(), z.unknown()) } },
    },
    ...problems("NOT_FOUND"),
  },
});

export function registerDocs(app: OpenAPIHono<AppEnv>): void {
  app.openapi(eventSchema, (c) => {
    const type = MESSAGE_TYPES.find((one) => one === SCHEMA_FILE.exec(c.req.valid("param").file)?.groups?.["type"]);
    if (!type)
      return problem(c, {
        code: "NOT_FOUND",
        detail: `no such schema; there are ${MESSAGE_TYPES.join(", ")}`,
      });
    return untyped(c.body(JSON.stringify(schemaOf(type)), 200, { "content-type": "application/schema+json" }));
  });

  let operations: ReadonlyMap<string, readonly Operation[]> | undefined;
  app.get("/docs", (c) => {
    operations ??= operationsByTag(app); // routes don't change once the first request is in
    return c.html(layout({ title: "Waybill API", body: apiPage(operations) }));
  });

  app.get("/docs/errors", async (c) => {
    const entries = await Promise.all(ERROR_CODES.map((code) => errorEntry(c, code)));
    return c.html(layout({ title: "Waybill error codes", body: errorsPage(entries) }));
  });
}

/** As a reader meets it: fields that a newer version adds are allowed. */
function schemaOf(type: MessageType): object {
  return { $id: dataSchemaOf(type), title: type, ...z.toJSONSchema(MESSAGE_DATA[type], { io: "input" }) };
}

function apiPage(byTag: ReadonlyMap<string, readonly Operation[]>): Markup {
  return html` <header class="top">
      <h1>Waybill API</h1>
      <p>
        Generated from the running routes; the whole contract is <a href="/openapi.json">/openapi.json</a>. Every 4xx
        and 5xx is a problem document (RFC 9457): <a href="/docs/errors">all error codes</a>. Back to
        <a href="/">the page</a>.
      </p>
      <nav aria-label="Groups">
        <ul class="links">
          ${[...byTag.keys()].map((tag) => html`<li><a href="#${tag}">${tag}</a></li>`)}
        </ul>
      </nav>
    </header>
    <main>
      ${[...byTag].map(
        ([tag, list]) =>
          html`<section class="card" id="${tag}">
            <h2>${tag}</h2>
            ${list.map(operationEntry)}
          </section>`,
      )}
      <section class="card" id="event-schemas">
        <h2>Event data</h2>
        <p class="hint">CloudEvents 1.0; each schema is that of the envelope's <code>data</code>.</p>
        <ul class="links">
          ${MESSAGE_TYPES.map((type) => html`<li><a href="${dataSchemaOf(type)}">${type}</a></li>`)}
        </ul>
      </section>
    </main>`;
}

function operationEntry({ method, path, text, token, parameters, bodies, answers }: Operation): Markup {
  return html`<article class="operation">
    <h3><span class="method">${method}</span> <code>${path}</code></h3>
    ${text.map((paragraph) => html`<p>${withCode(paragraph)}</p>`)}
    <p class="hint">${token ? "Needs a bearer token." : "Open to all."}</p>
    ${parameters.length > 0 ? html`<p>Parameters: ${commas(parameters)}</p>` : ""}
    ${bodies.map(({ type, fields }) => html`<p>Body <code>${type}</code>${fields.length > 0 ? ": " : ""}${commas(fields)}</p>`)}
    <ul class="answers">
      ${answers.map(
        ({ status, description, codes }) =>
          html`<li class="${codes.length === 0 ? "good" : ""}">
            <strong>${status}</strong>
            ${codes.length === 0 ? description : codes.map((code) => html`${errorLink(code)} `)}
          </li>`,
      )}
    </ul>
  </article>`;
}

function errorLink(code: string): Markup {
  return html`<a href="/docs/errors#${code}"><code>${code}</code></a>`;
}

/** Text in which backticks stand around code. */
function withCode(text: string): Markup[] {
  return text.split("`").map((piece, index) => (index % 2 === 1 ? html`<code>${piece}</code>` : html`${piece}`));
}

function commas(names: readonly string[]): Markup[] {
  return names.map((name, index) => html`${index === 0 ? "" : ", "}<code>${name}</code>`);
}

/** Whether to retry is read off the problem itself, as a caller gets it. */
async function errorEntry(c: Context<AppEnv>, code: ErrorCode): Promise<Markup> {
  const { retryable } = await problem(c, { code, detail: "" }).json<{ retryable: boolean }>();
  return html`<article class="error-code" id="${code}">
    <h2>
      <a href="#${code}"><code>${code}</code></a>
    </h2>
    <p><strong>${statusOf(code)} ${titleOf(code)}.</strong> ${retryable ? "Retryable." : "Not retryable as it is."}</p>
    <p>${withCode(ERROR_ADVICE[code])}</p>
  </article>`;
}

function errorsPage(entries: readonly Markup[]): Markup {
  return html` <header class="top">
      <h1>Error codes</h1>
      <p>
        Every 4xx and 5xx answer is <code>application/problem+json</code> (RFC 9457). Its <code>type</code> points here;
        <code>retryable</code> says whether the same call may succeed later; <code>trace_id</code> finds it in our logs.
        Back to <a href="/docs">the API</a>.
      </p>
    </header>
    <main class="card">${entries}</main>`;
}
