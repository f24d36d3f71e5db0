/** Request-response: what a caller asks is answered, or refused with a reason, within a deadline and by contract. */
import { afterEach, beforeAll, describe, it } from "vitest";
import * as config from "../../src/config.ts";
import { aroundDatabase, aroundHubs, gate } from "../support/bindings.ts";
import { operationsOf, readContract } from "../support/contract.ts";
import { figure, percentile, timed } from "../support/figures.ts";
import { rightToken, wrongAuthorizations } from "../support/forged-tokens.ts";
import { as, call, quiet, startWorld, until, type Answer } from "../support/harness.ts";
import { expectProblem } from "../support/problem.ts";
import { runRelayAlarm } from "../support/relay.ts";
import { countRows } from "../support/rows.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
afterEach(() => wrapBindings({}));

const request = (number: string) => ({
  request_number: number,
  device_id: "truck-001",
  lines: [{ sku: "PUMP-001", quantity: 1 }],
});

/** Every page of a list, by its cursor. */
async function walk(query: string): Promise<{ sku: string; category: string }[]> {
  const rows: { sku: string; category: string }[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const page: Answer<any> = await as("ops", "GET", `/api/parts?${query}${cursor === "" ? "" : `&cursor=${cursor}`}`);
    if (page.status !== 200) throw new Error(JSON.stringify(page.body));
    rows.push(...page.body.data);
    cursor = page.body.meta.next_cursor;
  }
  return rows;
}

describe("the catalogue", () => {
  it("answers a filter by category and supplier with exactly the parts that fit, and metadata", async ({ expect }) => {
    const answer = await as("integrator", "GET", "/api/parts?category=electronics&supplier=acme");
    expect(answer.status).toBe(200);
    expect(answer.body.meta).toEqual({ count: 50, next_cursor: expect.any(String), cache: "MISS" });
    const listed = (await walk("category=electronics&supplier=acme")).map(({ sku }) => sku);
    expect(answer.body.data.map(({ sku }: { sku: string }) => sku)).toEqual(listed.slice(0, 50));
    const electronics = await walk("category=electronics&limit=200");
    const sold = await Promise.all(
      electronics.map(async ({ sku }) => {
        const { body } = await as("integrator", "GET", `/api/parts/${sku}`);
        return body.data.suppliers.some((offer: { supplier: string }) => offer.supplier === "acme") ? [sku] : [];
      }),
    );
    expect(listed).toEqual(sold.flat());
    expect(listed).toContain("ECU-001");
    expect(listed.length).toBeLessThan(electronics.length);
    expect(electronics.every(({ category }) => category === "electronics")).toBe(true);
  });

  it("pages by an opaque cursor to the end, each part once, in SKU order", async ({ expect }) => {
    const all = (await walk("limit=200")).map(({ sku }) => sku);
    const paged = (await walk("category=cooling&limit=7")).map(({ sku }) => sku);
    const cooling = (await walk("category=cooling&limit=200")).map(({ sku }) => sku);
    expect(paged).toEqual(cooling);
    expect(cooling.length).toBeGreaterThan(7 * 3);
    expect(new Set(all).size).toBe(all.length);
    expect(all).toEqual(all.toSorted());
    expect(all.length).toBe((await countRows())["parts"]);
    const { body } = await as("ops", "GET", "/api/parts?limit=1");
    expect(body.meta.next_cursor).not.toContain(body.data[0].sku);
    expectProblem(expect, await as("ops", "GET", "/api/parts?cursor=no%20cursor"), 422, "VALIDATION");
  });

  it("finds by words of the name, and one part by its SKU with offers and stock", async ({ expect }) => {
    const found = await as("tech-north", "GET", "/api/parts?q=coolant%20pum");
    expect(found.body.data.map(({ sku }: { sku: string }) => sku)).toContain("PUMP-001");
    const one = await as("truck-001", "GET", "/api/parts/PUMP-001");
    expect(one.status).toBe(200);
    expect(one.body.data).toMatchObject({ sku: "PUMP-001", list_price: { amount: 14_995, currency: "USD" } });
    expect(one.body.data.suppliers.map((offer: { supplier: string }) => offer.supplier)).toEqual(["acme", "borealis"]);
    expect(one.body.data.stock).toContainEqual(expect.objectContaining({ location: "warehouse-03", on_hand: 40 }));
  });

  it("has a strong tag that says nothing of the cache, and answers 304 to whoever has it", async ({ expect }) => {
    for (const path of ["/api/parts/PUMP-002", "/api/parts?category=body&limit=3"]) {
      const [miss, hit] = [await as("ops", "GET", path), await as("ops", "GET", path)];
      const etag = miss.headers.get("etag") ?? "";
      expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
      expect([hit.headers.get("etag"), hit.headers.get("x-cache")]).toEqual([etag, "HIT"]);
      for (const tags of [etag, `"other", ${etag}`, `W/${etag}`, "*"]) {
        const again = await as("ops", "GET", path, undefined, { "if-none-match": tags });
        expect([again.status, again.body, again.headers.get("etag")]).toEqual([304, "", etag]);
      }
      expect((await as("ops", "GET", path, undefined, { "if-none-match": '"other"' })).status).toBe(200);
    }
  });
});

describe("refusals", () => {
  it("names each unknown or wrong query parameter", async ({ expect }) => {
    const answer = await as("ops", "GET", "/api/parts?colour=red&limit=none&category=");
    expectProblem(expect, answer, 422, "VALIDATION");
    expect(answer.body.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual([
      "/query/category",
      "/query/colour",
      "/query/limit",
    ]);
  });

  it("are problem documents also where the framework answers: no such route, no such thing, wrong method", async ({
    expect,
  }) => {
    for (const path of [
      "/api/nothing",
      "/api",
      "/api/parts/NONE-1",
      "/api/parts/x/y",
      "//api/parts",
      `/api/parts/${"x".repeat(300)}`,
    ]) {
      expectProblem(expect, await as("ops", "GET", path), 404, "NOT_FOUND");
    }
    for (const [method, path, allow] of [
      ["DELETE", "/api/parts", "GET"],
      ["PUT", "/api/commands", "GET, POST"],
      ["GET", "/api/uploads", "POST"],
      ["POST", "/api/parts/PUMP-001", "GET"],
      ["DELETE", "/api/requests", "GET, POST"],
    ] as const) {
      const answer = await as("ops", method, path);
      expectProblem(expect, answer, 405, "METHOD_NOT_ALLOWED");
      expect(answer.headers.get("allow")).toBe(allow);
    }
  });

  it("keep whoever has no right token out: none, wrong, expired, forged", async ({ expect }) => {
    const get = async (authorization?: string): Promise<Answer<any>> => {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      const answer = await call("/api/parts?limit=1", { headers });
      return { status: answer.status, headers: answer.headers, body: await answer.json() };
    };
    expect((await get(`Bearer ${await rightToken()}`)).status).toBe(200);
    const wrong = await wrongAuthorizations();
    for (const [name, authorization] of [["no header", undefined], ...Object.entries(wrong)] as const) {
      const answer = await get(authorization);
      expect(answer.status, name).toBe(401);
      expectProblem(expect, answer, 401, "UNAUTHENTICATED");
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
  });

  it("let no operation of the contract answer without a token where it says that it needs one", async ({ expect }) => {
    const guarded = operationsOf(await readContract()).filter(({ operation }) => operation.security !== undefined);
    expect(guarded.length).toBeGreaterThan(20);
    for (const { method, path } of guarded) {
      const answer = await call(path.replaceAll(/\{\w+\}/g, "x"), { method });
      expect([method, path, answer.status]).toEqual([method, path, 401]);
      await answer.body?.cancel();
    }
  });

  it("say 403 to a role without the right, and tell which right it is", async ({ expect }) => {
    const before = await countRows();
    for (const [who, method, path, right] of [
      ["integrator", "GET", "/api/audit?subject=part/PUMP-001", "audit.read"],
      ["truck-001", "GET", "/api/approvals", "approvals.read"],
      ["manager-north", "POST", "/api/commands", "commands.send"],
      ["admin", "POST", "/api/requests", "requests.create"],
      ["keeper-03", "GET", "/api/ops/recount", "ops.read"],
    ] as const) {
      const answer = await as(who, method, path, method === "GET" ? undefined : {});
      expectProblem(expect, answer, 403, "FORBIDDEN");
      expect(answer.body.detail).toContain(right);
    }
    expect(await countRows()).toEqual(before);
  });
});

describe("a request", () => {
  it("is accepted from the page's form, and its status is asked for at its Location", async ({ expect }) => {
    const page = await (await call("/")).text();
    expect(page).toContain('<form id="ask"');
    for (const field of ["device_id", "request_number", "part", "quantity"]) expect(page).toContain(`name="${field}"`);
    const [, script = ""] = /src="(\/assets\/[\w.]+)"/.exec(page) ?? [];
    expect(await (await call(script)).text()).toContain('"/api/requests"');
    expect(await (await call("/assets/client.js")).text()).toContain(`DEADLINE_MS = ${config.CLIENT_DEADLINE_MS};`);

    const sent = await as("tech-north", "POST", "/api/requests", request("form-1"), { "idempotency-key": "form-1" });
    expect([sent.status, sent.body.status]).toEqual([202, "uploaded"]);
    const location = sent.headers.get("location") ?? "";
    expect(location).toBe(`/api/requests/${sent.body.request_id}`);
    const known = await until("the request is read", async () => {
      const { body } = await as("tech-north", "GET", location);
      return body.status === "uploaded" || body.status === "reading" ? null : body;
    });
    expect(known).toMatchObject({ request_id: sent.body.request_id, request_number: "form-1", device_id: "truck-001" });
    expect(known.lines).toEqual([{ line: 1, sku: "PUMP-001", text: null, quantity: 1, unit: null, needed_by: null }]);

    const listed = await as("tech-north", "GET", "/api/requests");
    expect(listed.body.data.map((one: { request_id: string }) => one.request_id)).toEqual([sent.body.request_id]);
    expectProblem(expect, await as("truck-004", "GET", location), 404, "NOT_FOUND");
    expectProblem(expect, await as("tech-north", "POST", "/api/requests", request("form-1")), 409, "DUPLICATE");
  });
});

describe("deadlines", () => {
  it("fall strictly down the ladder: client 30 s, gateway 25 s, service 20 s, database 15 s", ({ expect }) => {
    const { CLIENT_DEADLINE_MS, GATEWAY_DEADLINE_MS, SERVICE_DEADLINE_MS, DATABASE_DEADLINE_MS } = config;
    const ladder = [CLIENT_DEADLINE_MS, GATEWAY_DEADLINE_MS, SERVICE_DEADLINE_MS, DATABASE_DEADLINE_MS];
    expect(ladder).toEqual([30_000, 25_000, 20_000, 15_000]);
  });

  it("turn a database that never answers into a 504 after 15 s; nothing is written and the next call works", async ({
    expect,
  }) => {
    await quiet();
    const before = await countRows();
    const stuck = gate();
    wrapBindings({ DB: (real) => aroundDatabase(real, (work) => stuck.pass().then(work)) });
    const start = testClock.now();
    let answered = 0;
    const asked = [
      as("tech-north", "POST", "/api/requests", request("late-1")),
      as("tech-north", "GET", "/api/requests"),
      as("ops", "GET", "/api/parts/BRKP-001"),
    ].map((one) => one.finally(() => answered++));
    await until("all three wait for the database", async () => stuck.waiting() >= 3);
    moveClock(config.DATABASE_DEADLINE_MS - 1_000);
    expect((await call("/health")).status).toBe(200);
    expect(answered).toBe(0);
    moveClock(1_001);
    for (const answer of await Promise.all(asked)) {
      expectProblem(expect, answer, 504, "DEADLINE_EXCEEDED");
      expect([answer.body.retryable, answer.body.detail]).toEqual([true, expect.stringContaining("database")]);
    }
    expect(testClock.now() - start).toBeLessThan(config.SERVICE_DEADLINE_MS);
    stuck.breakDown();
    wrapBindings({});
    expect(await countRows()).toEqual(before);
    expect((await as("tech-north", "POST", "/api/requests", request("late-1"))).status).toBe(202);
  });

  it("scenario 10: leave a write that lands after the 504 visible under its own id: sent again, it has one effect", async ({
    expect,
  }) => {
    const command = {
      id: "cmd_late_write_1",
      type: "UpdateInventory",
      data: { device_id: "warehouse-01", sku: "PUMP-001", quantity_change: 1, location: "Bin-B-03" },
    };
    const stuck = gate();
    const lateReply = async <T>(work: () => Promise<T>, sql: readonly string[]) => {
      const landed = await work();
      if (sql.some((text) => text.includes("INSERT INTO commands"))) await stuck.pass();
      return landed;
    };
    wrapBindings({ DB: (real) => aroundDatabase(real, lateReply) });
    const asked = as("warehouse-01", "POST", "/api/commands", command);
    await until("the write has landed, unanswered", async () => stuck.waiting() > 0);
    moveClock(config.DATABASE_DEADLINE_MS + 1);
    expectProblem(expect, await asked, 504, "DEADLINE_EXCEEDED");
    stuck.open();
    wrapBindings({});
    expect((await as("warehouse-01", "GET", `/api/commands/${command.id}`)).status).toBe(200);
    const again = await as("warehouse-01", "POST", "/api/commands", command);
    expect([again.status, again.headers.get("idempotent-replayed")]).toEqual([202, "true"]);
    await runRelayAlarm();
    await until(
      "it is applied",
      async () => (await as("warehouse-01", "GET", `/api/commands/${command.id}`)).body.state === "applied",
    );
    const { body } = await as("warehouse-01", "GET", "/api/stock?sku=PUMP-001&location=warehouse-01");
    expect(body.data[0].on_hand).toBe(13);
  });

  it("end the wait at the gateway's 25 s for whatever else is stuck", async ({ expect }) => {
    const stuck = gate();
    const waiting = { connected: () => stuck.pass().then(() => ({})) };
    wrapBindings({
      HUB: (real) =>
        Object.assign(
          aroundHubs(real, (work) => work()),
          { get: () => waiting },
        ),
    });
    let answered = false;
    const asked = as("manager-north", "GET", "/api/devices/connected").finally(() => (answered = true));
    await until("the hub is asked", async () => stuck.waiting() > 0);
    moveClock(config.GATEWAY_DEADLINE_MS - 1_000);
    expect((await call("/health")).status).toBe(200);
    expect(answered).toBe(false);
    moveClock(1_001);
    expectProblem(expect, await asked, 504, "DEADLINE_EXCEEDED");
    stuck.open();
    wrapBindings({});
    expect((await as("manager-north", "GET", "/api/devices/connected")).status).toBe(200);
  });
});

it("answers reads well under 200 ms beyond a bare answer", async ({ expect }) => {
  const samples = { bare: [] as number[], status: [] as number[], list: [] as number[] };
  const { body } = await as("ops", "GET", "/api/requests?limit=1");
  const path = `/api/requests/${body.data[0].request_id}`;
  for (let round = 0; round < 40; round++) {
    samples.bare.push(await timed(() => call("/health").then((answer) => answer.text())));
    samples.status.push(await timed(() => as("ops", "GET", path)));
    samples.list.push(await timed(() => as("ops", "GET", "/api/parts?category=electronics&supplier=acme")));
  }
  const p95 = {
    bare: percentile(samples.bare, 0.95),
    status: percentile(samples.status, 0.95),
    list: percentile(samples.list, 0.95),
  };
  figure("request-response p95", {
    bare_ms: p95.bare,
    status_query_ms: p95.status,
    parts_list_ms: p95.list,
    status_over_bare: p95.status / p95.bare,
    list_over_bare: p95.list / p95.bare,
  });
  expect(percentile(samples.status, 0.5) - percentile(samples.bare, 0.5)).toBeLessThan(200);
  expect(percentile(samples.list, 0.5) - percentile(samples.bare, 0.5)).toBeLessThan(200);
});
