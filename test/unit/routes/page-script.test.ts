import { build, type Plugin } from "esbuild";
import { describe, it } from "vitest";
import { CLIENT_DEADLINE_MS } from "../../../src/config.ts";
import { RESPONSE_OUTCOMES } from "../../../src/domain/request.ts";
import { RIGHTS } from "../../../src/domain/identity.ts";
import { CLIENT_JS } from "../../../src/routes/assets/client-js.ts";
import { DOCUMENT_JS } from "../../../src/routes/assets/document-js.ts";
import { ELEMENTS_JS } from "../../../src/routes/assets/elements-js.ts";
import { PAGE_JS } from "../../../src/routes/assets/page-js.ts";

const SCRIPTS = {
  "/assets/client.js": CLIENT_JS,
  "/assets/elements.js": ELEMENTS_JS,
  "/assets/document.js": DOCUMENT_JS,
  "/assets/page.js": PAGE_JS,
} as const;

const fromScripts: Plugin = {
  name: "served scripts",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /.*/ }, ({ path }) => ({ path, namespace: "served" }));
    onLoad({ filter: /.*/, namespace: "served" }, ({ path }) => {
      const contents = (SCRIPTS as Readonly<Record<string, string>>)[path];
      return contents === undefined ? { errors: [{ text: `${path} is not served` }] } : { contents, loader: "js" };
    });
  },
};

/** The client module as a browser runs it. Each call gives a fresh one. */
let loads = 0;
async function loadClient(fetches: (path: string, init: RequestInit) => Promise<Response>) {
  globalThis.fetch = fetches as typeof fetch;
  return import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(`${CLIENT_JS}\n// ${++loads}`)}`);
}

const answer = (status: number, body: unknown) => Promise.resolve(Response.json(body, { status }));

describe("the scripts of the page", () => {
  it("parse, and import only what the others export", async ({ expect }) => {
    const { errors, warnings } = await build({
      entryPoints: ["/assets/page.js"],
      plugins: [fromScripts],
      bundle: true,
      format: "esm",
      write: false,
      logLevel: "silent",
    });
    expect([...errors, ...warnings]).toEqual([]);
  });

  it.for(Object.entries(SCRIPTS))(
    "%s makes no markup out of text and stays below 300 lines",
    ([, script], { expect }) => {
      expect(script).not.toMatch(
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|\beval\b|new Function|DOMParser/,
      );
      expect(script.split("\n").length).toBeLessThan(300);
    },
  );

  it("know the same final states and asking roles as the server", ({ expect }) => {
    const listed = (name: string, script: string = PAGE_JS): unknown =>
      JSON.parse(new RegExp(`const ${name} = (\\[.*?\\]);`).exec(script)?.[1] ?? "null");
    expect(new Set(listed("FINAL") as string[])).toEqual(new Set(RESPONSE_OUTCOMES));
    expect(new Set(listed("ASKING_ROLES") as string[])).toEqual(new Set(RIGHTS["requests.create"]));
    expect(new Set(listed("RETRY_ROLES", DOCUMENT_JS) as string[])).toEqual(new Set(RIGHTS["documents.retry"]));
  });
});

describe("the client of the page", () => {
  it("sends the same again under the same key until something else is sent or a refusal has answered it", async ({
    expect,
  }) => {
    const keys: string[] = [];
    let status = 202;
    const client = await loadClient((_path, init) => {
      keys.push(new Headers(init.headers).get("idempotency-key") ?? "");
      return answer(status, {});
    });
    const send = (path: string, body: string) => client.post(path, "application/json", body).catch(() => undefined);
    await send("/api/requests", "a");
    status = 500;
    await send("/api/requests", "a");
    await send("/api/orders", "a");
    status = 409;
    await send("/api/orders", "a");
    await send("/api/orders", "a");
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys.map((key) => keys.indexOf(key))).toEqual([0, 0, 2, 2, 4]);
  });

  it("fetches a persona's token once and sends it with each call", async ({ expect }) => {
    const seen: [string, string | null][] = [];
    const client = await loadClient((path, init) => {
      seen.push([path, new Headers(init.headers).get("authorization")]);
      return answer(200, path === "/dev/token" ? { access_token: "t-1", expires_in: 900 } : { data: [] });
    });
    client.actAs({ id: "tech-north", role: "technician", region: "north" });
    await client.get("/api/parts");
    await client.get("/api/stock");
    expect(seen).toEqual([
      ["/dev/token", null],
      ["/api/parts", "Bearer t-1"],
      ["/api/stock", "Bearer t-1"],
    ]);
  });

  it("never sends the token of a persona that was left while it was fetched", async ({ expect }) => {
    const seen: (string | null)[] = [];
    const client = await loadClient((path, init) => {
      if (path !== "/dev/token") {
        seen.push(new Headers(init.headers).get("authorization"));
        return answer(200, {});
      }
      const { subject } = JSON.parse(init.body as string) as { subject: string };
      if (subject === "tech-north") client.actAs({ id: "manager-north", role: "manager", region: "north" });
      return answer(200, { access_token: `of-${subject}`, expires_in: 900 });
    });
    client.actAs({ id: "tech-north", role: "technician", region: "north" });
    await client.get("/api/parts");
    expect(seen).toEqual(["Bearer of-manager-north"]);
  });

  it("throws the problem document of a refusal, and makes one when the answer has none", async ({ expect }) => {
    const problem = { title: "Already exists", detail: "sent before", code: "DUPLICATE", request_id: "req_1" };
    const refused = await loadClient(() => answer(409, problem));
    await expect(refused.get("/api/x")).rejects.toMatchObject({
      message: "sent before",
      document: { ...problem, status: 409 },
    });
    const broken = await loadClient(() => Promise.resolve(new Response("<h1>Bad gateway</h1>", { status: 502 })));
    await expect(broken.get("/api/x")).rejects.toMatchObject({
      document: { status: 502, detail: "The server answered 502." },
    });
  });

  it("waits no longer than the client deadline, and says so", async ({ expect, onTestFinished }) => {
    const timeout = AbortSignal.timeout;
    onTestFinished(() => void (AbortSignal.timeout = timeout));
    const asked: number[] = [];
    AbortSignal.timeout = (ms) => {
      asked.push(ms);
      return AbortSignal.abort(new DOMException("late", "TimeoutError"));
    };
    const client = await loadClient((_path, init) => Promise.reject(init.signal?.reason as Error));
    await expect(client.get("/api/x")).rejects.toMatchObject({
      document: { status: 0, detail: expect.stringMatching(/within 30 seconds.*safe/) },
    });
    expect(asked).toEqual([CLIENT_DEADLINE_MS]);
  });

  it("passes 304 on as an answer", async ({ expect }) => {
    const client = await loadClient(() => Promise.resolve(new Response(null, { status: 304 })));
    expect((await client.call("/api/requests/req_1")).status).toBe(304);
  });
});
