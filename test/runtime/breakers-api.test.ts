/** Breakers for operations: the list, one of them live, opening and resetting by hand. */
import { beforeAll, describe, it } from "vitest";
import { throughBreaker } from "../../src/integrations/breaker.ts";
import { bend } from "../support/bend.ts";
import { clientOf, down, fail, rowOf, runBreakerAlarm, toldOf, works } from "../support/breaker-world.ts";
import { faultyD1 } from "../support/faulty-d1.ts";
import { as, env, startWorld } from "../support/harness.ts";
import { expectProblem } from "../support/problem.ts";
import { openSocket } from "../support/socket.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);

const pathOf = (dependency: string) => `/api/breakers/${encodeURIComponent(dependency)}`;
const one = async (dependency: string) => (await as("ops", "GET", pathOf(dependency))).body;
const listed = async (query = "") => (await as("ops", "GET", `/api/breakers${query}`)).body.data;
const inList = async (dependency: string) =>
  (await listed("?limit=200")).find((row: { dependency: string }) => row.dependency === dependency);

async function addSupplier(id: string): Promise<string> {
  await env.DB.prepare("INSERT INTO suppliers (id, name, url) VALUES (?, ?, ?)")
    .bind(id, id, "https://suppliers.waybill.example/any")
    .run();
  return `supplier:${id}`;
}

function turn(who: string, dependency: string, to: "open" | "reset", reason = "maintenance", key?: string) {
  return as(
    who,
    "POST",
    `${pathOf(dependency)}/${to}`,
    { reason },
    key === undefined ? {} : { "idempotency-key": key },
  );
}

describe("the list", () => {
  it("has every dependency, also one that has never failed, by name", async ({ expect }) => {
    const { results } = await env.DB.prepare("SELECT id FROM suppliers WHERE url IS NOT NULL").all<{ id: string }>();
    const wanted = ["archive", "sharepoint", "workers-ai", ...results.map(({ id }) => `supplier:${id}`)].toSorted();
    const rows = await listed("?limit=200");

    expect(results.length).toBeGreaterThan(0);
    expect(rows.map(({ dependency }: { dependency: string }) => dependency)).toEqual(wanted);
    expect(rows[0]).toEqual({
      dependency: "archive",
      state: "closed",
      forced: false,
      failures: 0,
      retry_after_s: 0,
      since: null,
      by: null,
      reason: null,
      as_of: null,
      live: false,
    });
  });

  it("shows the failures that count now, then the outage with its wait, then the recovery", async ({ expect }) => {
    const dependency = await addSupplier("outage");
    await fail(clientOf(dependency), 4);
    await rowOf(dependency, "shows four failures", ({ circuit }) => circuit.failures?.length === 4);
    expect(await inList(dependency)).toMatchObject({ state: "closed", failures: 4, retry_after_s: 0, by: null });
    moveClock(60_000);
    expect(await inList(dependency)).toMatchObject({ state: "closed", failures: 0 });

    await fail(clientOf(dependency), 5);
    await rowOf(dependency, "is open", ({ circuit }) => circuit.kind === "open");
    const open = await inList(dependency);
    expect(open).toMatchObject({
      state: "open",
      forced: false,
      live: false,
      reason: null,
      by: { id: "circuit-breaker", kind: "system" },
      since: expect.stringMatching(/Z$/),
      as_of: expect.stringMatching(/Z$/),
    });
    expect(open.retry_after_s).toBeGreaterThan(20);
    expect(open.retry_after_s).toBeLessThanOrEqual(30);
    expect(await listed("?state=open")).toEqual([expect.objectContaining({ dependency })]);

    await runBreakerAlarm(dependency); // the supplier of this test answers its health check
    await rowOf(dependency, "is half open", ({ circuit }) => circuit.kind === "half_open");
    expect(await listed("?state=half_open")).toEqual([expect.objectContaining({ dependency, forced: false })]);
    await throughBreaker(clientOf(dependency), works);
    await rowOf(dependency, "is closed", ({ circuit }) => circuit.kind === "closed");
    expect(await inList(dependency)).toMatchObject({ state: "closed", failures: 0, retry_after_s: 0 });
    expect(await listed("?state=open")).toEqual([]);
  });

  it("comes in pages, whose cursor is its own alone", async ({ expect }) => {
    const all = await listed("?limit=200");
    const names: string[] = [];
    let cursor = "";
    do {
      const { body } = await as("ops", "GET", `/api/breakers?limit=2${cursor && `&cursor=${cursor}`}`);
      expect(body.data.length).toBeLessThanOrEqual(2);
      names.push(...body.data.map(({ dependency }: { dependency: string }) => dependency));
      cursor = body.meta.next_cursor ?? "";
    } while (cursor !== "");

    expect(names).toEqual(all.map(({ dependency }: { dependency: string }) => dependency));
    expectProblem(expect, await as("ops", "GET", "/api/breakers?cursor=!"), 422, "VALIDATION");
    expectProblem(expect, await as("ops", "GET", "/api/breakers?state=ajar"), 422, "VALIDATION");
  });
});

describe("by hand", () => {
  it("opens with a reason: no call goes out, the person is named in the list and the trail, and all hear it once", async ({
    expect,
  }) => {
    const dependency = await addSupplier("by-hand");
    const socket = await openSocket("ops", {
      query: "?region=north",
      hello: { device_type: "person", topics: ["all"] },
    });
    await socket.frame("topics");
    const opened = await turn("ops", dependency, "open", "they move 数据中心 🚚");

    expect(opened.status).toBe(200);
    const { since } = opened.body;
    expect(opened.body).toEqual({
      dependency,
      state: "open",
      forced: true,
      reason: "they move 数据中心 🚚",
      since: expect.stringMatching(/Z$/),
      by: { id: "ops", kind: "person" },
    });
    await expectHeld(expect, dependency);
    expect(await inList(dependency)).toMatchObject({ ...opened.body, live: false, failures: 0 });
    expect(await one(dependency)).toMatchObject({ ...opened.body, live: true });
    const heard = await socket.event(
      "it",
      ({ type, data }) => type === "CircuitOpened" && data.dependency === dependency,
    );
    expect(heard.data.timestamp).toBe(since);

    const closed = await turn("admin", dependency, "reset", "moved");
    expect(closed.body).toMatchObject({ state: "closed", forced: false, by: { id: "admin" }, reason: "moved" });
    expect(await throughBreaker(clientOf(dependency), works)).toBe("done");
    await socket.event("its end", ({ type, data }) => type === "CircuitClosed" && data.dependency === dependency);
    expect(await toldOf(dependency)).toEqual({
      events: ["CircuitOpened", "CircuitClosed"],
      trail: ["circuit.opened by ops", "circuit.closed by admin"],
    });
    const { body: trail } = await as(
      "ops",
      "GET",
      `/api/audit?subject=${encodeURIComponent(`dependency/${dependency}`)}`,
    );
    expect(trail.data.map(({ reason }: { reason: string }) => reason).toSorted()).toEqual([
      "moved",
      "they move 数据中心 🚚",
    ]);
    socket.close();
  });

  it("sent twice under a key acts once, and a hold that another hand ended doesn't come back", async ({ expect }) => {
    const dependency = await addSupplier("twice");
    const first = await turn("ops", dependency, "open", "once", "hold-1");
    await turn("ops", dependency, "reset", "enough");
    const again = await turn("ops", dependency, "open", "once", "hold-1");

    expect([again.status, again.headers.get("idempotent-replayed")]).toEqual([200, "true"]);
    expect(again.body).toEqual(first.body);
    expect(await one(dependency)).toMatchObject({ state: "closed" });
    expectProblem(expect, await turn("ops", dependency, "open", "another", "hold-1"), 422, "KEY_REUSED");
  });

  it("whose answer was lost before it was stored acts once when it is sent again", async ({ expect }) => {
    const dependency = await addSupplier("lost-answer");
    wrapBindings({ DB: faultyD1({ marker: "lost-1", kind: "before", times: 1 }).wrap });
    const lost = await turn("ops", dependency, "open", "once", "lost-1");
    wrapBindings({});
    expect(lost.status).toBe(500);
    await clientOf(dependency).closeByHand({
      cause: { by: { id: "admin", kind: "person" }, reason: "no need", trace: null },
      intent: "another",
    });
    const again = await turn("ops", dependency, "open", "once", "lost-1");

    expect(again.body).toMatchObject({ state: "closed", by: { id: "admin" } });
    expect(await toldOf(dependency)).toMatchObject({ events: ["CircuitOpened", "CircuitClosed"] });
  });

  it("holds an outage open without telling it twice, and keeps a hold as it is under another hand", async ({
    expect,
  }) => {
    const dependency = await addSupplier("hold");
    await fail(clientOf(dependency), 5);
    const held = await turn("ops", dependency, "open", "until they call");
    const later = await turn("admin", dependency, "open", "me too");

    expect(held.body).toMatchObject({ forced: true, by: { id: "ops" } });
    expect(later.body).toEqual(held.body);
    expect(await runBreakerAlarm(dependency)).toBe(false);
    expect(await toldOf(dependency)).toEqual({
      events: ["CircuitOpened"],
      trail: ["circuit.opened by circuit-breaker", "circuit.held by ops"],
    });
  });

  it("forgets the failures of a closed circuit, which is in the trail and no event", async ({ expect }) => {
    const dependency = await addSupplier("forgets");
    await fail(clientOf(dependency), 4);
    expect((await turn("ops", dependency, "reset", "was a drill")).body).toMatchObject({ state: "closed" });
    await fail(clientOf(dependency), 4);

    expect(await one(dependency)).toMatchObject({ state: "closed", failures: 4 });
    expect(await toldOf(dependency)).toEqual({ events: [], trail: ["circuit.reset by ops"] });
  });

  it("names a dependency in any script, percent-encoded", async ({ expect }) => {
    const dependency = await addSupplier("Ölwerk 100%/süd 世界");
    expect((await turn("ops", dependency, "open")).body).toMatchObject({ dependency, forced: true });
    await expectHeld(expect, dependency);
    expect(await one(dependency)).toMatchObject({ dependency, state: "open", live: true });
    expect((await turn("ops", dependency, "reset")).body).toMatchObject({ dependency, state: "closed" });
  });

  it.for<[string, unknown]>([
    ["none", {}],
    ["an empty one", { reason: "  " }],
    ["one of 501 characters", { reason: "x".repeat(501) }],
    ["a field of its own", { reason: "ok", state: "closed" }],
  ])("asks for a reason: %s is refused", async ([, body], { expect }) => {
    expectProblem(expect, await as("ops", "POST", `${pathOf("archive")}/open`, body), 422, "VALIDATION");
    expect(await one("archive")).toMatchObject({ state: "closed" });
  });
});

async function expectHeld(expect: { (value: unknown): { toMatchObject(o: object): void } }, dependency: string) {
  let called = false;
  const refused = await throughBreaker(clientOf(dependency), async () => void (called = true)).catch((e: unknown) => e);
  expect(refused).toMatchObject({ code: "CIRCUIT_OPEN" });
  expect({ called }).toMatchObject({ called: false });
}

describe("who may", () => {
  it.for(["manager-national", "tech-north", "keeper-03", "truck-001", "integrator"])(
    "not: %s, neither look nor turn",
    async (who, { expect }) => {
      expectProblem(expect, await as(who, "GET", "/api/breakers"), 403, "FORBIDDEN");
      expectProblem(expect, await as(who, "GET", pathOf("archive")), 403, "FORBIDDEN");
      expectProblem(expect, await turn(who, "archive", "open"), 403, "FORBIDDEN");
      expectProblem(expect, await turn(who, "archive", "reset"), 403, "FORBIDDEN");
    },
  );

  it.for(["supplier:nobody", "webhook:whk_none", "printer", "supplier:"])(
    "nobody turns %s, which isn't there, and asking for it makes none",
    async (dependency, { expect }) => {
      expectProblem(expect, await as("ops", "GET", pathOf(dependency)), 404, "NOT_FOUND");
      expectProblem(expect, await turn("ops", dependency, "open"), 404, "NOT_FOUND");
      expect(await inList(dependency)).toBeUndefined();
    },
  );
});

describe("a list that isn't as the breaker is", () => {
  it("is older, as after a restore of the database: who asks for the one gets the truth, and the list is put right", async ({
    expect,
  }) => {
    const dependency = await addSupplier("restored");
    await turn("ops", dependency, "open");
    await env.DB.prepare(
      `UPDATE breakers SET revision = 1, circuit = '{"kind":"closed","generation":1,"failures":[]}' WHERE dependency = ?`,
    )
      .bind(dependency)
      .run();
    expect(await inList(dependency)).toMatchObject({ state: "closed" });
    expect(await one(dependency)).toMatchObject({ state: "open", forced: true, live: true });
    await rowOf(dependency, "is open", ({ circuit }) => circuit.kind === "open");
    expect((await toldOf(dependency)).events).toEqual(["CircuitOpened"]);
  });

  it("is ahead of a breaker that has lost all that it kept: it is put right too", async ({ expect }) => {
    const dependency = await addSupplier("forgotten");
    await env.DB.prepare(
      `INSERT INTO breakers(dependency, revision, circuit, announced, updated_at)
       VALUES (?, 9000000000000, '{"kind":"open","generation":7,"until":"reset","nextCheckAt":1}', 9000000000000, '2026-11-25T00:00:00.000Z')`,
    )
      .bind(dependency)
      .run();
    expect(await inList(dependency)).toMatchObject({ state: "open", forced: true });
    expect(await one(dependency)).toMatchObject({ state: "closed", live: true });
    await rowOf(dependency, "is closed", ({ circuit }) => circuit.kind === "closed");
  });

  it("says that it isn't live where the breaker can't be asked, and a hand is told so with nothing done", async ({
    expect,
  }) => {
    const dependency = await addSupplier("unreachable");
    await turn("ops", dependency, "open");
    wrapBindings({ BREAKER: (real) => bend(real, { get: () => ({ fetch: down }) }) });
    expect(await one(dependency)).toMatchObject({ state: "open", forced: true, live: false });
    expectProblem(expect, await turn("ops", dependency, "reset"), 502, "DEPENDENCY_FAILED");
    wrapBindings({});
    expect(await one(dependency)).toMatchObject({ state: "open", live: true });
  });
});
