/** The page at `/`: who you are, a form that asks for parts, its live status, and a manager's decisions. Made by script. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { html } from "hono/html";
import type { AppEnv } from "./app-env.ts";
import { CLIENT_JS } from "./assets/client-js.ts";
import { DOCUMENT_JS } from "./assets/document-js.ts";
import { ELEMENTS_JS } from "./assets/elements-js.ts";
import { layout, type Markup } from "./assets/layout.ts";
import { PAGE_CSS } from "./assets/page-css.ts";
import { PAGE_JS } from "./assets/page-js.ts";
import { allowedMethods } from "./methods.ts";

const ASSETS = [
  ["/assets/page.css", "text/css; charset=utf-8", PAGE_CSS],
  ["/assets/page.js", "text/javascript; charset=utf-8", PAGE_JS],
  ["/assets/client.js", "text/javascript; charset=utf-8", CLIENT_JS],
  ["/assets/elements.js", "text/javascript; charset=utf-8", ELEMENTS_JS],
  ["/assets/document.js", "text/javascript; charset=utf-8", DOCUMENT_JS],
] as const;

const LINKS = [
  ["/docs", "API, readable"],
  ["/openapi.json", "API, OpenAPI 3.1"],
  ["/docs/errors", "Error codes"],
  ["/health/ready", "Readiness"],
  ["/api/parts", "Catalogue (with a token)"],
] as const;

export function registerPage(app: OpenAPIHono<AppEnv>): void {
  for (const [path, type, text] of ASSETS) {
    // Asked for again each time: a script of one version never meets the page of another for longer than a load.
    app.get(path, (c) => c.body(text, 200, { "content-type": type, "cache-control": "no-cache" }));
  }

  app.get("/", (c) => {
    const development = c.env.ENVIRONMENT === "development";
    const supplier = development && allowedMethods(app, "/dev/supplier").includes("GET");
    return c.html(layout({ title: "Waybill", body: page(development, supplier), script: "/assets/page.js" }));
  });
}

function page(development: boolean, supplier: boolean): Markup {
  const links = supplier ? [...LINKS, ["/dev/supplier", "Stand-in supplier"] as const] : LINKS;
  return html` <header class="top">
      <h1>Waybill</h1>
      <p>
        Parts for field fleets: a truck or a warehouse asks, rules and managers decide, stock or suppliers deliver, and
        everyone watches it live.
      </p>
      <nav aria-label="More">
        <ul class="links">
          ${links.map(([href, text]) => html`<li><a href="${href}">${text}</a></li>`)}
        </ul>
      </nav>
    </header>
    <main>
      <noscript
        ><p class="notice bad">
          This page needs JavaScript. The API doesn't: see <a href="/docs">the docs</a>.
        </p></noscript
      >
      ${development ? personas : tokenField}
      <section class="card" aria-labelledby="ask-title">
        <h2 id="ask-title">Ask for parts</h2>
        <p id="not-asking" class="hint" hidden>
          This role can't ask for parts: choose a technician, a device or the integrator.
        </p>
        <div id="asking">${askForm} ${fileForm}</div>
      </section>
      ${decisions} ${followed}
    </main>
    ${templates}`;
}

const personas = html` <section class="card" aria-labelledby="who-title">
  <h2 id="who-title">Who are you?</h2>
  <label for="persona">Persona</label>
  <select id="persona"></select>
  <p class="hint">Development only: each persona sees and may do what its role and region allow.</p>
  <div id="identity-notice" class="notice" role="status" hidden></div>
</section>`;

const tokenField = html` <section class="card" aria-labelledby="who-title">
  <h2 id="who-title">Who are you?</h2>
  <form id="identity">
    <label for="token">Bearer token</label>
    <input id="token" type="password" autocomplete="off" required aria-describedby="token-hint" />
    <p class="hint" id="token-hint">From your identity provider, or of a device from POST /api/auth/token.</p>
    <button>Use this token</button>
  </form>
  <div id="identity-notice" class="notice" role="status" hidden></div>
</section>`;

const error = html`<p class="error" hidden></p>`;

const askForm = html` <form id="ask" novalidate>
  <div class="row">
    <div class="field" data-field="device_id">
      <label for="device">Device</label>
      <input id="device" name="device_id" list="devices" autocomplete="off" maxlength="100" required />
      ${error}
    </div>
    <div class="field" data-field="request_number">
      <label for="number">Request number</label>
      <input id="number" name="request_number" class="mono" autocomplete="off" maxlength="100" required />
      ${error}
    </div>
  </div>
  <fieldset>
    <legend>Parts</legend>
    <p class="hint" id="part-hint">A SKU, or a description in your own words.</p>
    <ol class="lines" id="lines"></ol>
    <button type="button" class="plain" id="add-line">Add a part</button>
  </fieldset>
  <div class="field" data-field="note">
    <label for="note">Note (optional)</label>
    <textarea id="note" name="note" maxlength="2000" rows="2"></textarea>
    ${error}
  </div>
  <button>Send the request</button>
  <div id="ask-notice" class="notice" role="status" hidden></div>
  <datalist id="parts"></datalist>
  <datalist id="devices"></datalist>
</form>`;

const fileForm = html` <form id="file" class="aside">
  <h3>Or send a file</h3>
  <div class="field" data-field="file">
    <label for="upload">CSV, JSON or text</label>
    <input
      id="upload"
      name="file"
      type="file"
      accept=".csv,.json,.txt,text/csv,application/json,text/plain"
      required
      aria-describedby="upload-hint"
    />
    ${error}
  </div>
  <p class="hint" id="upload-hint">
    For the device and request number above. CSV has the header <code>sku,quantity,unit,note</code>; text has one line a
    part.
  </p>
  <button>Send the file</button>
  <div id="file-notice" class="notice" role="status" hidden></div>
</form>`;

const followed = html` <section class="card" id="follow" aria-labelledby="follow-title" hidden>
  <h2 id="follow-title">Request</h2>
  <p>Status: <strong id="status" class="status" role="status"></strong></p>
  <div id="follow-notice" class="notice" role="status" hidden></div>
  <dl id="facts" class="facts"></dl>
  <p id="document" hidden></p>
  <h3>Timeline</h3>
  <ol id="timeline" class="timeline"></ol>
  <details id="response" hidden>
    <summary>The response</summary>
    <pre id="response-body" tabindex="0"></pre>
  </details>
</section>`;

const decisions = html` <section class="card" id="approvals" aria-labelledby="approvals-title" hidden>
  <h2 id="approvals-title">Waiting for your decision</h2>
  <div id="pending"></div>
  <div id="approvals-notice" class="notice" role="status" hidden></div>
  <div class="actions"><button type="button" class="plain" id="refresh">Look again</button></div>
</section>`;

const templates = html` <template id="line">
    <li class="line">
      <div class="field" data-field="part">
        <label>Part</label>
        <input name="part" list="parts" autocomplete="off" maxlength="500" required aria-describedby="part-hint" />
        ${error}
      </div>
      <div class="field" data-field="quantity">
        <label>Quantity</label>
        <input name="quantity" type="number" inputmode="numeric" min="1" max="1000000" step="1" value="1" required />
        ${error}
      </div>
      <button type="button" class="plain" aria-label="Remove this part">Remove</button>
    </li>
  </template>
  <template id="approval">
    <article class="approval">
      <h3></h3>
      <dl class="facts"></dl>
      <div class="field" data-field="reason">
        <label>Reason (optional)</label>
        <input autocomplete="off" maxlength="2000" />
        ${error}
      </div>
      <div class="actions">
        <button type="button" value="approve">Approve</button>
        <button type="button" class="danger" value="reject">Reject</button>
      </div>
      <div class="notice" role="status" hidden></div>
    </article>
  </template>`;
