import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { beforeAll, describe, it } from "vitest";
import type { Env } from "../../src/env.ts";
import { createApp } from "../../src/routes/app.ts";
import { env, startWorld } from "../support/harness.ts";
import { standInSupplier } from "../support/stand-in-supplier.ts";

const HERE = "http://localhost:8787";
const app = createApp();

beforeAll(startWorld);

const inProduction = new Proxy<Env>(env, {
  get: (target, key: keyof Env) => (key === "ENVIRONMENT" ? "production" : target[key]),
});

async function ask(path: string, init: RequestInit = {}, { at = HERE, world = env } = {}): Promise<Response> {
  const ctx = createExecutionContext();
  const answer = await app.fetch(new Request(`${at}${path}`, { redirect: "manual", ...init }), world, ctx);
  await waitOnExecutionContext(ctx);
  return answer;
}

const BY_ITS_PAGE = { origin: HERE, "sec-fetch-site": "same-origin" };

function form(fields: Record<string, string>, headers: Record<string, string> = BY_ITS_PAGE): RequestInit {
  return { method: "POST", headers, body: new URLSearchParams(fields) };
}

describe("/dev/supplier", () => {
  it("lists the catalogue's simulated suppliers, each with the faults that are on", async ({ expect }) => {
    await standInSupplier("borealis").switchOn({ refuse: true, fail_next: 3 });
    await env.DB.prepare("UPDATE suppliers SET adapter = 'http-supplier' WHERE id = 'cascade'").run();
    const answer = await ask("/dev/supplier");
    const page = await answer.text();

    expect(answer.status).toBe(200);
    expect(page).toContain('<a href="/dev/supplier/acme/">Acme Fleet Supply</a>');
    expect(page).toMatch(/Borealis Truck Parts<\/a><\/th>\s*<td>fail_next = 3, refuse<\/td>/);
    expect(page).not.toContain("Cascade");
    await standInSupplier("borealis").switchOn({});
  });

  it("shows a supplier's switches, book and calls, with nothing that its own policy blocks", async ({ expect }) => {
    expect((await ask("/dev/supplier/acme")).headers.get("location")).toBe("/dev/supplier/acme/");
    const answer = await ask("/dev/supplier/acme/");
    const page = await answer.text();

    expect(answer.headers.get("content-security-policy")).toContain(
      "style-src 'self'; connect-src 'self'; form-action 'self'",
    );
    for (const heading of ["Switches", "Purchase orders", "Calls to its API"])
      expect(page).toContain(`<h2>${heading}</h2>`);
    expect(page).toContain('<form method="post" action="switches">');
    expect(page).not.toMatch(/<style|<script|\sstyle=|\son\w+=/);
    const sheet = await ask("/dev/supplier/acme/style.css");
    expect([sheet.status, sheet.headers.get("content-type")]).toEqual([200, "text/css"]);
  });

  it("its form sets the switches, and the supplier behaves so from then on", async ({ expect }) => {
    const { url } = standInSupplier("acme");
    const sent = await ask("/dev/supplier/acme/switches", form({ down: "on", delay_ms: "5" }));

    expect([sent.status, sent.headers.get("location")]).toEqual([303, "./"]);
    expect((await fetch(`${url}/health`)).status).toBe(503);
    expect(await (await ask("/dev/supplier/acme/")).text()).toMatch(/GET health<\/td><td>503/);
    expect((await ask("/dev/supplier/acme/switches", form({}))).status).toBe(303);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect((await ask("/dev/supplier/acme/late-acceptances", form({}))).status).toBe(303);
  });

  it("names the fields of a wrong form", async ({ expect }) => {
    const sent = await ask("/dev/supplier/acme/switches", form({ delay_ms: "-1" }));
    expect(sent.status).toBe(422);
    expect(await sent.json()).toMatchObject({ errors: [{ pointer: "/delay_ms" }] });
  });

  it.for<[string, Record<string, string>]>([
    ["another site", { origin: "https://elsewhere.example", "sec-fetch-site": "cross-site" }],
    ["another site that hides its name", { origin: "null" }],
    ["another port of this machine", { origin: "http://localhost:9999", "sec-fetch-site": "same-site" }],
    ["a page that claims our address", { origin: HERE, "sec-fetch-site": "cross-site" }],
    ["nobody who says where from", {}],
  ])("%s can't flip a switch", async ([, headers], { expect }) => {
    for (const path of ["switches", "late-acceptances"]) {
      const sent = await ask(`/dev/supplier/acme/${path}`, form({ down: "on" }, headers));
      expect(sent.status).toBe(403);
      expect(sent.headers.get("content-type")).toContain("application/problem+json");
    }
    expect((await fetch(`${standInSupplier("acme").url}/health`)).status).toBe(200);
  });

  it("a name that was made to lead here by DNS is refused", async ({ expect }) => {
    const at = "http://rebound.example:8787";
    const headers = { origin: at, "sec-fetch-site": "same-origin" };
    expect((await ask("/dev/supplier/acme/switches", form({ down: "on" }, headers), { at })).status).toBe(403);
    expect((await ask("/dev/supplier", {}, { at })).status).toBe(403);
  });

  it("the stand-in itself takes no form from another site's page either", async ({ expect }) => {
    const { url } = standInSupplier("acme");
    const sent = await fetch(`${url}/switches`, form({ down: "on" }, { origin: "https://elsewhere.example" }));
    expect(sent.status).toBe(403);
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it.for([
    ["a supplier that isn't there", "nobody"],
    ["a supplier that is a real one", "cascade"],
    ["a path of another supplier", "acme%2F..%2Fborealis"],
  ])("%s has no page", async ([, id], { expect }) => {
    expect((await ask(`/dev/supplier/${id}/`)).status).toBe(404);
    expect((await ask(`/dev/supplier/${id}/switches`, form({}))).status).toBe(404);
  });

  it("reaches the pages of the supplier and not its API", async ({ expect }) => {
    for (const path of ["purchase-orders?idempotency_key=k", "health", "book", "calls"]) {
      expect((await ask(`/dev/supplier/acme/${path}`)).status).toBe(404);
    }
  });

  it("doesn't exist in production", async ({ expect }) => {
    const production = { world: inProduction };
    expect((await ask("/dev/supplier", {}, production)).status).toBe(404);
    expect((await ask("/dev/supplier/acme/", {}, production)).status).toBe(404);
    const sent = await ask("/dev/supplier/acme/switches", form({ down: "on" }), production);
    expect([sent.status, (await sent.json<{ code: string }>()).code]).toEqual([404, "NOT_FOUND"]);
    expect(await (await ask("/", {}, production)).text()).not.toContain("/dev/supplier");
    expect(await (await ask("/")).text()).toContain('href="/dev/supplier"');
    expect((await fetch(`${standInSupplier("acme").url}/health`)).status).toBe(200);
  });
});
