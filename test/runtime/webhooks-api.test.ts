/** Endpoints of webhooks over the API: who may subscribe to what, secrets that rotate, the log, replays, and refused addresses. */
import { createExecutionContext, createMessageBatch, getQueueResult, waitOnExecutionContext } from "cloudflare:test";
import { afterEach, beforeAll, beforeEach, describe, it } from "vitest";
import { WEBHOOK_ROTATION_MS, WEBHOOKS_PER_OWNER } from "../../src/config.ts";
import type { Env } from "../../src/env.ts";
import { SUBSCRIBER_BITS, wantOf } from "../../src/events/subscriptions.ts";
import worker from "../../src/worker.ts";
import { aroundQueue } from "../support/bindings.ts";
import { approveAll, as, env, quiet, requestIs, startWorld, tokenOf, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { expectProblem } from "../support/problem.ts";
import { holdRelayPoll } from "../support/relay.ts";
import { countRows } from "../support/rows.ts";
import { verified } from "../support/webhook-receiver.ts";
import {
  addIntegrators,
  changeStock,
  deleteEndpoints,
  deliveriesOf,
  deliveryOf,
  subscribed,
  tried,
} from "../support/webhook-world.ts";
import { moveClock, throughWorld, wrapBindings } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await addIntegrators("north", "south");
});
beforeEach(async () => {
  await quiet();
  await holdRelayPoll(); // the poll is run by hand
});
afterEach(async () => {
  wrapBindings({});
  await deleteEndpoints();
});

const url = "https://hooks.waybill.example/api";

/** The product with the settings of a deployment. */
const production = (): Env =>
  new Proxy(throughWorld(env), {
    get: (target, key: keyof Env) => (key === "ENVIRONMENT" ? "production" : target[key]),
  });

describe("subscribing", () => {
  it("answers with the secret, which no later answer holds", async ({ expect }) => {
    const made = await as("integrator", "POST", "/api/webhooks", { url, types: ["OrderEnded", "OrderEnded"] });
    expect(made.status).toBe(201);
    expect(made.headers.get("location")).toBe(`/api/webhooks/${made.body.id}`);
    expect(made.body).toMatchObject({
      id: expect.stringMatching(/^whk_[0-9a-f]{32}$/),
      owner: "integrator",
      region: null,
      url,
      types: ["OrderEnded"],
      state: "active",
      secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
    });
    const { secret, ...shown } = made.body;
    expect((await as("integrator", "GET", `/api/webhooks/${shown.id}`)).body).toEqual(shown);
    expect((await as("integrator", "GET", "/api/webhooks")).body.data).toEqual([shown]);
    const { body: trail } = await as("ops", "GET", `/api/audit?subject=webhook/${shown.id}`);
    expect(trail.data).toMatchObject([{ action: "webhook.created" }]);
    expect(JSON.stringify(trail)).not.toContain(secret);
  });

  it("happens once per key: the same answer with the same secret, and one endpoint", async ({ expect }) => {
    const key = { "idempotency-key": crypto.randomUUID() };
    const [first, second] = [
      await as("integrator", "POST", "/api/webhooks", { url }, key),
      await as("integrator", "POST", "/api/webhooks", { url }, key),
    ];
    expect(second.body).toEqual(first.body);
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    expect((await as("integrator", "GET", "/api/webhooks")).body.meta.count).toBe(1);
  });

  it("without types means all that the caller may hear of: no approvals for an integrator", async ({ expect }) => {
    const { body: integrators } = await as("integrator", "POST", "/api/webhooks", { url });
    const { body: admins } = await as("admin", "POST", "/api/webhooks", { url });
    expect(integrators.types).toContain("ResponseReady");
    expect(integrators.types.filter((type: string) => /^(Approval|Circuit|Import)/.test(type))).toEqual([]);
    expect(admins.types).toEqual(expect.arrayContaining(["ApprovalRequested", "CircuitOpened", "ImportCompleted"]));
  });

  it("to what the caller may not hear of is refused, with the place of each", async ({ expect }) => {
    const answer = await as("integrator", "POST", "/api/webhooks", { url, types: ["OrderEnded", "ApprovalDecided"] });
    expectProblem(expect, answer, 403, "FORBIDDEN");
    expect(answer.body.errors).toMatchObject([{ pointer: "/types/1", value: "ApprovalDecided" }]);
  });

  it.for<[string, object, number]>([
    ["a type that isn't one", { url, types: ["Nothing"] }, 422],
    ["a timer's type", { url, types: ["WebhookDue"] }, 422],
    ["no type", { url, types: [] }, 422],
    ["no address", {}, 422],
    ["an unknown field", { url, secret: "whsec_mine" }, 422],
    ["an unknown region", { url, region: "atlantis" }, 422],
  ])("with %s is refused", async ([, body, status], { expect }) => {
    const rows = await countRows();
    expect((await as("integrator", "POST", "/api/webhooks", body)).status).toBe(status);
    expect(await countRows()).toEqual(rows);
  });

  it("is for the caller's own region; one of every region may choose", async ({ expect }) => {
    const ofNorth = await as("integrator-north", "POST", "/api/webhooks", { url });
    expect(ofNorth.body.region).toBe("north");
    for (const region of ["south", null])
      expectProblem(expect, await as("integrator-north", "POST", "/api/webhooks", { url, region }), 403, "FORBIDDEN");
    expect((await as("integrator", "POST", "/api/webhooks", { url, region: "south" })).body.region).toBe("south");
  });

  it(`ends at ${WEBHOOKS_PER_OWNER} endpoints of one owner, also when they come at once`, async ({ expect }) => {
    const answers = await Promise.all(
      Array.from({ length: WEBHOOKS_PER_OWNER + 3 }, () => as("integrator-south", "POST", "/api/webhooks", { url })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(WEBHOOKS_PER_OWNER);
    for (const answer of answers.filter(({ status }) => status !== 201)) expectProblem(expect, answer, 409, "CONFLICT");
  });
});

describe("rights", () => {
  it.for(["truck-001", "tech-north", "keeper-03", "manager-north", "ops"])(
    "%s may not see or make any",
    async (who, { expect }) => {
      expectProblem(expect, await as(who, "GET", "/api/webhooks"), 403, "FORBIDDEN");
      expectProblem(expect, await as(who, "POST", "/api/webhooks", { url }), 403, "FORBIDDEN");
    },
  );

  it("another's endpoint, its log and its deliveries aren't there for an integrator; an admin sees all", async ({
    expect,
  }) => {
    const endpoint = await subscribed("integrator");
    await changeStock("PUMP-001");
    const { id: deliveryId } = await tried(endpoint, 1);
    const paths: [string, string, object?][] = [
      ["GET", `/api/webhooks/${endpoint.id}`],
      ["PATCH", `/api/webhooks/${endpoint.id}`, { active: false }],
      ["DELETE", `/api/webhooks/${endpoint.id}`],
      ["POST", `/api/webhooks/${endpoint.id}/rotate`],
      ["POST", `/api/webhooks/${endpoint.id}/test`],
      ["GET", `/api/webhooks/${endpoint.id}/deliveries`],
      ["GET", `/api/webhooks/deliveries/${deliveryId}`],
      ["POST", `/api/webhooks/deliveries/${deliveryId}/replay`],
    ];
    for (const [method, path, body] of paths)
      expectProblem(expect, await as("integrator-north", method, path, body), 404, "NOT_FOUND");
    expect((await as("integrator-north", "GET", "/api/webhooks")).body.data).toEqual([]);
    expect((await as("admin", "GET", `/api/webhooks/deliveries/${deliveryId}`)).status).toBe(200);
    expect((await endpoint.received()).requests).toHaveLength(1);
  });
});

describe("who hears of what", () => {
  it("an endpoint of a region hears of its region alone, one of every region of all", async ({ expect }) => {
    const [north, south, all] = [
      await subscribed("integrator-north"),
      await subscribed("integrator-south"),
      await subscribed("integrator"),
    ];
    await changeStock("PUMP-002", "warehouse-01");
    await changeStock("PUMP-002", "warehouse-04");
    await all.has(2);
    await quiet();
    const subjects = async (endpoint: typeof north) =>
      (await endpoint.received()).requests.map(({ body }) => (JSON.parse(body) as { subject: string }).subject);
    expect(await subjects(north)).toEqual(["stock/PUMP-002@warehouse-01"]);
    expect(await subjects(south)).toEqual(["stock/PUMP-002@warehouse-04"]);
    expect(await violations(env.DB)).toEqual([]);
  });

  it("approvals reach an admin's endpoint, and not the integrator's that asked for everything", async ({ expect }) => {
    const [admin, integrator] = [
      await subscribed("admin", { types: ["ApprovalRequested"] }),
      await subscribed("integrator", {}),
    ];
    const { body } = await as("tech-north", "POST", "/api/requests", {
      request_number: `wh-${crypto.randomUUID()}`,
      device_id: "truck-001",
      lines: [{ sku: "PUMP-001", quantity: 4 }],
    });
    await requestIs(body.request_id, "awaiting_approval");
    const [asked] = await admin.has(1);
    expect(JSON.parse(asked?.body ?? "{}")).toMatchObject({
      type: "ApprovalRequested",
      data: { request_id: body.request_id },
    });
    await approveAll(body.request_id, "reject");
    await requestIs(body.request_id, "rejected");
    await quiet();
    const types = (await integrator.received()).requests.map(
      (request) => (JSON.parse(request.body) as { type: string }).type,
    );
    expect(types).toContain("RequestUploaded");
    expect(types.filter((type) => type.startsWith("Approval"))).toEqual([]);
  });

  it("an event wants webhooks only while an active endpoint may hear of it; otherwise its row is as ever", async ({
    expect,
  }) => {
    const lastWant = () =>
      env.DB.prepare("SELECT want FROM outbox WHERE type = 'InventoryUpdated' ORDER BY seq DESC LIMIT 1").first<number>(
        "want",
      );
    const [plain, withHooks] = [wantOf("InventoryUpdated"), wantOf("InventoryUpdated") | SUBSCRIBER_BITS.webhooks];
    await changeStock("PUMP-003");
    expect(await lastWant()).toBe(plain);
    await subscribed("integrator", { types: ["PartUpdated"] });
    await subscribed("integrator-south");
    await changeStock("PUMP-003");
    expect(await lastWant()).toBe(plain);
    const endpoint = await subscribed("integrator-north");
    await changeStock("PUMP-003");
    expect(await lastWant()).toBe(withHooks);
    await as("integrator-north", "PATCH", `/api/webhooks/${endpoint.id}`, { active: false });
    await changeStock("PUMP-003");
    expect(await lastWant()).toBe(plain);
    expect((await endpoint.received()).requests.length).toBeLessThanOrEqual(1);
  });

  it("costs a commit without active endpoints at most one row that is read", async ({ expect }) => {
    const { meta, results } = await env.DB.prepare(
      `SELECT EXISTS (SELECT 1 FROM webhooks WHERE state = 'active' AND region = 'north'
         AND EXISTS (SELECT 1 FROM json_each(types) WHERE value = 'InventoryUpdated')) AS wanted`,
    ).all();
    expect(results).toEqual([{ wanted: 0 }]);
    expect(meta.rows_read).toBeLessThanOrEqual(1);
    const count = await env.DB.prepare("SELECT COUNT(*) AS n FROM webhooks").first<number>("n");
    expect(count, "those of the tests before are kept for their log").toBeGreaterThan(1);
  });
});

describe("changing an endpoint", () => {
  it("by rotating its secret: both sign for a day, then the new one alone", async ({ expect }) => {
    const endpoint = await subscribed();
    const { body: rotated } = await as("integrator", "POST", `/api/webhooks/${endpoint.id}/rotate`);
    expect(rotated.secret).not.toBe(endpoint.secret);
    expect(Date.parse(rotated.previous_secret_until)).toBeGreaterThan(Date.now());
    await changeStock("PUMP-004");
    const [during] = await endpoint.has(1);
    if (!during) throw new Error("no request");
    expect(during.signature.split(" ")).toHaveLength(2);
    for (const secret of [endpoint.secret, rotated.secret])
      expect(verified(secret, during)).toMatchObject({ id: during.id });
    await quiet();
    moveClock(WEBHOOK_ROTATION_MS + 1);
    await changeStock("PUMP-004");
    const [, later] = await endpoint.has(2);
    if (!later) throw new Error("no request");
    expect(verified(rotated.secret, later)).toMatchObject({ id: later.id });
    expect(() => verified(endpoint.secret, later)).toThrow("No matching signature");
  });

  it("turned off it hears nothing, and what was due ends; turned on it goes on", async ({ expect }) => {
    const endpoint = await subscribed();
    const held: (() => Promise<unknown>)[] = [];
    wrapBindings({ WEBHOOKS_QUEUE: (real) => aroundQueue(real, async (send) => void held.push(send)) });
    await changeStock("PUMP-005");
    await until("the try is queued", async () => held.length > 0);
    const off = await as("integrator", "PATCH", `/api/webhooks/${endpoint.id}`, { active: false });
    expect(off.body).toMatchObject({ state: "disabled", reason: "turned off by integrator", version: 2 });
    wrapBindings({});
    for (const send of held) await send();
    expect(await deliveryOf(endpoint, "has ended", ({ state }) => state === "failed")).toMatchObject({
      attempts: 0,
      last_error: "the endpoint is disabled",
    });
    expect((await as("integrator", "POST", `/api/webhooks/${endpoint.id}/test`)).status).toBe(409);
    await as("integrator", "PATCH", `/api/webhooks/${endpoint.id}`, { active: true });
    await changeStock("PUMP-005");
    await endpoint.has(1);
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("deleted it is gone with its secrets, and what was due ends", async ({ expect }) => {
    const endpoint = await subscribed();
    const held: (() => Promise<unknown>)[] = [];
    wrapBindings({ WEBHOOKS_QUEUE: (real) => aroundQueue(real, async (send) => void held.push(send)) });
    await changeStock("PUMP-006");
    await until("the try is queued", async () => held.length > 0);
    expect((await as("integrator", "DELETE", `/api/webhooks/${endpoint.id}`)).status).toBe(204);
    expect((await as("integrator", "GET", `/api/webhooks/${endpoint.id}`)).status).toBe(404);
    expect((await as("integrator", "DELETE", `/api/webhooks/${endpoint.id}`)).status).toBe(404);
    wrapBindings({});
    for (const send of held) await send();
    await quiet();
    const left = await env.DB.prepare(
      "SELECT w.secret, d.state, d.error FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id WHERE w.id = ?",
    )
      .bind(endpoint.id)
      .all();
    expect(left.results).toEqual([{ secret: "", state: "failed", error: "the endpoint is deleted" }]);
    expect((await endpoint.received()).requests).toEqual([]);
  });

  it("rotated by several at once it keeps each rotation that was answered, and tells the others that they lost", async ({
    expect,
  }) => {
    const endpoint = await subscribed();
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => as("integrator", "POST", `/api/webhooks/${endpoint.id}/rotate`)),
    );
    const won = answers.filter(({ status }) => status === 200);
    expect(won.length).toBeGreaterThan(0);
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
    const { body } = await as("integrator", "GET", `/api/webhooks/${endpoint.id}`);
    expect(body.version).toBe(1 + won.length);
  });
});

describe("the log", () => {
  it("pages through the deliveries of an endpoint, newest first, and shows what was sent", async ({ expect }) => {
    const endpoint = await subscribed();
    for (const sku of ["HOSE-001", "HOSE-002", "HOSE-003"]) await changeStock(sku);
    await endpoint.has(3);
    await quiet();
    const path = `/api/webhooks/${endpoint.id}/deliveries`;
    const first = await as("integrator", "GET", `${path}?limit=2&state=delivered`);
    const second = await as("integrator", "GET", `${path}?limit=2&cursor=${first.body.meta.next_cursor}`);
    expect([first.body.meta.count, second.body.meta]).toEqual([2, { count: 1, next_cursor: null }]);
    const ids = [...first.body.data, ...second.body.data].map(({ event_id }: { event_id: string }) => event_id);
    expect(ids).toEqual(ids.toSorted().toReversed());
    expect((await as("integrator", "GET", `${path}?state=failed`)).body.data).toEqual([]);
    const newest = first.body.data[0];
    const one = await as("integrator", "GET", `/api/webhooks/deliveries/${newest.id}`);
    expect(one.body).toMatchObject({ ...newest, event: { id: newest.event_id, type: "InventoryUpdated" } });
    const { requests } = await endpoint.received();
    expect(one.body.event).toEqual(JSON.parse(requests.find(({ id }) => id === newest.event_id)?.body ?? "null"));
  });
});

describe("a replay", () => {
  it("delivers again with the same id and body, once per key, and is in log and trail", async ({ expect }) => {
    const endpoint = await subscribed();
    await changeStock("HOSE-004");
    const { id } = await tried(endpoint, 1);
    const key = { "idempotency-key": crypto.randomUUID() };
    const path = `/api/webhooks/deliveries/${id}/replay`;
    const replays = [
      await as("integrator", "POST", path, undefined, key),
      await as("integrator", "POST", path, undefined, key),
    ];
    expect(replays.map(({ status, body }) => [status, body])).toEqual([
      [202, { delivery_id: id, attempt: 2 }],
      [202, { delivery_id: id, attempt: 2 }],
    ]);
    const delivery = await tried(endpoint, 2);
    await quiet();
    const { requests, taken } = await endpoint.received();
    expect([requests.length, taken, requests[0]?.body === requests[1]?.body]).toEqual([2, 1, true]);
    for (const request of requests) expect(verified(endpoint.secret, request)).toMatchObject({ id: request.id });
    expect([delivery.state, delivery.log.length]).toEqual(["delivered", 2]);
    const { body } = await as("ops", "GET", `/api/audit?subject=webhook/${endpoint.id}`);
    expect(body.data.filter(({ action }: { action: string }) => action.endsWith("replayed"))).toHaveLength(1);
    expect(await violations(env.DB)).toEqual([]);
  });

  it("of one that has failed begins the ladder anew; of one that is pending tries it at once", async ({ expect }) => {
    const endpoint = await subscribed();
    await endpoint.behave({ fail_next: 2 });
    await changeStock("HOSE-005");
    const { id } = await tried(endpoint, 1);
    const path = `/api/webhooks/deliveries/${id}/replay`;
    expect((await as("integrator", "POST", path)).status).toBe(202);
    expect(await tried(endpoint, 2)).toMatchObject({ state: "pending" });
    expect((await as("integrator", "POST", path)).status).toBe(202);
    expect(await tried(endpoint, 3)).toMatchObject({ state: "delivered" });
    moveClock(60_000); // the timers of the ladder that were overtaken come due, and find nothing to do
    await holdRelayPoll();
    await quiet();
    expect((await endpoint.received()).requests).toHaveLength(3);
  });
});

it("a test event reaches its endpoint alone, whatever its types", async ({ expect }) => {
  const [endpoint, other] = [await subscribed("integrator", { types: ["OrderEnded"] }), await subscribed()];
  const { status, headers } = await as("integrator", "POST", `/api/webhooks/${endpoint.id}/test`);
  expect(status).toBe(202);
  const [request] = await endpoint.has(1);
  if (!request) throw new Error("no request");
  expect(verified(endpoint.secret, request)).toMatchObject({
    specversion: "1.0",
    type: "WebhookTest",
    id: request.id,
    data: { webhook_id: endpoint.id, sent_by: "integrator" },
  });
  await tried(endpoint, 1);
  expect((await as("integrator", "GET", headers.get("location") ?? "")).body).toMatchObject({ state: "delivered" });
  expect((await other.received()).requests).toEqual([]);
});

describe("an address inside of a network, in production", () => {
  const PRIVATE = [
    "http://hooks.example.com/",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::ffff:10.0.0.1]/",
    "https://localhost/",
    "https://db.internal./",
    "https://user:pw@hooks.example.com/",
    "https://hooks.example.com:6379/",
    "file:///etc/passwd",
  ];

  /** A call of an app that runs in production. */
  async function ask(method: string, path: string, body: object) {
    const token = await tokenOf("integrator");
    const ctx = createExecutionContext();
    const answer = await worker.fetch(
      new Request(`https://waybill.test${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          "idempotency-key": crypto.randomUUID(),
        },
        body: JSON.stringify(body),
      }),
      production(),
      ctx,
    );
    const text = await answer.text();
    await waitOnExecutionContext(ctx);
    return { status: answer.status, headers: answer.headers, body: JSON.parse(text) };
  }

  it("is refused when subscribing, with its place and a reason, and nothing is written", async ({ expect }) => {
    const rows = await countRows();
    for (const address of PRIVATE) {
      const answer = await ask("POST", "/api/webhooks", { url: address });
      expectProblem(expect, answer, 422, "VALIDATION");
      expect(answer.body.errors).toMatchObject([{ pointer: "/url", detail: expect.any(String) }]);
    }
    expect(await countRows()).toEqual(rows);
  });

  it("is refused when an endpoint is moved there, and a public one is taken", async ({ expect }) => {
    const made = await ask("POST", "/api/webhooks", { url: "https://hooks.example.com/in" });
    expect([made.status, made.body.url]).toEqual([201, "https://hooks.example.com/in"]);
    for (const address of PRIVATE)
      expectProblem(expect, await ask("PATCH", `/api/webhooks/${made.body.id}`, { url: address }), 422, "VALIDATION");
    expect((await as("integrator", "GET", `/api/webhooks/${made.body.id}`)).body.url).toBe(made.body.url);
  });

  it("is refused at the try as well, however it got into the table: no request leaves, and it is told", async ({
    expect,
  }) => {
    const endpoint = await subscribed(); // its host is a name of development
    const bodies: unknown[] = [];
    wrapBindings({
      WEBHOOKS_QUEUE: (real) => aroundQueue(real, async (_, sent) => void bodies.push(...sent)),
    });
    await changeStock("HOSE-006");
    await until("the try is queued", async () => bodies.length > 0);
    wrapBindings({});
    const messages = bodies.map((body, at) => ({ id: `m-${at}`, timestamp: new Date(), attempts: 1, body }));
    const batch = createMessageBatch("webhooks", messages);
    const ctx = createExecutionContext();
    await worker.queue(batch, production(), ctx);
    expect((await getQueueResult(batch, ctx)).explicitAcks).toHaveLength(messages.length);
    expect(await deliveriesOf(endpoint)).toMatchObject([
      { state: "failed", attempts: 0, log: [], last_error: expect.stringContaining("may not be called") },
    ]);
    expect((await endpoint.received()).requests).toEqual([]);
    await quiet();
    const { body } = await as("ops", "GET", `/api/audit?subject=webhook/${endpoint.id}`);
    expect(body.data.map(({ action }: { action: string }) => action)).toContain("webhook.disabled");
    expect(await violations(env.DB)).toEqual([]);
  });
});
