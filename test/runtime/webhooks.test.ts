/** Deliveries of webhooks: an event that was committed reaches each endpoint that wants it, signed, once for its receiver. */
import { afterEach, beforeAll, beforeEach, describe, it } from "vitest";
import {
  RETRY_JITTER,
  WEBHOOK_HOLD_MAX_MS,
  WEBHOOK_LADDER_MS,
  WEBHOOK_LIFE_MS,
  WEBHOOK_RETENTION_MS,
  WEBHOOK_TIMEOUT_MS,
} from "../../src/config.ts";
import { aroundDatabase } from "../support/bindings.ts";
import { as, env, quiet, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { holdRelayPoll } from "../support/relay.ts";
import { verified, webhookReceiver } from "../support/webhook-receiver.ts";
import {
  after,
  changeStock,
  checkHealth,
  deleteEndpoints,
  deliveriesOf,
  deliveryOf,
  subscribed,
  tried,
} from "../support/webhook-world.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
beforeEach(async () => {
  await quiet();
  await holdRelayPoll(); // the poll is run by hand
});
afterEach(async () => {
  wrapBindings({});
  await deleteEndpoints();
});

/** The longest that the wait after the nth failed try may take. */
const waitAfter = (attempt: number) => (WEBHOOK_LADDER_MS[attempt - 1] ?? 0) * (1 + RETRY_JITTER);

/** What someone was told of an endpoint. */
async function noticesOf(who: string, webhookId: string): Promise<string[]> {
  const { body } = await as(who, "GET", "/api/notifications");
  return body.data.map(({ title }: { title: string }) => title).filter((title: string) => title.includes(webhookId));
}

describe("a delivery", () => {
  it("brings the CloudEvent, signed, and is logged with status and latency", async ({ expect }) => {
    const endpoint = await subscribed();
    await changeStock("PUMP-001");
    const [request] = await endpoint.has(1);
    if (!request) throw new Error("no request");
    const event = verified(endpoint.secret, request);
    expect(event).toMatchObject({
      specversion: "1.0",
      id: request.id,
      source: "/waybill",
      type: "InventoryUpdated",
      subject: "stock/PUMP-001@warehouse-01",
      dataschema: "/schemas/InventoryUpdated.v1.json",
      data: { sku: "PUMP-001", location: "warehouse-01", quantity_change: 1 },
    });
    expect(await tried(endpoint, 1)).toMatchObject({
      event_id: request.id,
      type: "InventoryUpdated",
      state: "delivered",
      last_status: 204,
      last_error: null,
      next_at: null,
      log: [{ attempt: 1, status: 204, error: null, latency_ms: expect.any(Number) }],
    });
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("doesn't verify once its body was changed on the way", async ({ expect }) => {
    const endpoint = await subscribed();
    await changeStock("PUMP-001");
    const [request] = await endpoint.has(1);
    if (!request) throw new Error("no request");
    const changed = { ...request, body: request.body.replace('"quantity_change":1', '"quantity_change":100') };
    expect(changed.body).not.toBe(request.body);
    expect(() => verified(endpoint.secret, changed)).toThrow("No matching signature");
  });

  it("goes to each endpoint that wants the type, once each, and to no other", async ({ expect }) => {
    const [one, two, other] = [
      await subscribed(),
      await subscribed("admin", { types: ["InventoryUpdated"] }),
      await subscribed("integrator", { types: ["PartUpdated"] }),
    ];
    await changeStock("PUMP-002");
    await changeStock("PUMP-002");
    await Promise.all([one.has(2), two.has(2)]);
    await quiet();
    const ids = async (endpoint: typeof one) => (await endpoint.received()).requests.map(({ id }) => id).toSorted();
    expect(await ids(one)).toEqual(await ids(two));
    expect((await one.received()).taken).toBe(2);
    expect(await other.received()).toEqual({ requests: [], taken: 0 });
  });

  it("that fails is tried again by the ladder, with the same id and body and a signature of its own, until it is taken", async ({
    expect,
  }) => {
    const endpoint = await subscribed();
    await endpoint.behave({ fail_next: 3, status: 503 });
    await changeStock("PUMP-003");
    await tried(endpoint, 1);
    for (const attempt of [1, 2, 3]) {
      await after((WEBHOOK_LADDER_MS[attempt - 1] ?? 0) - 500); // real time passes too, but never that much less
      if (attempt === 3) expect((await endpoint.received()).requests.length).toBeLessThanOrEqual(attempt);
      await after(waitAfter(attempt) - (WEBHOOK_LADDER_MS[attempt - 1] ?? 0) + 500);
      await tried(endpoint, attempt + 1);
    }
    await quiet();
    const { requests, taken } = await endpoint.received();
    expect(requests.map(({ answered }) => answered)).toEqual([503, 503, 503, 204]);
    expect([taken, new Set(requests.map(({ id }) => id)).size, new Set(requests.map(({ body }) => body)).size]).toEqual(
      [1, 1, 1],
    );
    expect(new Set(requests.map(({ timestamp }) => timestamp)).size).toBeGreaterThan(1);
    const delivery = await tried(endpoint, 4);
    expect([delivery.state, delivery.log.map(({ status }) => status)]).toEqual(["delivered", [503, 503, 503, 204]]);
    expect(await violations(env.DB)).toEqual([]);
  });

  it("is given up after the last step of the ladder and never tried again; an endpoint that took nothing is turned off, and its owner told", async ({
    expect,
  }) => {
    const endpoint = await subscribed();
    await endpoint.behave({ fail_next: 1_000 });
    await changeStock("PUMP-004");
    const last = WEBHOOK_LADDER_MS.length + 1;
    for (let attempt = 1; attempt < last; attempt++) {
      const { next_at: nextAt, log } = await tried(endpoint, attempt);
      const wait = Date.parse(nextAt ?? "") - Date.parse(log.at(-1)?.at ?? "");
      expect(wait).toBeGreaterThanOrEqual((WEBHOOK_LADDER_MS[attempt - 1] ?? 0) - 1);
      expect(wait).toBeLessThanOrEqual(waitAfter(attempt) + 50);
      await checkHealth(endpoint); // an open circuit lets one probe through; a closed one has no check to make
      await after(wait + 1);
    }
    const ended = await tried(endpoint, last);
    expect(ended).toMatchObject({ state: "failed", next_at: null, last_error: expect.stringContaining("500") });
    await quiet();
    await changeStock("PUMP-004");
    await after(24 * 60 * 60 * 1000);
    await quiet();
    expect((await endpoint.received()).requests).toHaveLength(last);
    const { body } = await as("integrator", "GET", `/api/webhooks/${endpoint.id}`);
    expect(body).toMatchObject({ state: "disabled", reason: expect.stringContaining("not delivered") });
    expect(await noticesOf("integrator", endpoint.id)).toEqual([expect.stringMatching(/^WEBHOOK_DISABLED/)]);
    expect(await violations(env.DB)).toEqual([]);
  });

  it("that is given up leaves an endpoint on that took another event meanwhile; its owner is told", async ({
    expect,
  }) => {
    const endpoint = await subscribed();
    await endpoint.behave({ fail_next: 1, status: 422 });
    await changeStock("PUMP-008");
    const { id } = await tried(endpoint, 1);
    await changeStock("PUMP-009");
    await endpoint.has(2);
    await endpoint.behave({ fail_next: 1_000, status: 422 });
    const poison = async (attempts: number) =>
      until(`it has been tried ${attempts} times`, async () =>
        (await deliveriesOf(endpoint)).find((one) => one.id === id && one.attempts === attempts),
      );
    const last = WEBHOOK_LADDER_MS.length + 1;
    for (let attempt = 1; attempt < last; attempt++) {
      await poison(attempt);
      await after(waitAfter(attempt) + 1);
    }
    expect(await poison(last)).toMatchObject({ state: "failed", last_status: 422 });
    await quiet();
    expect((await as("integrator", "GET", `/api/webhooks/${endpoint.id}`)).body.state).toBe("active");
    expect(await noticesOf("integrator", endpoint.id)).toEqual([expect.stringMatching(/^WEBHOOK_FAILED/)]);
    expect(await violations(env.DB)).toEqual([]);
  });

  it("waits as long as the receiver asks", async ({ expect }) => {
    const endpoint = await subscribed();
    await endpoint.behave({ fail_next: 1, status: 429, retry_after_s: 120 });
    await changeStock("PUMP-005");
    const { next_at: nextAt, log } = await tried(endpoint, 1);
    const wait = Date.parse(nextAt ?? "") - Date.parse(log[0]?.at ?? "");
    expect([wait >= 120_000, wait < 125_000]).toEqual([true, true]);
    await after(110_000);
    expect((await endpoint.received()).requests).toHaveLength(1);
    await after(20_000);
    expect(await tried(endpoint, 2)).toMatchObject({ state: "delivered" });
  });
});

describe("a crash", () => {
  it("after the POST and before the commit makes a second POST with the same id, which its receiver knows", async ({
    expect,
  }) => {
    const endpoint = await subscribed();
    let crashes = 0;
    wrapBindings({
      DB: (real) =>
        aroundDatabase(real, (work, sql) => {
          const isOurs = sql.some((text) => text.includes("INSERT INTO webhook_attempts"));
          if (isOurs && ++crashes === 1) throw new Error("the isolate is gone");
          return work();
        }),
    });
    await changeStock("PUMP-006");
    await endpoint.has(2);
    await deliveryOf(endpoint, "is delivered", ({ state }) => state === "delivered");
    await quiet();
    const { requests, taken } = await endpoint.received();
    expect([requests.length, new Set(requests.map(({ id }) => id)).size, taken]).toEqual([2, 1, 1]);
    expect(requests[0]?.body).toBe(requests[1]?.body);
    expect(await tried(endpoint, 1)).toMatchObject({ state: "delivered", log: [{ attempt: 1 }] });
    expect(await violations(env.DB)).toEqual([]);
  });

  it("after the commit makes none: the reply that was lost changes nothing", async ({ expect }) => {
    const endpoint = await subscribed();
    let lost = 0;
    wrapBindings({
      DB: (real) =>
        aroundDatabase(real, async (work, sql) => {
          const reply = await work();
          if (sql.some((text) => text.includes("INTO webhook_")) && ++lost <= 2) throw new Error("the reply is lost");
          return reply;
        }),
    });
    await changeStock("PUMP-007");
    await until("the delivery has begun", async () => (await deliveriesOf(endpoint)).length > 0);
    await after(0); // whoever lost the reply kicks nobody: the poll finds the timer
    await deliveryOf(endpoint, "is delivered", ({ state }) => state === "delivered");
    await quiet();
    expect([lost >= 2, (await endpoint.received()).requests.length]).toEqual([true, 1]);
    expect(await deliveriesOf(endpoint)).toHaveLength(1);
  });
});

describe("a receiver that misbehaves", () => {
  it("by hanging costs one time-out: the call is given up and tried again", async ({ expect }) => {
    const endpoint = await subscribed();
    await endpoint.behave({ delay_ms: 15_000 });
    await changeStock("HOSE-001");
    await endpoint.has(1);
    moveClock(WEBHOOK_TIMEOUT_MS + 1);
    const { last_error: error, last_status: status } = await tried(endpoint, 1);
    expect([error, status]).toEqual([expect.stringContaining("no answer within 10000 ms"), null]);
    await endpoint.behave({});
    await after(waitAfter(1) + 1);
    expect(await tried(endpoint, 2)).toMatchObject({ state: "delivered" });
  });

  it("by hanging keeps nobody else waiting: other endpoints get theirs, other subscribers and later events go on", async ({
    expect,
  }) => {
    const [slow, fast] = [await subscribed(), await subscribed()];
    await slow.behave({ delay_ms: 15_000 });
    await changeStock("PUMP-001");
    await slow.has(1);
    expect(await tried(fast, 1)).toMatchObject({ state: "delivered" });
    await changeStock("PUMP-002");
    await until("both events have their effects everywhere, but for the tries", async () => {
      const open = await env.DB.prepare(
        "SELECT COUNT(*) AS n FROM outbox WHERE type <> 'WebhookDue' AND done <> want AND parked_at IS NULL AND not_before = ''",
      ).first<number>("n");
      return open === 0;
    });
    expect((await deliveriesOf(slow)).map(({ state, attempts }) => [state, attempts])).toEqual([
      ["pending", 0],
      ["pending", 0],
    ]);
    await slow.behave({});
    moveClock(WEBHOOK_TIMEOUT_MS + 1);
    await until("the slow one has got its events too", async () => {
      await after(2_000);
      return (await deliveriesOf(slow)).every(({ state }) => state === "delivered");
    });
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("by a huge answer is delivered to all the same: nothing of it is read", async ({ expect }) => {
    const endpoint = await subscribed();
    await endpoint.behave({ huge: true });
    await changeStock("HOSE-002");
    expect(await tried(endpoint, 1)).toMatchObject({ state: "delivered", last_status: 200 });
  });

  it("by a redirect to a private address leads nowhere: it is a try that failed", async ({ expect }) => {
    const endpoint = await subscribed();
    await endpoint.behave({ fail_next: 1, status: 307, location: "http://169.254.169.254/latest/meta-data/" });
    await changeStock("HOSE-003");
    expect(await tried(endpoint, 1)).toMatchObject({
      state: "pending",
      last_status: 307,
      last_error: expect.stringContaining("redirects aren't followed"),
    });
    await after(waitAfter(1) + 1);
    expect(await tried(endpoint, 2)).toMatchObject({ state: "delivered" });
  });

  it("by 410 Gone turns its endpoint off: what else is due to it ends, and nothing new begins", async ({ expect }) => {
    const endpoint = await subscribed();
    await endpoint.behave({ fail_next: 1, status: 500 });
    await changeStock("HOSE-004");
    await tried(endpoint, 1);
    await endpoint.behave({ fail_next: 1, status: 410 });
    await changeStock("HOSE-004");
    await until("the endpoint is off", async () => {
      const { body } = await as("integrator", "GET", `/api/webhooks/${endpoint.id}`);
      return body.state === "disabled" && body.reason.includes("410");
    });
    await after(waitAfter(1) + 1);
    const ended = await until("both deliveries have ended", async () => {
      const all = await deliveriesOf(endpoint);
      return all.every(({ state }) => state === "failed") ? all : null;
    });
    expect(ended.map(({ last_error: error }) => error ?? "").toSorted()).toEqual([
      expect.stringContaining("410"),
      "the endpoint is disabled",
    ]);
    await changeStock("HOSE-004");
    await quiet();
    expect([(await endpoint.received()).requests.length, (await deliveriesOf(endpoint)).length]).toEqual([2, 2]);
    expect(await violations(env.DB)).toEqual([]);
  });

  it("by 410 at an address that its owner is just leaving turns nothing off: the delivery goes to the new one", async ({
    expect,
  }) => {
    const [endpoint, elsewhere] = [await subscribed(), webhookReceiver(`moved-${crypto.randomUUID()}`)];
    await endpoint.behave({ fail_next: 1, status: 410 });
    let moved = 0;
    wrapBindings({
      DB: (real) =>
        aroundDatabase(real, async (work, sql) => {
          const isOurs = sql.some((text) => text.includes("INSERT INTO webhook_attempts"));
          if (isOurs && ++moved === 1)
            await env.DB.prepare("UPDATE webhooks SET url = ?, version = version + 1 WHERE id = ?")
              .bind(elsewhere.url, endpoint.id)
              .run();
          return work();
        }),
    });
    await changeStock("HOSE-008");
    const [request] = await elsewhere.has(1);
    expect(request?.id).toBe((await endpoint.received()).requests[0]?.id);
    expect(await tried(endpoint, 1)).toMatchObject({ state: "delivered" });
    expect((await as("integrator", "GET", `/api/webhooks/${endpoint.id}`)).body.state).toBe("active");
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("for long opens its circuit: deliveries wait without a try being counted, and go out after one that works", async ({
    expect,
  }) => {
    const endpoint = await subscribed();
    await endpoint.behave({ fail_next: 5 });
    for (let event = 0; event < 5; event++) await changeStock("HOSE-005");
    await endpoint.has(5);
    const tries = async () => (await deliveriesOf(endpoint)).flatMap(({ log }) => log).length;
    await until("five tries are counted", async () => (await tries()) === 5);
    await changeStock("HOSE-006");
    const held = await until("the sixth is held", async () =>
      (await deliveriesOf(endpoint)).find(
        ({ attempts, last_error: error }) => attempts === 0 && error?.includes("on hold"),
      ),
    );
    expect([held.attempts, held.state, held.log, (await endpoint.received()).requests.length]).toEqual([
      0,
      "pending",
      [],
      5,
    ]);
    await checkHealth(endpoint);
    await after(60_000);
    await until("all are delivered", async () => {
      await after(30_000);
      return (await deliveriesOf(endpoint)).every(({ state }) => state === "delivered");
    });
    await quiet();
    const { requests, taken } = await endpoint.received();
    expect([requests.length, taken]).toEqual([11, 6]);
    expect((await deliveriesOf(endpoint)).find(({ id }) => id === held.id)).toMatchObject({ attempts: 1 });
    expect(await violations(env.DB)).toEqual([]);
  });

  it("for two days ends its deliveries without an end of tries: they are given up and it is turned off", async ({
    expect,
  }) => {
    const endpoint = await subscribed();
    await endpoint.behave({ fail_next: 1_000 });
    for (let event = 0; event < 5; event++) await changeStock("HOSE-007");
    await endpoint.has(5);
    await until("all wait on an open circuit", async () => {
      await after(2_000);
      const all = await deliveriesOf(endpoint);
      return all.length === 5 && all.every(({ last_error: error }) => error?.includes("on hold"));
    });
    const before = (await endpoint.received()).requests.length;
    await after(WEBHOOK_LIFE_MS / 2);
    await until("all wait again, for half an hour at most", async () => {
      const waits = (await deliveriesOf(endpoint)).map(({ next_at: at }) => Date.parse(at ?? "") - testClock.now());
      return waits.every((wait) => wait > 0 && wait <= WEBHOOK_HOLD_MAX_MS * (1 + RETRY_JITTER));
    });
    await after(WEBHOOK_LIFE_MS / 2);
    await until("all have ended", async () => (await deliveriesOf(endpoint)).every(({ state }) => state === "failed"));
    await quiet();
    expect((await as("integrator", "GET", `/api/webhooks/${endpoint.id}`)).body).toMatchObject({
      state: "disabled",
      reason: expect.stringContaining("failing for too long"),
    });
    expect((await endpoint.received()).requests).toHaveLength(before);
    expect(await noticesOf("integrator", endpoint.id)).toEqual([expect.stringMatching(/^WEBHOOK_DISABLED/)]);
    expect(await violations(env.DB)).toEqual([]);
  });
});

it("deliveries that have ended are forgotten with their log after 30 days, and what is pending never", async ({
  expect,
}) => {
  const endpoint = await subscribed();
  await changeStock("PUMP-001");
  await tried(endpoint, 1);
  await env.DB.prepare(
    `INSERT INTO webhook_deliveries(id, webhook_id, event_id, type, event, state, round_at, created_at, updated_at)
     SELECT 'whd_waits', webhook_id, 'evt_waits', type, event, 'pending', round_at, created_at, updated_at FROM webhook_deliveries
     WHERE webhook_id = ?`,
  )
    .bind(endpoint.id)
    .run();
  const left = async () => {
    await after(0);
    const rows = await env.DB.prepare(
      `SELECT d.state, COUNT(a.attempt) AS logged FROM webhook_deliveries d LEFT JOIN webhook_attempts a ON a.delivery_id = d.id
       WHERE d.webhook_id = ? GROUP BY d.id ORDER BY d.state`,
    )
      .bind(endpoint.id)
      .all();
    return rows.results;
  };
  moveClock(WEBHOOK_RETENTION_MS - 60_000);
  expect(await left()).toEqual([
    { state: "delivered", logged: 1 },
    { state: "pending", logged: 0 },
  ]);
  moveClock(120_000);
  expect(await left()).toEqual([{ state: "pending", logged: 0 }]);
  await env.DB.prepare("DELETE FROM webhook_deliveries WHERE id = 'whd_waits'").run();
  const orphans = await env.DB.prepare(
    "SELECT COUNT(*) AS n FROM webhook_attempts WHERE delivery_id NOT IN (SELECT id FROM webhook_deliveries)",
  ).first<number>("n");
  expect(orphans).toBe(0);
});
