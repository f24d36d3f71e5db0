/**
 * A response's document on its way to SharePoint, through the queue, the breaker and the tables, while the other side or we
 * ourselves fail: what its state says, what lies there, and how often it was called.
 */
import { createExecutionContext, createMessageBatch, getQueueResult, runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, beforeAll, beforeEach, describe, it, type ExpectStatic } from "vitest";
import {
  BREAKER_HEALTH_CHECK_MS,
  BREAKER_WINDOW_MS,
  OPEN_CIRCUIT_SPREAD_MS,
  RETRY_LADDER_MS,
} from "../../src/config.ts";
import type { Env } from "../../src/env.ts";
import { aroundDatabase } from "../support/bindings.ts";
import { bend } from "../support/bend.ts";
import { as, env, requestIs, startWorld, until } from "../support/harness.ts";
import { runCron } from "../support/relay.ts";
import { standInGraph } from "../support/stand-in-graph.ts";
import { uploadLines } from "../support/uploading.ts";
import worker from "../support/worker.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";

const graph = standInGraph("uploads");
const SHAREPOINT: Readonly<Record<string, string>> = { DOCUMENT_STORE: "sharepoint", ...graph.variables };

/** The app's variables as this file's deployment has them. */
let variables = SHAREPOINT;
/** The `cloud-uploads` queue: what was sent waits here until the test delivers it. */
let waiting: { readonly responseId: string; readonly delayS: number }[] = [];
/** What happens around a batch that changes where a document stands. */
let aroundChange: <T>(commit: () => Promise<T>) => Promise<T> = (commit) => commit();
/** How many calls the stand-in had when the test began. */
let before = 0;

beforeAll(startWorld);
beforeEach(async () => {
  moveClock(BREAKER_WINDOW_MS); // the failures of another test have aged out
  [variables, waiting, aroundChange] = [SHAREPOINT, [], (commit) => commit()];
  wrapBindings({
    ...Object.fromEntries(Object.keys(SHAREPOINT).map((name) => [name, () => variables[name]])),
    DB: (real) =>
      aroundDatabase(real, (call, sql) =>
        sql.some((text) => text.startsWith("UPDATE cloud_uploads")) ? aroundChange(call) : call(),
      ),
    CLOUD_UPLOADS_QUEUE: (real) =>
      bend(real, {
        send: async (body: { response_id: string }, options: QueueSendOptions = {}) =>
          void waiting.push({ responseId: body.response_id, delayS: options.delaySeconds ?? 0 }),
      }),
  });
  await graph.switchOn({});
  before = (await graph.calls()).length;
});
afterEach(() => wrapBindings({}));

interface Upload {
  readonly requestId: string;
  readonly responseId: string;
}

/** A request that has ended and whose document waits for its first attempt. */
async function ended(): Promise<Upload> {
  const requestId = await uploadLines("tech-north", "truck-001", [["TANK-001", 1]]);
  const responseId = (await requestIs(requestId, "completed")).response.response_id as string;
  await until("its upload is queued", async () => waiting.some((one) => one.responseId === responseId));
  return { requestId, responseId };
}

/** Hands the upload's message to the consumer, now. True: it was acknowledged. */
async function deliver({ responseId }: Upload, deployment: Env = env): Promise<boolean> {
  const message = { id: "m", timestamp: new Date(), attempts: 1, body: { response_id: responseId } };
  const batch = createMessageBatch("cloud-uploads", [message]);
  const ctx = createExecutionContext();
  await worker.queue(batch, deployment, ctx);
  return (await getQueueResult(batch, ctx)).explicitAcks.length === 1;
}

/** Lets the upload's only message come when it is due. */
async function attempt(upload: Upload): Promise<void> {
  const [due, ...others] = waiting.filter(({ responseId }) => responseId === upload.responseId);
  if (!due || others.length > 0) throw new Error(`${others.length + (due ? 1 : 0)} messages of one upload`);
  waiting.splice(waiting.indexOf(due), 1);
  moveClock(due.delayS * 1000);
  if (!(await deliver(upload))) throw new Error("the queue's own tries were used");
}

/** The seconds for which the upload's messages are held back. */
function held({ responseId }: Upload): number[] {
  return waiting.filter((one) => one.responseId === responseId).map(({ delayS }) => delayS);
}

async function documentOf({ requestId }: Upload) {
  return (await as("manager-north", "GET", `/api/requests/${requestId}`)).body.response.document;
}

/** The calls of this test that carried a document. */
async function puts(): Promise<readonly string[]> {
  return (await graph.calls()).slice(before).filter((call) => call.startsWith("PUT"));
}

/** It is stored in SharePoint, as the response is, once, and the trail says so once. */
async function expectStored(expect: ExpectStatic, upload: Upload, attempts: number, times = 1): Promise<void> {
  const document = await documentOf(upload);
  expect(document).toMatchObject({
    store: "sharepoint",
    state: "stored",
    attempts,
    error: null,
    next_attempt_at: null,
  });
  expect(document.link).toBe(`https://sharepoint.waybill.example/uploads/files/${document.path}?web=1`);
  const body = await env.DB.prepare("SELECT body FROM responses WHERE id = ?")
    .bind(upload.responseId)
    .first<string>("body");
  expect(new TextDecoder().decode(await graph.content(document.path))).toBe(body);
  expect((await graph.files()).filter(({ path }) => path.includes(upload.requestId))).toEqual([
    expect.objectContaining({ path: document.path, stored: times }),
  ]);
  expect((await trail(upload)).filter(({ action }) => action === "response.archived")).toEqual([
    expect.objectContaining({ after: { path: document.path, store: "sharepoint", attempts } }),
  ]);
}

async function trail({
  requestId,
}: Upload): Promise<{ action: string; actor: string; after: unknown; reason: string }[]> {
  return (await as("ops", "GET", `/api/audit?subject=request/${requestId}`)).body.data;
}

function errorsTold({ responseId }: Upload): Promise<number | null> {
  const sql = "SELECT COUNT(*) AS n FROM outbox WHERE type = 'ErrorOccurred' AND subject = ?";
  return env.DB.prepare(sql).bind(`response/${responseId}`).first<number>("n");
}

function healthCheck(): Promise<boolean> {
  return runDurableObjectAlarm(env.BREAKER.get(env.BREAKER.idFromName("sharepoint")));
}

function sendAgain(who: string, { requestId }: Upload, headers?: Record<string, string>) {
  return as(who, "POST", `/api/requests/${requestId}/response/upload`, undefined, headers);
}

/** Fails until the ladder ends. */
async function giveUp(upload: Upload): Promise<void> {
  await graph.switchOn({ fail_next: 100 });
  for (let tries = 0; tries <= RETRY_LADDER_MS.length; tries++) await attempt(upload);
}

describe("a document for SharePoint", () => {
  it("is stored at the first attempt, shows where it is, and reads back through us", async ({ expect }) => {
    const upload = await ended();
    const queued = await documentOf(upload);
    expect(queued).toMatchObject({ store: "sharepoint", state: "queued", attempts: 0, link: null, error: null });
    expect(queued.path).toMatch(new RegExp(`^responses/north/\\d{4}-\\d\\d/${upload.requestId}/response.json$`));
    await attempt(upload);

    await expectStored(expect, upload, 1);
    expect(held(upload)).toEqual([]);
    const read = await as("truck-001", "GET", `/api/requests/${upload.requestId}/archive`);
    expect(read.body).toEqual((await as("truck-001", "GET", `/api/requests/${upload.requestId}/response`)).body);
    expect(await env.ARCHIVE.head(queued.path)).toBeNull();
  });

  it.for([
    ["503", { fail_next: 2 }, ["PUT content 503", "PUT content 503", "PUT content 201"], 1],
    ["500", { fail_next: 2, fail_status: 500 }, ["PUT content 500", "PUT content 500", "PUT content 201"], 1],
    [
      "answers that are lost after the bytes",
      { lost_reply_next: 2 },
      ["PUT content 201", "PUT content 200", "PUT content 200"],
      3,
    ],
  ] as const)("by the ladder after two %s, and lies there once", async ([, on, calls, times], { expect }) => {
    const upload = await ended();
    await graph.switchOn(on);
    for (const [step, wait] of RETRY_LADDER_MS.slice(0, 2).entries()) {
      await attempt(upload);
      expect(await documentOf(upload)).toMatchObject({
        state: "queued",
        attempts: step + 1,
        error: expect.any(String),
      });
      expect(held(upload)[0]).toBeGreaterThanOrEqual(wait / 1000);
      expect(held(upload)[0]).toBeLessThanOrEqual(Math.ceil((wait * 1.5) / 1000));
    }
    await attempt(upload);

    await expectStored(expect, upload, 3, times);
    expect(await puts()).toEqual(calls);
    expect(await errorsTold(upload)).toBe(0);
  });

  it("waits as long as Retry-After says, though a message comes twice and the cron looks every minute", async ({
    expect,
  }) => {
    const upload = await ended();
    await graph.switchOn({ fail_next: 1, fail_status: 429, retry_after_s: 3_600 });
    await attempt(upload);
    const [wait = 0, ...more] = held(upload);
    expect([wait >= 3_600, wait < 3_603, more]).toEqual([true, true, []]);
    const { next_attempt_at: next } = await documentOf(upload);
    expect(Date.parse(next) - testClock.now()).toBeGreaterThan(3_590_000);

    waiting = []; // the message of the first attempt comes a second time, and the second one is lost
    moveClock(30 * 60_000);
    expect(await deliver(upload)).toBe(true);
    expect(held(upload)[0]).toBeGreaterThan(1_700);
    expect(held(upload)[0]).toBeLessThanOrEqual(1_803);
    await runCron();
    expect(held(upload)).toHaveLength(1);
    expect(await puts()).toEqual(["PUT content 429"]);
    await attempt(upload);

    await expectStored(expect, upload, 2);
    expect(await puts()).toEqual(["PUT content 429", "PUT content 201"]);
  });

  it("whose message was lost while it waited is sent again by the cron, but not before its time", async ({
    expect,
  }) => {
    const upload = await ended();
    await graph.switchOn({ fail_next: 1, fail_status: 503, retry_after_s: 3_600 });
    await attempt(upload);
    waiting = [];
    for (let minute = 0; minute < 60; minute += 10) {
      moveClock(10 * 60_000);
      await runCron();
      expect(held(upload)).toEqual([]);
    }
    moveClock(11 * 60_000);
    await runCron();
    await attempt(upload);
    await expectStored(expect, upload, 2);
  });

  it("is given up at once when it is refused for good, with the reason, and the circuit stays closed", async ({
    expect,
  }) => {
    const uploads = [];
    for (let n = 0; n < 6; n++) {
      const upload = await ended();
      await graph.switchOn({ fail_next: 1, fail_status: 403 });
      await attempt(upload);
      uploads.push(upload);
    }
    for (const upload of uploads) {
      expect(await documentOf(upload)).toMatchObject({
        state: "failed",
        attempts: 1,
        error: "sharepoint: The caller doesn't have permission to perform the action. (status 403)",
        next_attempt_at: null,
      });
      expect([held(upload), await errorsTold(upload)]).toEqual([[], 1]);
    }
    expect(await puts()).toEqual(Array.from({ length: 6 }, () => "PUT content 403"));
  });

  it("isn't attempted while the sign-in keeps the circuit open, and goes on when the drive answers again", async ({
    expect,
  }) => {
    const lost = await ended();
    await graph.switchOn({ down: true });
    for (let tries = 0; tries < 5; tries++) await attempt(lost);
    expect(await documentOf(lost)).toMatchObject({ state: "failed", attempts: 5 });
    expect(await errorsTold(lost)).toBe(1);

    const upload = await ended();
    const most = (BREAKER_HEALTH_CHECK_MS + OPEN_CIRCUIT_SPREAD_MS) / 1000;
    for (let check = 0; check < 3; check++) {
      await attempt(upload);
      expect(held(upload)[0]).toBeGreaterThan(0);
      expect(held(upload)[0]).toBeLessThanOrEqual(most);
      expect(await documentOf(upload)).toMatchObject({ state: "queued", attempts: 0, error: null });
      await healthCheck();
    }
    expect(await puts()).toHaveLength(5);
    await graph.switchOn({});
    await healthCheck();
    await attempt(upload);
    await expectStored(expect, upload, 1);
  });
});

describe("a crash", () => {
  it("after the bytes and before we noted it: the message comes again, and the document is overwritten", async ({
    expect,
  }) => {
    const upload = await ended();
    waiting = [];
    aroundChange = async () => {
      aroundChange = (commit) => commit();
      throw new Error("the isolate is gone");
    };
    expect(await deliver(upload)).toBe(false);
    expect(await documentOf(upload)).toMatchObject({ state: "queued", attempts: 0 });
    expect(await deliver(upload)).toBe(true);

    await expectStored(expect, upload, 1, 2);
    expect(await puts()).toEqual(["PUT content 201", "PUT content 200"]);
  });

  it("after we noted it: the message comes again, and nothing is called", async ({ expect }) => {
    const upload = await ended();
    waiting = [];
    aroundChange = async (commit) => {
      aroundChange = (call) => call();
      await commit();
      throw new Error("the reply is lost");
    };
    expect(await deliver(upload)).toBe(false);
    expect(await deliver(upload)).toBe(true);

    await expectStored(expect, upload, 1);
    expect(await puts()).toEqual(["PUT content 201"]);
  });

  it("after a failure was counted and before its next message was sent: no attempt is lost or made early", async ({
    expect,
  }) => {
    const upload = await ended();
    waiting = [];
    await graph.switchOn({ fail_next: 1 });
    aroundChange = async (commit) => {
      aroundChange = (call) => call();
      await commit();
      throw new Error("the reply is lost");
    };
    expect(await deliver(upload)).toBe(false);
    expect(await documentOf(upload)).toMatchObject({ state: "queued", attempts: 1 });
    expect(await deliver(upload)).toBe(true);
    expect([held(upload).length, await puts()]).toEqual([1, ["PUT content 503"]]);
    await attempt(upload);
    await expectStored(expect, upload, 2);
  });

  it("two messages at once make one document, one row in the trail, and one of them goes on after a failure", async ({
    expect,
  }) => {
    const upload = await ended();
    waiting = [];
    await graph.switchOn({ fail_next: 2 });
    await Promise.all([deliver(upload), deliver(upload)]);
    expect(await documentOf(upload)).toMatchObject({ state: "queued", attempts: 1 });
    expect(held(upload)).toHaveLength(1);
    moveClock(10_000);
    await Promise.all([deliver(upload), deliver(upload)]);
    await expectStored(expect, upload, 2, 2);
  });
});

describe("a person sends again what was given up", () => {
  it("once, if they may: the ladder begins anew behind the breaker, and the trail says who asked", async ({
    expect,
  }) => {
    const upload = await ended();
    await giveUp(upload);
    expect(await documentOf(upload)).toMatchObject({
      state: "failed",
      attempts: 5,
      error: expect.stringContaining("503"),
    });
    expect([await errorsTold(upload), held(upload)]).toEqual([1, []]);

    for (const [who, status] of [
      ["tech-north", 403],
      ["truck-001", 403],
      ["admin", 403],
      ["manager-east", 404],
    ] as const) {
      expect((await sendAgain(who, upload)).status).toBe(status);
    }
    expect((await sendAgain("ops", upload, { "idempotency-key": "" })).status).toBe(400);
    const key = { "idempotency-key": `again-${upload.requestId}` };
    const first = await sendAgain("manager-north", upload, key);
    const second = await sendAgain("manager-north", upload, key);
    const { path } = await documentOf(upload);
    expect(first).toMatchObject({ status: 202, body: { response_id: upload.responseId, store: "sharepoint", path } });
    expect(first.headers.get("location")).toBe(`/api/requests/${upload.requestId}`);
    expect([second.status, second.body, second.headers.get("idempotent-replayed")]).toEqual([202, first.body, "true"]);
    expect((await sendAgain("ops", upload)).body).toMatchObject({
      code: "CONFLICT",
      detail: /on its way to sharepoint/,
    });
    expect(held(upload)).toEqual([0]);
    expect(await documentOf(upload)).toMatchObject({ state: "queued", attempts: 5 });

    await attempt(upload); // the circuit is open by now: this is no attempt
    expect(await documentOf(upload)).toMatchObject({ state: "queued", attempts: 5 });
    await graph.switchOn({ fail_next: 1 });
    await healthCheck();
    await attempt(upload); // the probe fails: the first attempt of the new ladder
    expect(held(upload)[0]).toBeLessThanOrEqual(2);
    await healthCheck();
    moveClock(OPEN_CIRCUIT_SPREAD_MS);
    await attempt(upload);
    await expectStored(expect, upload, 7);
    expect((await sendAgain("ops", upload)).body).toMatchObject({ code: "CONFLICT", detail: /it is stored/ });
    expect((await trail(upload)).filter(({ action }) => action === "response.upload asked again")).toEqual([
      expect.objectContaining({
        actor: "manager-north",
        after: { store: "sharepoint", path },
        reason: expect.stringContaining("503"),
      }),
    ]);
    expect(await errorsTold(upload)).toBe(1);
  });

  it("and it is given up again: told once more, with all attempts counted", async ({ expect }) => {
    const upload = await ended();
    await graph.switchOn({ fail_next: 2, fail_status: 403 });
    await attempt(upload);
    await sendAgain("ops", upload);
    await attempt(upload);
    expect(await documentOf(upload)).toMatchObject({ state: "failed", attempts: 2 });
    expect(await errorsTold(upload)).toBe(2);
    await sendAgain("ops", upload);
    await attempt(upload);
    await expectStored(expect, upload, 3);
  });

  it("although the queue doesn't take the message: the cron sends it", async ({ expect }) => {
    const upload = await ended();
    await graph.switchOn({ fail_next: 1, fail_status: 403 });
    await attempt(upload);
    const push = waiting.push.bind(waiting);
    waiting.push = () => {
      throw new Error("the queue is down");
    };
    expect((await sendAgain("ops", upload)).status).toBe(202);
    waiting.push = push;
    moveClock(11 * 60_000);
    await runCron();
    await attempt(upload);
    await expectStored(expect, upload, 2);
  });

  it("of a request that has no response yet is refused, and of none at all isn't found", async ({ expect }) => {
    const requestId = await uploadLines("tech-north", "truck-001", [["PUMP-001", 1_000]]);
    const none = { requestId, responseId: "" };
    expect((await sendAgain("ops", none)).body).toMatchObject({ status: 409, code: "CONFLICT", detail: /no document/ });
    expect((await sendAgain("ops", { ...none, requestId: "req_none" })).status).toBe(404);
  });
});

describe("another store", () => {
  /** The app as it is deployed with other variables: an environment of its own. */
  function deployed(others: Readonly<Record<string, string>>): Env {
    variables = others;
    return new Proxy(env, {});
  }

  it("chosen while a document waits: it goes where it was to go, the next one to the new store", async ({ expect }) => {
    const upload = await ended();
    await env.DB.prepare("UPDATE cloud_uploads SET store = 'archive' WHERE response_id = ?")
      .bind(upload.responseId)
      .run();
    await attempt(upload);
    const document = await documentOf(upload);
    expect(document).toMatchObject({ store: "archive", state: "stored", attempts: 1, link: null });
    expect(await (await env.ARCHIVE.get(document.path))?.json()).toEqual(
      (await as("truck-001", "GET", `/api/requests/${upload.requestId}/archive`)).body,
    );
    expect(await puts()).toEqual([]);

    const next = await ended();
    await attempt(next);
    await expectStored(expect, next, 1);
  });

  it("with the way into the old one kept: what waited still goes there", async ({ expect }) => {
    const upload = await ended();
    waiting = [];
    expect(await deliver(upload, deployed({ ...SHAREPOINT, DOCUMENT_STORE: "archive" }))).toBe(true);
    await expectStored(expect, upload, 1);
  });

  it("without a way into the old one: given up in sight, never put elsewhere; sent again it goes to the store of now", async ({
    expect,
  }) => {
    const upload = await ended();
    waiting = [];
    expect(await deliver(upload, deployed({ DOCUMENT_STORE: "archive" }))).toBe(true);
    const document = await documentOf(upload);
    expect(document).toMatchObject({ store: "sharepoint", state: "failed", error: /sharepoint isn't set up any more/ });
    expect([await env.ARCHIVE.head(document.path), await errorsTold(upload), await puts()]).toEqual([null, 1, []]);

    await env.DB.prepare("UPDATE cloud_uploads SET store = 'archive' WHERE response_id = ?")
      .bind(upload.responseId)
      .run();
    variables = SHAREPOINT;
    expect((await sendAgain("ops", upload)).body).toMatchObject({ store: "sharepoint" });
    await attempt(upload);
    await expectStored(expect, upload, 2);
  });
});
