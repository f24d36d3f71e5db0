/** The SharePoint adapter against the stand-in for Microsoft Graph: what is stored, in how many calls, and what a fault means. */
import { describe, it, type ExpectStatic } from "vitest";
import { SHAREPOINT_TIMEOUT_MS, SHAREPOINT_UPLOAD_MS } from "../../src/config.ts";
import type { Clock, DocumentStore } from "../../src/domain/ports.ts";
import { sharepointStore } from "../../src/integrations/sharepoint.ts";
import { createTokenCache } from "../../src/integrations/sharepoint-token.ts";
import { until } from "../support/harness.ts";
import { standInGraph, type StandInGraph } from "../support/stand-in-graph.ts";
import { moveClock, testClock } from "../support/world.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const FRAGMENT = 5 * MIB;
const PATH = "responses/north/2026-11/req_1/response.json";
const [OLD, NEW] = ['{"document":"old"}', '{"document":"new"}'];
const KEPT = { link: `https://sharepoint.waybill.example/TENANT/files/${PATH}?web=1` };

let tenants = 0;

interface Place {
  readonly graph: StandInGraph;
  readonly store: DocumentStore;
}

/** A tenant of its own, and an isolate that has no token yet. */
function place(clock: Clock = testClock): Place {
  const graph = standInGraph(`adapter-${++tenants}`);
  const deps = { fetch: (url: string, init: RequestInit) => fetch(url, init), clock, tokens: createTokenCache() };
  return { graph, store: sharepointStore(deps, graph.settings) };
}

function put(store: DocumentStore, body: string = NEW) {
  return store.put(PATH, body, "application/json");
}

/** A document whose bytes differ from place to place, so that one that is shifted, doubled or cut is another one. */
function documentOf(bytes: number): string {
  const line = (at: number) => `${String(at).padStart(15, "0")}\n`;
  const whole = Array.from({ length: Math.ceil(bytes / 16) }, (_, at) => line(at)).join("");
  return whole.slice(0, bytes);
}

/** The document is there, once, byte for byte. */
async function expectStored(expect: ExpectStatic, graph: StandInGraph, body: string): Promise<void> {
  expect((await graph.files()).map(({ path }) => path)).toEqual([PATH]);
  const [kept, sent] = [await graph.content(PATH), new TextEncoder().encode(body)];
  expect(kept.byteLength).toBe(sent.byteLength);
  expect(kept.every((byte, at) => byte === sent[at])).toBe(true);
  expect(await graph.openSessions()).toBe(0);
}

function linkOf(graph: StandInGraph) {
  return { link: KEPT.link.replace("TENANT", graph.settings.tenantId) };
}

const retryable = { code: "DEPENDENCY_FAILED", retryable: true };
const final = { code: "DEPENDENCY_FAILED", retryable: false };
const signIn = "sign-in 200";

describe("a small document", () => {
  it("goes up in one call, is replaced by the next one, and comes back as it was", async ({ expect }) => {
    const { graph, store } = place();
    expect(await put(store, OLD)).toEqual(linkOf(graph));
    expect(await put(store)).toEqual(linkOf(graph));

    await expectStored(expect, graph, NEW);
    expect((await graph.files())[0]).toMatchObject({ stored: 2, content_type: "application/json" });
    expect(await store.read(PATH)).toEqual(JSON.parse(NEW));
    expect(await graph.calls()).toEqual([
      signIn,
      "PUT content 201",
      "PUT content 200",
      "GET item 200",
      "GET document 200",
    ]);
  });

  it("of 4 MiB is still one call", async ({ expect }) => {
    const { graph, store } = place();
    const body = documentOf(4 * MIB);
    await put(store, body);

    await expectStored(expect, graph, body);
    expect(await graph.calls()).toEqual([signIn, "PUT content 201"]);
  });

  it("that isn't there reads as none", async ({ expect }) => {
    expect(await place().store.read(PATH)).toBeNull();
  });

  it("whose path leads out of the drive is never sent", async ({ expect }) => {
    const { graph, store } = place();
    await expect(store.put("responses/../secret.json", NEW, "application/json")).rejects.toMatchObject({
      code: "INTERNAL",
      retryable: false,
    });
    expect(await graph.calls()).toEqual([]);
  });

  it("of a region with a name that SharePoint doesn't take lies under a written-out one", async ({ expect }) => {
    const { graph, store } = place();
    const path = "responses/R&D: north/x?/response.json";
    await store.put(path, NEW, "application/json");
    expect((await graph.files()).map((file) => file.path)).toEqual(["responses/R&D%3A north/x%3F/response.json"]);
    expect(await store.read(path)).toEqual(JSON.parse(NEW));
  });
});

describe("a large document", () => {
  it.for([
    ["4 MiB and a byte", 4 * MIB + 1, ["bytes 0-4194304/4194305"]],
    [
      "12 MiB",
      12 * MIB,
      ["bytes 0-5242879/12582912", "bytes 5242880-10485759/12582912", "bytes 10485760-12582911/12582912"],
    ],
  ] as const)("of %s goes up in a session and replaces the one before it", async ([, bytes, ranges], { expect }) => {
    const { graph, store } = place();
    await put(store, OLD);
    const body = documentOf(bytes);
    expect(await put(store, body)).toEqual(linkOf(graph));

    await expectStored(expect, graph, body);
    expect(await graph.ranges()).toEqual(ranges);
    expect((await graph.calls()).slice(2)).toEqual([
      "POST createUploadSession 200",
      ...ranges.slice(1).map(() => "PUT fragment 202"),
      "PUT fragment 200",
    ]);
  });

  it("goes on where the other side stands when an answer is lost", async ({ expect }) => {
    const { graph, store } = place();
    await graph.switchOn({ lost_reply_next: 1 });
    const body = documentOf(12 * MIB);
    await put(store, body);

    await expectStored(expect, graph, body);
    expect((await graph.calls()).slice(1)).toEqual([
      "POST createUploadSession 200",
      "PUT fragment 202",
      "GET session 200",
      "PUT fragment 202",
      "PUT fragment 201",
    ]);
  });

  it("isn't asked about for ever: after two answers that were lost the third is for the queue", async ({ expect }) => {
    const { graph, store } = place();
    await graph.switchOn({ lost_reply_next: 3 });
    await expect(put(store, documentOf(20 * MIB))).rejects.toMatchObject({ ...retryable, message: /no headway/ });
    expect((await graph.calls()).slice(1)).toEqual([
      "POST createUploadSession 200",
      ...Array.from({ length: 3 }, () => ["PUT fragment 202", "GET session 200"]).flat(),
      "DELETE session 204",
    ]);
    expect([await graph.files(), await graph.openSessions()]).toEqual([[], 0]);
  });

  it("that nothing can be learnt about is given up, and its session cancelled", async ({ expect }) => {
    const { graph, store } = place();
    await graph.switchOn({ half_fragment_next: 1, session_fails_next: 1, retry_after_s: 60 });
    await expect(put(store, documentOf(6 * MIB))).rejects.toMatchObject({ ...retryable, retryAfterSeconds: 60 });
    expect((await graph.calls()).slice(2)).toEqual(["PUT fragment 202", "GET session 503", "DELETE session 204"]);
  });

  it("goes on in the middle of a fragment of which a part arrived", async ({ expect }) => {
    const { graph, store } = place();
    await graph.switchOn({ half_fragment_next: 1 });
    const body = documentOf(12 * MIB);
    await put(store, body);

    await expectStored(expect, graph, body);
    const half = 8 * 320 * KIB;
    expect(await graph.ranges()).toEqual([
      `bytes 0-${FRAGMENT - 1}/${12 * MIB}`,
      `bytes ${half}-${half + FRAGMENT - 1}/${12 * MIB}`,
      `bytes ${half + FRAGMENT}-${12 * MIB - 1}/${12 * MIB}`,
    ]);
  });

  it("whose last answer is lost goes up anew: the session is over, and what was stored can't be told apart", async ({
    expect,
  }) => {
    const { graph, store } = place();
    const body = documentOf(4 * MIB + 1);
    let fragments = 0;
    const losing = sharepointStore(
      {
        clock: testClock,
        tokens: createTokenCache(),
        fetch: async (url, init) => {
          const answer = await fetch(url, init);
          const isLost = init.method === "PUT" && ++fragments === 1;
          if (isLost) await answer.body?.cancel();
          if (isLost) throw new TypeError("Network connection lost.");
          return answer;
        },
      },
      graph.settings,
    );
    await put(losing, body);

    await expectStored(expect, graph, body);
    expect((await graph.files())[0]).toMatchObject({ stored: 2 });
    expect((await graph.calls()).slice(1)).toEqual([
      "POST createUploadSession 200",
      "PUT fragment 201",
      "GET session 404",
      "POST createUploadSession 200",
      "PUT fragment 200",
    ]);
    expect(await store.read(PATH).catch(() => "no JSON")).toBe("no JSON");
  });

  it("whose session expires in the middle is begun anew once, and left to the queue after that", async ({ expect }) => {
    const { graph, store } = place();
    const body = documentOf(6 * MIB);
    await graph.switchOn({ session_dies_next: 1 });
    await put(store, body);
    await expectStored(expect, graph, body);
    expect((await graph.calls()).slice(1)).toEqual([
      "POST createUploadSession 200",
      "PUT fragment 202",
      "PUT fragment 404",
      "POST createUploadSession 200",
      "PUT fragment 202",
      "PUT fragment 201",
    ]);

    await graph.switchOn({ session_dies_next: 2 });
    await expect(put(store, body)).rejects.toMatchObject({ ...retryable, message: /expired 2 times/ });
    expect((await graph.calls()).filter((call) => call.startsWith("POST create"))).toHaveLength(4);
  });

  it.for([
    ["beyond", /bytes that can't be missing/, 1],
    ["none", /bytes that can't be missing/, 1],
    ["words", /bytes that can't be missing/, 1],
    ["back", /makes no headway at byte 0/, 3],
  ] as const)(
    "isn't sent for ever when the other side asks for wrong bytes (%s)",
    async ([wrong, why, fragments], { expect }) => {
      const { graph, store } = place();
      await graph.switchOn({ wrong_ranges: wrong });
      await expect(put(store, documentOf(6 * MIB))).rejects.toMatchObject({ ...retryable, message: why });

      expect(await graph.ranges()).toHaveLength(fragments);
      expect((await graph.calls()).at(-1)).toBe("DELETE session 204");
      expect([await graph.files(), await graph.openSessions()]).toEqual([[], 0]);
    },
  );

  it("is left to the queue when a fragment is refused for now, and its session is cancelled", async ({ expect }) => {
    const { graph, store } = place();
    const body = documentOf(6 * MIB);
    let fragments = 0;
    const failing = sharepointStore(
      {
        clock: testClock,
        tokens: createTokenCache(),
        fetch: async (url, init) => {
          if (init.method === "PUT" && ++fragments === 2) {
            await graph.switchOn({ fail_next: 1, fail_status: 429, retry_after_s: 120 });
          }
          return fetch(url, init);
        },
      },
      graph.settings,
    );
    await expect(put(failing, body)).rejects.toMatchObject({ ...retryable, retryAfterSeconds: 120 });
    expect((await graph.calls()).slice(1)).toEqual([
      "POST createUploadSession 200",
      "PUT fragment 202",
      "PUT fragment 429",
      "DELETE session 204",
    ]);
    expect(await graph.openSessions()).toBe(0);
    await put(store, body);
    await expectStored(expect, graph, body);
  });
});

describe("a fault", () => {
  it.for([
    [500, retryable, /status 500/],
    [503, retryable, /status 503: The service is unavailable/],
    [507, retryable, /status 507: The site's storage is full/],
    [423, retryable, /The document is locked. \(status 423\)/],
    [409, retryable, /status 409/],
    [408, retryable, /status 408/],
    [403, final, /doesn't have permission to perform the action. \(status 403\)/],
    [400, final, /status 400/],
    [413, final, /status 413/],
  ] as const)("%i stores nothing, is one call, and says why", async ([status, kind, why], { expect }) => {
    const { graph, store } = place();
    await put(store, OLD);
    await graph.switchOn({ fail_next: 1, fail_status: status });
    await expect(put(store)).rejects.toMatchObject({ ...kind, message: why, retryAfterSeconds: undefined });

    await expectStored(expect, graph, OLD);
    expect((await graph.calls()).slice(2)).toEqual([`PUT content ${status}`]);
  });

  it.for([429, 503] as const)("%i passes Retry-After on and waits for nothing itself", async (status, { expect }) => {
    const { graph, store } = place();
    await graph.switchOn({ fail_next: 1, fail_status: status, retry_after_s: 3_600 });
    await expect(put(store)).rejects.toMatchObject({ ...retryable, retryAfterSeconds: 3_600 });
    expect(await graph.calls()).toEqual([signIn, `PUT content ${status}`]);
  });

  it("after the bytes leaves the document there, and the next attempt replaces it", async ({ expect }) => {
    const { graph, store } = place();
    await graph.switchOn({ lost_reply_next: 1 });
    await expect(put(store)).rejects.toMatchObject(retryable);
    await expectStored(expect, graph, NEW);
    await put(store);

    await expectStored(expect, graph, NEW);
    expect((await graph.files())[0]).toMatchObject({ stored: 2 });
  });

  it.for([
    ["an HTML page", { html: true }],
    ["another document's item", { foreign: true }],
    ["more than 64 KiB", { too_big: true }],
    ["a redirect, which is not followed", { redirect: true }],
  ] as const)("is %s, of small and of large documents: unknown, and tried again later", async ([, on], { expect }) => {
    for (const body of [NEW, documentOf(4 * MIB + 1)]) {
      const { graph, store } = place();
      await put(store, OLD);
      await graph.switchOn(on);
      await expect(put(store, body)).rejects.toMatchObject(retryable);
      expect(await store.health()).toBe("foreign" in on);
    }
  });

  it("is an answer that never comes: one attempt ends in bounded time, and the late document is the same", async ({
    expect,
  }) => {
    const { graph, store } = place();
    await put(store, OLD);
    await graph.switchOn({ delay_ms: 3_000 });
    const sent = put(store);
    sent.catch(() => undefined);
    await until("it got there", async () => (await graph.calls()).length === 3);
    moveClock(SHAREPOINT_TIMEOUT_MS);
    await expect(sent).rejects.toMatchObject({ ...retryable, message: /no answer within 10000 ms/ });
    await expectStored(expect, graph, NEW);
  });

  it("is a large document that takes too long in all", async ({ expect }) => {
    let slow = 0;
    const clock: Clock = { now: () => testClock.now() + slow, after: () => new Promise(() => {}) };
    const { graph } = place();
    const store = sharepointStore(
      {
        clock,
        tokens: createTokenCache(),
        fetch: (url, init) => {
          slow += 9_000; // each call takes that long
          return fetch(url, init);
        },
      },
      graph.settings,
    );
    await expect(put(store, documentOf(12 * MIB))).rejects.toMatchObject({
      ...retryable,
      message: `sharepoint: not done within ${SHAREPOINT_UPLOAD_MS} ms`,
    });
    expect(await graph.calls()).toEqual([
      signIn,
      "POST createUploadSession 200",
      "PUT fragment 202",
      "DELETE session 204",
    ]);
    expect([await graph.files(), await graph.openSessions()]).toEqual([[], 0]);
  });
});

describe("a token", () => {
  it("is asked for once by many callers at once, and kept for the next ones", async ({ expect }) => {
    const { graph, store } = place();
    const paths = Array.from({ length: 8 }, (_, n) => `responses/${n}.json`);
    await Promise.all(paths.map((path) => store.put(path, NEW, "application/json")));
    await put(store);
    expect((await graph.calls()).filter((call) => call === signIn)).toHaveLength(1);
    expect(await graph.files()).toHaveLength(9);
  });

  it("that has expired there is replaced once, and the call repeated", async ({ expect }) => {
    const { graph, store } = place();
    await put(store, OLD);
    await graph.expireTokens();
    await put(store);

    await expectStored(expect, graph, NEW);
    expect((await graph.calls()).slice(2)).toEqual(["PUT content 401", signIn, "PUT content 200"]);
  });

  it("that is refused although it is new is no reason to ask for a third", async ({ expect }) => {
    const { graph, store } = place();
    await graph.switchOn({ token_life_s: 1 });
    const refused = sharepointStore(
      {
        clock: testClock,
        tokens: createTokenCache(),
        fetch: async (url, init) => {
          if (init.method === "PUT") await graph.expireTokens();
          return fetch(url, init);
        },
      },
      graph.settings,
    );
    await expect(put(refused)).rejects.toMatchObject({ ...retryable, message: /token is expired. \(status 401\)/ });
    expect(await graph.calls()).toEqual([signIn, "PUT content 401", signIn, "PUT content 401"]);
    await graph.switchOn({});
    await put(store);
  });

  it("isn't used any more shortly before its end", async ({ expect }) => {
    let now = Date.now();
    const { graph, store } = place({ now: () => now, after: () => new Promise(() => {}) });
    await put(store);
    now += 3_538_000; // a token lives for 3,599 s, and a minute is kept
    await put(store);
    expect((await graph.calls()).filter((call) => call === signIn)).toHaveLength(1);
    now += 2_000;
    await put(store);
    expect((await graph.calls()).filter((call) => call === signIn)).toHaveLength(2);
  });

  it("isn't had while the sign-in is down: nothing else is called, and it is tried again later", async ({ expect }) => {
    const { graph, store } = place();
    await graph.switchOn({ token_fail_next: 1 });
    await expect(put(store)).rejects.toMatchObject({ ...retryable, message: /sign-in: answered with status 503/ });
    expect(await graph.calls()).toEqual(["sign-in 503"]);
    await put(store);
    await expectStored(expect, graph, NEW);
  });

  it.for([
    [
      "a wrong secret may be set right",
      { clientSecret: "not-the-secret" },
      retryable,
      /AADSTS7000215: Invalid client secret/,
    ],
    [
      "an unknown application is final",
      { clientId: "00000000-0000-4000-8000-000000000000" },
      final,
      /AADSTS700016: No such application/,
    ],
  ] as const)("%s, and the reason is told without the secret", async ([, wrong, kind, why], { expect }) => {
    const { graph } = place();
    const at = { ...graph.settings, ...wrong };
    const store = sharepointStore(
      { fetch: (url, init) => fetch(url, init), clock: testClock, tokens: createTokenCache() },
      at,
    );
    await expect(put(store)).rejects.toMatchObject({ ...kind, message: why });
    await expect(put(store)).rejects.not.toMatchObject({ message: expect.stringContaining(at.clientSecret) });
    expect(await store.health()).toBe(false);
  });

  it("goes to Graph alone: neither an upload's nor a download's address sees it", async ({ expect }) => {
    const { graph } = place();
    const bearers: string[] = [];
    const store = sharepointStore(
      {
        clock: testClock,
        tokens: createTokenCache(),
        fetch: (url, init) => {
          if (new Headers(init.headers).has("authorization")) bearers.push(new URL(url).host);
          return fetch(url, init);
        },
      },
      graph.settings,
    );
    await put(store, `{"x":"${documentOf(5 * MIB).replaceAll("\n", " ")}"}`);
    await store.read(PATH).catch(() => undefined);
    expect(new Set(bearers)).toEqual(new Set(["graph.waybill.example"]));
    expect(bearers).toHaveLength(2);
  });
});

describe("health", () => {
  it("is good when the drive answers, with one call and a kept token", async ({ expect }) => {
    const { graph, store } = place();
    expect(await store.health()).toBe(true);
    expect(await store.health()).toBe(true);
    expect(await graph.calls()).toEqual([signIn, "GET drive 200", "GET drive 200"]);
  });

  it.for([
    ["Graph is down", { down: true }],
    ["the sign-in is down", { token_fail_next: 1 }],
    ["Graph answers with a page", { html: true }],
  ] as const)("is bad when %s", async ([, on], { expect }) => {
    const { graph, store } = place();
    await graph.switchOn(on);
    expect(await store.health()).toBe(false);
  });

  it("is bad when the drive is another one", async ({ expect }) => {
    const { graph } = place();
    const at = { ...graph.settings, driveId: "b!another" };
    const store = sharepointStore({ fetch: (url, init) => fetch(url, init), clock: testClock }, at);
    expect(await store.health()).toBe(false);
  });
});
