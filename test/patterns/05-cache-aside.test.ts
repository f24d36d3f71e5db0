/** Cache-aside: a hit asks no database, a change drops what it made stale, and a broken cache only makes answers slower. */
import { afterEach, beforeAll, beforeEach, describe, it } from "vitest";
import {
  CACHE_FOLLOWER_WAIT_MS,
  CACHE_READ_TIMEOUT_MS,
  CACHE_SECOND_DROP_MS,
  PARTS_CACHE_TTL_S,
} from "../../src/config.ts";
import { aroundCache, aroundDatabase, gate, type CacheCall } from "../support/bindings.ts";
import { figure, percentile, timed } from "../support/figures.ts";
import { as, call, env, quiet, startWorld, until, type Answer } from "../support/harness.ts";
import { holdRelayPoll, runRelayAlarm } from "../support/relay.ts";
import { sent, updateInventory } from "../support/stock.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
beforeEach(async () => {
  await quiet();
  await holdRelayPoll(); // so that the only calls of the database are the test's own
});
afterEach(() => wrapBindings({}));

const get = (path: string): Promise<Answer<any>> => as("ops", "GET", path);

async function cacheOf(path: string): Promise<"HIT" | "MISS"> {
  const { status, headers, body } = await get(path);
  if (status !== 200 || body.meta.cache !== headers.get("x-cache")) throw new Error(`${path}: ${JSON.stringify(body)}`);
  return body.meta.cache;
}

async function priceOf(sku: string): Promise<{ cache: string; price: number }> {
  const { body } = await get(`/api/parts/${sku}`);
  return { cache: body.meta.cache, price: body.data.list_price.amount };
}

/** Changes the price as `admin` does, until the command is applied. */
async function setPrice(sku: string, price: number): Promise<void> {
  const done = await sent("admin", { type: "UpdatePart", data: { sku, list_price: price } });
  if (done.state !== "applied") throw new Error(JSON.stringify(done));
}

/** Fills the cache and waits until it serves: the fill lands after the answer. */
async function warm(...paths: string[]): Promise<void> {
  for (const path of paths) await until(`${path} is cached`, async () => (await cacheOf(path)) === "HIT");
}

describe("a read", () => {
  it("misses once and then hits, one part and each page of a list by itself", async ({ expect }) => {
    for (const path of [
      "/api/parts/LAMP-001",
      "/api/parts?category=fuel&limit=5",
      "/api/parts?category=fuel&limit=6",
    ]) {
      expect(await cacheOf(path)).toBe("MISS");
      await warm(path);
      expect((await get(path)).body.data).toEqual((await get(path)).body.data);
    }
  });

  it("asks the database nothing on a hit", async ({ expect }) => {
    const paths = ["/api/parts/LAMP-002", "/api/parts?category=fuel&supplier=borealis"];
    let calls = 0;
    wrapBindings({
      DB: (real) =>
        aroundDatabase(real, (work) => {
          calls++;
          return work();
        }),
    });
    for (const path of paths) {
      calls = 0;
      expect(await cacheOf(path)).toBe("MISS");
      expect(calls).toBe(1);
      await warm(path);
      calls = 0;
      for (let again = 0; again < 10; again++) expect(await cacheOf(path)).toBe("HIT");
      expect(calls).toBe(0);
    }
  });

  it("keeps for 24 h what it loaded, under parts:{sku} and under the catalogue's current version", async ({
    expect,
  }) => {
    const puts: CacheCall[] = [];
    wrapBindings({
      CACHE: (real) =>
        aroundCache(real, (work, facts) => {
          if (facts.method === "put") puts.push(facts);
          return work();
        }),
    });
    await warm("/api/parts/LAMP-003", "/api/parts?category=exhaust");
    expect(puts.map(({ ttlSeconds }) => ttlSeconds)).toEqual(puts.map(() => PARTS_CACHE_TTL_S));
    expect(PARTS_CACHE_TTL_S).toBe(86_400);
    const keys = puts.map(({ key }) => key);
    expect(keys).toContain("parts:LAMP-003");
    const version = JSON.parse((await env.CACHE.get("parts:catalog")) ?? "{}").value;
    expect(keys.at(-1)).toMatch(new RegExp(`^parts:catalog:${version}:[0-9a-f]+$`));
  });

  it("never keeps that a part isn't there", async ({ expect }) => {
    for (let again = 0; again < 2; again++) expect((await get("/api/parts/NONE-001")).status).toBe(404);
    expect(await env.CACHE.get("parts:NONE-001")).toBeNull();
  });

  it("makes one load of many misses at once", async ({ expect }) => {
    const database = gate();
    let asked = 0;
    wrapBindings({
      DB: (real) => aroundDatabase(real, (work) => database.pass().then(work)),
      CACHE: (real) =>
        aroundCache(real, async (work) => {
          const found = await work();
          asked++;
          return found;
        }),
    });
    const reads = Array.from({ length: 25 }, () => get("/api/parts/LAMP-004"));
    await until("all 25 have missed", async () => asked >= 25);
    database.open();
    const answers = await Promise.all(reads);
    expect(database.waiting()).toBe(1);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body.data))).size).toBe(1);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  });

  it("waits for another's load 2 s at most, and then loads by itself", async ({ expect }) => {
    const first = gate();
    let loads = 0;
    let asked = 0;
    wrapBindings({
      DB: (real) => aroundDatabase(real, (work) => (loads++ === 0 ? first.pass().then(work) : work())),
      CACHE: (real) => aroundCache(real, (work) => work().finally(() => asked++)),
    });
    const leader = get("/api/parts/LAMP-005");
    await until("the leader hangs", async () => first.waiting() === 1);
    const followers = Array.from({ length: 5 }, () => get("/api/parts/LAMP-005"));
    await until("all followers have missed", async () => asked === 6);
    moveClock(CACHE_FOLLOWER_WAIT_MS + 1);
    for (const answer of await Promise.all(followers)) expect(answer.body.data.sku).toBe("LAMP-005");
    expect(loads).toBeGreaterThan(1);
    first.open();
    expect((await leader).status).toBe(200);
  });
});

describe("a change", () => {
  it("of a part drops the part and every page of the catalogue, and no other part", async ({ expect }) => {
    const lists = ["/api/parts?category=cooling&limit=3", "/api/parts?q=coolant%20pump&limit=4"];
    await warm("/api/parts/PUMP-001", "/api/parts/PUMP-002", ...lists);
    await setPrice("PUMP-001", 15_555);
    await until("the new price shows", async () => (await priceOf("PUMP-001")).price === 15_555);
    await until(
      "the list shows it",
      async () => (await get(lists[0] ?? "")).body.data[0]?.list_price.amount !== 14_995,
    );
    for (const path of lists) {
      const { body } = await get(path);
      for (const part of body.data)
        if (part.sku === "PUMP-001") expect(part).toMatchObject({ list_price: { amount: 15_555 }, version: 2 });
    }
    expect(await cacheOf("/api/parts/PUMP-002")).toBe("HIT");
  });

  it("of stock drops the part that it is of, and leaves the pages, which show no stock", async ({ expect }) => {
    const list = "/api/parts?category=cooling&limit=2";
    await warm("/api/parts/RADI-001", list);
    await sent("warehouse-01", updateInventory("warehouse-01", "RADI-001", 3, "Bin-R-01"));
    await until("the part is dropped", async () => (await cacheOf("/api/parts/RADI-001")) === "MISS");
    expect(await cacheOf(list)).toBe("HIT");
  });

  it("scenario 29: is dropped again 120 s later, so that a reader who put the old value back is stale no longer than that", async ({
    expect,
  }) => {
    const put = gate();
    wrapBindings({
      CACHE: (real) => aroundCache(real, (work, { method }) => (method === "put" ? put.pass().then(work) : work())),
    });
    const old = await priceOf("THER-001");
    await until("the reader is about to fill the cache", async () => put.waiting() === 1);
    await setPrice("THER-001", old.price + 100);
    await quiet();
    put.open();
    await until("the old value is back", async () => (await env.CACHE.get("parts:THER-001")) !== null);
    wrapBindings({});
    expect(await priceOf("THER-001")).toEqual({ cache: "HIT", price: old.price });

    moveClock(CACHE_SECOND_DROP_MS - 5_000);
    await runRelayAlarm();
    await quiet();
    expect((await priceOf("THER-001")).cache).toBe("HIT");
    moveClock(5_001);
    await runRelayAlarm();
    await until("the second drop has come", async () => (await env.CACHE.get("parts:THER-001")) === null);
    expect(await priceOf("THER-001")).toEqual({ cache: "MISS", price: old.price + 100 });
  });
});

describe("a cache that can't be trusted", () => {
  it("is missed where its value is broken, of another version, or another part's", async ({ expect }) => {
    const path = "/api/parts/STRT-001";
    await warm(path, "/api/parts/STRT-002");
    const right = (await get(path)).body.data;
    const other = (await env.CACHE.get("parts:STRT-002")) ?? "";
    const stored = JSON.parse((await env.CACHE.get("parts:STRT-001")) ?? "{}");
    for (const [what, value] of [
      ["no JSON", "{half"],
      ["empty", ""],
      ["null", "null"],
      ["a list", "[]"],
      ["a newer version", JSON.stringify({ ...stored, v: 2 })],
      ["no version", JSON.stringify(stored.value)],
      ["a shape of its own", JSON.stringify({ v: 1, value: { sku: "STRT-001" } })],
      ["a wrong type", JSON.stringify({ v: 1, value: { ...stored.value, list_price: "12" } })],
      ["another part", other],
    ] as const) {
      await env.CACHE.put("parts:STRT-001", value);
      const { body } = await get(path);
      expect([what, body.meta.cache, body.data]).toEqual([what, "MISS", right]);
      await warm(path);
    }
  });

  it("is missed where the catalogue's version or a page is broken", async ({ expect }) => {
    const path = "/api/parts?category=electrical&limit=2";
    await warm(path);
    const right = (await get(path)).body.data;
    const version = JSON.parse((await env.CACHE.get("parts:catalog")) ?? "{}").value;
    const { keys } = await env.CACHE.list({ prefix: `parts:catalog:${version}:` });
    for (const key of ["parts:catalog", ...keys.map(({ name }) => name)]) {
      await env.CACHE.put(key, '{"v":1,"value":{"data":7}}');
      const { body, status } = await get(path);
      expect([status, body.data]).toEqual([200, right]);
    }
    await warm(path);
  });

  it("is only slower when it is down or hangs, for reads and for fills", async ({ expect }) => {
    const down = { get: true, put: true, hangs: false };
    const stuck = gate();
    wrapBindings({
      CACHE: (real) =>
        aroundCache(real, async (work, { method }) => {
          if (method === "get" && down.hangs) await stuck.pass();
          if (method !== "delete" && down[method]) throw new Error("KV is down");
          return work();
        }),
    });
    for (const path of ["/api/parts/STRT-003", "/api/parts?category=brakes&limit=3"]) {
      for (let again = 0; again < 3; again++) expect(await cacheOf(path)).toBe("MISS");
    }
    Object.assign(down, { get: false });
    for (let again = 0; again < 3; again++) expect(await cacheOf("/api/parts/STRT-004")).toBe("MISS");
    Object.assign(down, { put: false, hangs: true });
    const slow = get("/api/parts/STRT-005");
    await until("the read of the cache hangs", async () => stuck.waiting() > 0);
    moveClock(CACHE_READ_TIMEOUT_MS + 1);
    const answer = await slow;
    expect([answer.status, answer.body.meta.cache]).toEqual([200, "MISS"]);
    stuck.open();
    Object.assign(down, { hangs: false });
    await warm("/api/parts/STRT-003");
  });

  it("is dropped later when it was down at the change: the subscriber isn't done before", async ({ expect }) => {
    await warm("/api/parts/STRT-006");
    const { price } = await priceOf("STRT-006");
    let failed = 0;
    wrapBindings({
      CACHE: (real) =>
        aroundCache(real, (work, { method }) => {
          if (method !== "delete" || ++failed > 2) return work();
          return Promise.reject(new Error("KV is down"));
        }),
    });
    await setPrice("STRT-006", price + 5);
    await until("the drop has failed", async () => failed > 0);
    expect(await priceOf("STRT-006")).toEqual({ cache: "HIT", price });
    await until("the queue's next try drops it", async () => (await priceOf("STRT-006")).price === price + 5);
  });
});

it("spends several times less on a hit than on a miss, beyond a bare answer", async ({ expect }) => {
  await warm("/api/parts/PUMP-003");
  const { body } = await get("/api/parts?category=engine&limit=60");
  const skus: string[] = body.data.map(({ sku }: { sku: string }) => sku);
  const samples = { bare: [] as number[], hit: [] as number[], miss: [] as number[] };
  // Ten of a kind in a row: the fill that a miss leaves behind would slow whatever comes next.
  for (let at = 0; at + 10 <= skus.length; at += 10) {
    for (let n = 0; n < 10; n++) samples.bare.push(await timed(() => call("/health").then((answer) => answer.text())));
    for (let n = 0; n < 10; n++) samples.hit.push(await timed(() => get("/api/parts/PUMP-003")));
    for (const sku of skus.slice(at, at + 10)) samples.miss.push(await timed(() => get(`/api/parts/${sku}`)));
  }
  const mean = (list: readonly number[]) => list.reduce((sum, one) => sum + one, 0) / list.length;
  const [bare, hit, miss] = [mean(samples.bare), mean(samples.hit), mean(samples.miss)];
  figure("cache-aside mean", {
    bare_ms: bare,
    hit_ms: hit,
    miss_ms: miss,
    miss_over_hit_beyond_bare: (miss - bare) / Math.max(hit - bare, 0.1),
  });
  const p95 = (list: readonly number[]) => percentile(list, 0.95);
  figure("cache-aside p95", { bare_ms: p95(samples.bare), hit_ms: p95(samples.hit), miss_ms: p95(samples.miss) });
  expect(samples.miss.length).toBeGreaterThanOrEqual(40);
  expect(percentile(samples.hit, 0.5)).toBeLessThan(percentile(samples.miss, 0.5));
});
