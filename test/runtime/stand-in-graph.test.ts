/** The stand-in for Microsoft Graph asks of a client what Graph asks, so that a wrong client is seen to be wrong. */
import { beforeAll, describe, it } from "vitest";
import { standInGraph } from "../support/stand-in-graph.ts";

const KIB = 1024;
const RANGE = 320 * KIB;
const { settings, ...graph } = standInGraph("strict");
const DRIVE = `${settings.graphUrl}/v1.0/drives/${encodeURIComponent(settings.driveId)}`;
const REPLACE = "?@microsoft.graph.conflictBehavior=replace";

let token = "";

async function signIn(form: Record<string, string> = {}): Promise<Response> {
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: settings.clientId,
    client_secret: settings.clientSecret,
    scope: `${settings.graphUrl}/.default`,
    ...form,
  });
  return fetch(`${settings.loginUrl}/${settings.tenantId}/oauth2/v2.0/token`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: body.toString(),
  });
}

async function tokenFor(form: Record<string, string> = {}): Promise<string> {
  return (await (await signIn(form)).json<{ access_token: string }>()).access_token;
}

function call(path: string, init: RequestInit = {}, bearer = token): Promise<Response> {
  return fetch(DRIVE + path, { ...init, headers: { authorization: `Bearer ${bearer}` } });
}

async function expectError(answer: Response): Promise<readonly [number, string]> {
  const { error } = await answer.json<{ error: { code: string; message: string } }>();
  if (error.message === "") throw new Error("an error without words");
  return [answer.status, error.code];
}

async function session(path = "a/large.bin"): Promise<string> {
  const body = JSON.stringify({ item: { "@microsoft.graph.conflictBehavior": "replace" } });
  const answer = await call(`/root:/${path}:/createUploadSession`, { method: "POST", body });
  return (await answer.json<{ uploadUrl: string }>()).uploadUrl;
}

function send(url: string, range: string, bytes: number, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { method: "PUT", headers: { "content-range": range, ...headers }, body: new Uint8Array(bytes) });
}

beforeAll(async () => {
  token = await tokenFor();
});

describe("a sign-in", () => {
  it.for<[string, Record<string, string>, number, string]>([
    ["another grant", { grant_type: "password" }, 400, "unsupported_grant_type"],
    ["an unknown client", { client_id: "me" }, 400, "unauthorized_client"],
    ["a wrong secret", { client_secret: "guess" }, 401, "invalid_client"],
    ["a scope without /.default", { scope: "Files.ReadWrite.All" }, 400, "invalid_scope"],
  ])("with %s is refused", async ([, form, status, code], { expect }) => {
    const answer = await signIn(form);
    expect([answer.status, (await answer.json<{ error: string }>()).error]).toEqual([status, code]);
  });
});

describe("a call", () => {
  it("without a token, with a strange, a foreign or an expired one is refused with 401", async ({ expect }) => {
    const foreign = await tokenFor({ scope: "https://graph.elsewhere.example/.default" });
    const old = await tokenFor();
    await graph.expireTokens();
    for (const bearer of ["", "x", "strict~none", foreign, old]) {
      expect(await expectError(await call("", {}, bearer))).toEqual([401, "InvalidAuthenticationToken"]);
    }
    token = await tokenFor();
    expect((await call("")).status).toBe(200);
  });

  it("of another drive finds none", async ({ expect }) => {
    const answer = await fetch(`${settings.graphUrl}/v1.0/drives/other`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await expectError(answer)).toEqual([404, "itemNotFound"]);
  });

  it.for(["a//b.json", "a%3Ab.json", "a%22.json", "a%7Cb/c.json", "end./b.json", "~%24b.json", `${"a".repeat(399)}/b`])(
    "with the name %s is refused",
    async (path, { expect }) => {
      const answer = await call(`/root:/${path}:/content`, { method: "PUT", body: "{}" });
      expect(await expectError(answer)).toEqual([400, "invalidRequest"]);
    },
  );

  it("that doesn't say `replace` meets what is there", async ({ expect }) => {
    const put = (query: string) => call(`/root:/a/b.json:/content${query}`, { method: "PUT", body: "{}" });
    expect((await put(REPLACE)).status).toBe(201);
    expect((await put(REPLACE)).status).toBe(200);
    expect(await expectError(await put("?@microsoft.graph.conflictBehavior=fail"))).toEqual([409, "nameAlreadyExists"]);
    expect((await (await put("?@microsoft.graph.conflictBehavior=rename")).json<{ name: string }>()).name).toBe(
      "b.json 1",
    );
  });
});

describe("an upload session", () => {
  it.for<[string, string, number, Record<string, string>, number]>([
    ["without a range", "", 10, {}, 400],
    ["of another length than it says", `bytes 0-99/100`, 10, {}, 400],
    ["beyond the document", "bytes 0-9/5", 10, {}, 400],
    ["that isn't a multiple of 320 KiB and isn't the last one", `bytes 0-${RANGE}/${RANGE * 2}`, RANGE + 1, {}, 400],
    ["that doesn't come next", `bytes ${RANGE}-${RANGE * 2 - 1}/${RANGE * 3}`, RANGE, {}, 416],
    ["with a token", `bytes 0-${RANGE - 1}/${RANGE * 2}`, RANGE, { authorization: "Bearer x" }, 401],
  ])("refuses a fragment %s", async ([, range, bytes, headers, status], { expect }) => {
    const url = await session();
    expect((await expectError(await send(url, range, bytes, headers)))[0]).toBe(status);
    expect((await fetch(url)).status).toBe(200);
  });

  it("refuses a fragment of 60 MiB", async ({ expect }) => {
    const bytes = 60 * KIB * KIB;
    expect((await expectError(await send(await session(), `bytes 0-${bytes - 1}/${bytes * 2}`, bytes)))[0]).toBe(413);
  });

  it("tells what is missing, takes the last fragment whatever its size, and is over then", async ({ expect }) => {
    const url = await session("a/kept.bin");
    const missing = async (answer: Response) =>
      (await answer.json<{ nextExpectedRanges: string[] }>()).nextExpectedRanges;
    expect(await missing(await fetch(url))).toEqual(["0-"]);
    expect(await missing(await send(url, `bytes 0-${RANGE - 1}/${RANGE + 5}`, RANGE))).toEqual([`${RANGE}-`]);
    expect((await send(url, `bytes ${RANGE}-${RANGE + 4}/${RANGE + 6}`, 5)).status).toBe(400); // another total
    expect(await missing(await fetch(url))).toEqual([`${RANGE}-`]);
    const last = await send(url, `bytes ${RANGE}-${RANGE + 4}/${RANGE + 5}`, 5);
    expect([last.status, (await last.json<{ size: number }>()).size]).toEqual([201, RANGE + 5]);
    expect(await expectError(await fetch(url))).toEqual([404, "itemNotFound"]);
  });

  it("that is cancelled is gone, with its bytes", async ({ expect }) => {
    const url = await session("a/cancelled.bin");
    await send(url, `bytes 0-${RANGE - 1}/${RANGE * 2}`, RANGE);
    expect((await fetch(url, { method: "DELETE" })).status).toBe(204);
    expect((await fetch(url)).status).toBe(404);
    expect((await graph.files()).map(({ path }) => path)).not.toContain("a/cancelled.bin");
  });

  it("without `replace` meets what is there when it is complete", async ({ expect }) => {
    await call(`/root:/a/taken.bin:/content${REPLACE}`, { method: "PUT", body: "{}" });
    const begun = await call("/root:/a/taken.bin:/createUploadSession", { method: "POST", body: "{}" });
    const { uploadUrl } = await begun.json<{ uploadUrl: string }>();
    expect(await expectError(await send(uploadUrl, "bytes 0-4/5", 5))).toEqual([409, "nameAlreadyExists"]);
  });
});

describe("its page", () => {
  it("shows documents and calls, and sets switches by its form, all escaped", async ({ expect }) => {
    await call(`/root:/a/%26lt.json:/content${REPLACE}`, { method: "PUT", body: "{}" });
    const set = await fetch(`${settings.graphUrl}/strict/switches`, {
      method: "POST",
      body: new URLSearchParams({ fail_next: "2", fail_status: "", wrong_ranges: "back", html: "on" }),
      redirect: "manual",
    });
    expect([set.status, set.headers.get("location")]).toEqual([303, "./"]);
    const switches = await (await fetch(`${settings.graphUrl}/strict/switches`)).json();
    expect(switches).toMatchObject({ fail_next: 2, fail_status: 503, wrong_ranges: "back", html: true, down: false });
    const page = await (await fetch(`${settings.graphUrl}/strict/`)).text();
    expect(page).toContain("a/&amp;lt.json");
    expect(page).toContain("<option selected>back</option>");
    expect(page).toContain("PUT content");
    expect(page).not.toContain("<script");
    await graph.switchOn({});
  });

  it("refuses a switch that there isn't", async ({ expect }) => {
    await expect(graph.switchOn({ explode: true } as never)).rejects.toThrow("422");
  });
});
