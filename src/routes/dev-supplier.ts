/**
 * `/dev/supplier`, in development only: every simulated supplier of the catalogue with its book, its switches and the
 * calls that it got, so that a person causes a fault in the next order and sees what becomes of it.
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { html } from "hono/html";
import { simulatedPage, simulatedSuppliers, type SimulatedSupplier } from "../wiring/simulated-suppliers.ts";
import type { AppEnv } from "./app-env.ts";
import { layout, type Markup } from "./assets/layout.ts";
import { bodyOf } from "./middleware/body.ts";
import { developmentOnly, ownPagesOnly } from "./middleware/development.ts";

const FORM_BYTES = 16 * 1024;
const FORM = "application/x-www-form-urlencoded";
const HANDED_ON = ["content-type", "location"] as const;

export function registerDevSupplier(app: OpenAPIHono<AppEnv>): void {
  app.use("/dev/supplier", developmentOnly, ownPagesOnly);
  app.use("/dev/supplier/*", developmentOnly, ownPagesOnly);

  app.get("/dev/supplier", async (c) => {
    const { suppliers, next } = await simulatedSuppliers(c.get("container"), c.req.query("after") ?? "");
    return c.html(layout({ title: "Simulated suppliers", body: index(suppliers, next) }));
  });

  // Its page names what belongs to it by relative addresses: they are right below a path that ends with a slash.
  app.get("/dev/supplier/:id", (c) => c.redirect(`/dev/supplier/${encodeURIComponent(c.req.param("id"))}/`));
  app.get("/dev/supplier/:id/", (c) => handOn(c, c.req.param("id"), ""));
  app.get("/dev/supplier/:id/style.css", (c) => handOn(c, c.req.param("id"), "style.css"));
  for (const form of ["switches", "late-acceptances"]) {
    app.post(`/dev/supplier/:id/${form}`, bodyOf([FORM], FORM_BYTES), async (c) =>
      handOn(c, c.req.param("id"), form, {
        method: "POST",
        headers: { "content-type": FORM, accept: "text/html" },
        body: await c.req.arrayBuffer(),
      }),
    );
  }
}

async function handOn(
  c: Context<AppEnv>,
  id: string,
  path: string,
  init: RequestInit = { method: "GET" },
): Promise<Response> {
  const page = await simulatedPage(c.get("container"), id, path, init);
  const headers = new Headers();
  for (const name of HANDED_ON) {
    const value = page.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Response(page.body, { status: page.status, headers });
}

function index(suppliers: readonly SimulatedSupplier[], next: string | null): Markup {
  return html` <header class="top">
      <h1>Simulated suppliers</h1>
      <p>
        Development only. Open one, set its switches, and the next order that buys there meets the fault: see it wait,
        be repeated, be undone or go before a person.
      </p>
      <nav aria-label="More">
        <ul class="links">
          <li><a href="/">Waybill</a></li>
          ${next === null ? "" : html`<li><a href="/dev/supplier?after=${encodeURIComponent(next)}">More suppliers</a></li>`}
        </ul>
      </nav>
    </header>
    <main class="card">
      ${suppliers.length === 0 ? html`<p>The catalogue has no simulated supplier.</p>` : table(suppliers)}
    </main>`;
}

function table(suppliers: readonly SimulatedSupplier[]): Markup {
  return html`<table>
    <thead>
      <tr>
        <th scope="col">Supplier</th>
        <th scope="col">Faults that are on</th>
        <th scope="col">To be delivered</th>
        <th scope="col">Last call</th>
      </tr>
    </thead>
    <tbody>
      ${suppliers.map(
        ({ id, name, summary }) =>
          html`<tr>
            <th scope="row"><a href="/dev/supplier/${encodeURIComponent(id)}/">${name}</a></th>
            ${
              summary === null
                ? html`<td colspan="3">doesn't answer</td>`
                : html`<td>${summary.on.join(", ") || "none"}</td>
                    <td>${summary.live}</td>
                    <td>${lastCall(summary.lastCall)}</td>`
            }
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function lastCall(call: { at: string; what: string; answered: number | null } | null): string {
  return call === null ? "none" : `${call.what} → ${call.answered ?? "no answer"} (${call.at})`;
}
