/** Retry and circuit breaker: a response file's way to an archive that fails, and what the breaker spares it. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { afterAll, afterEach, beforeAll, beforeEach, describe, it, type ExpectStatic } from "vitest";
import {
  BREAKER_HEALTH_CHECK_MS,
  BREAKER_WINDOW_MS,
  OPEN_CIRCUIT_SPREAD_MS,
  RETRY_JITTER,
  RETRY_LADDER_MS,
} from "../../src/config.ts";
import { bend } from "../support/bend.ts";
import { as, env, requestIs, startWorld, until } from "../support/harness.ts";
import { deliverMessages, runCron } from "../support/relay.ts";
import { openSocket, type TestSocket } from "../support/socket.ts";
import { standInSupplier } from "../support/stand-in-supplier.ts";
import { uploadLines } from "../support/uploading.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

/** The archive as it is now: both work, both fail, or only the health check works. */
let archive: "up" | "down" | "looks healthy" = "up";
/** How often a file was sent to it. */
let puts = 0;

/** An open circuit holds a message back until its next health check, and a while of the message's own. */
const HELD_AT_MOST_S = (BREAKER_HEALTH_CHECK_MS + OPEN_CIRCUIT_SPREAD_MS) / 1000;

interface Waiting {
  readonly responseId: string;
  readonly delayS: number;
}
/** The `cloud-uploads` queue: what was sent waits here until the test delivers it. */
let waiting: Waiting[] = [];

let ops: TestSocket;

beforeAll(async () => {
  await startWorld();
  ops = await openSocket("ops", { query: "?region=north", hello: { device_type: "person", topics: ["all"] } });
  await ops.frame("topics");
});
beforeEach(() => {
  moveClock(BREAKER_WINDOW_MS); // the failures of another test have aged out
  [archive, puts, waiting] = ["up", 0, []];
  wrapBindings({
    ARCHIVE: (real) =>
      bend(real, {
        put: async (key: string, ...rest: [string, R2PutOptions]) => {
          puts++;
          if (archive !== "up") throw new Error("put: internal error (10001)");
          return real.put(key, ...rest);
        },
        head: async (key: string) => {
          if (archive === "down") throw new Error("head: internal error (10001)");
          return real.head(key);
        },
      }),
    CLOUD_UPLOADS_QUEUE: (real) =>
      bend(real, {
        send: async (body: { response_id: string }, options: QueueSendOptions = {}) =>
          void waiting.push({ responseId: body.response_id, delayS: options.delaySeconds ?? 0 }),
      }),
  });
});
afterEach(() => wrapBindings({}));
afterAll(() => ops.close());

/** A request that has ended and whose response file waits for its first attempt. */
async function ended(): Promise<{ requestId: string; responseId: string }> {
  const requestId = await uploadLines("tech-north", "truck-001", [["TANK-001", 1]]);
  const responseId = (await requestIs(requestId, "completed")).response.response_id as string;
  await until("its upload is queued", async () => waiting.some((one) => one.responseId === responseId));
  return { requestId, responseId };
}

/** Lets the upload's message come when it is due; returns the seconds that the next one is held back, or null: none. */
async function attempt(responseId: string): Promise<number | null> {
  const mine = waiting.filter((one) => one.responseId === responseId);
  const [due] = mine;
  if (!due || mine.length > 1) throw new Error(`${mine.length} messages of one upload`);
  waiting.splice(waiting.indexOf(due), 1);
  moveClock(due.delayS * 1000);
  const acks = await deliverMessages("cloud-uploads", [{ response_id: responseId }]);
  if (acks.length !== 1) throw new Error("the queue's own tries were used");
  return waiting.find((one) => one.responseId === responseId)?.delayS ?? null;
}

async function archiveState(requestId: string): Promise<string> {
  return (await as("truck-001", "GET", `/api/requests/${requestId}`)).body.response.document.state;
}

/** How many attempts the trail says that it took. */
async function attemptsOf(requestId: string): Promise<number> {
  const { body } = await as("ops", "GET", `/api/audit?subject=request/${requestId}`);
  return body.data.find(({ action }: { action: string }) => action === "response.archived").after.attempts;
}

function heard(type: string, dependency: string): number {
  return ops.events.filter(({ event }) => event.type === type && event.data.dependency === dependency).length;
}

function healthCheck(): Promise<boolean> {
  return runDurableObjectAlarm(env.BREAKER.get(env.BREAKER.idFromName("archive")));
}

/** The n-th wait: never shorter than its step, and at most half as long again, in the whole seconds of a queue. */
function expectStep(expect: ExpectStatic, delayS: number | null, step: number): void {
  const ladderS = (RETRY_LADDER_MS[step] ?? Number.NaN) / 1000;
  expect(delayS).toBeGreaterThanOrEqual(ladderS);
  expect(delayS).toBeLessThanOrEqual(Math.ceil(ladderS * (1 + RETRY_JITTER)));
}

describe("an upload to the archive", () => {
  it("that fails twice succeeds at the third attempt, by the ladder, and lies there once", async ({ expect }) => {
    archive = "down";
    const { requestId, responseId } = await ended();
    expectStep(expect, await attempt(responseId), 0);
    expect(await archiveState(requestId)).toBe("queued");
    expectStep(expect, await attempt(responseId), 1);
    archive = "up";
    expect(await attempt(responseId)).toBeNull();

    expect(await archiveState(requestId)).toBe("stored");
    expect(await attemptsOf(requestId)).toBe(3);
    expect((await as("truck-001", "GET", `/api/requests/${requestId}/archive`)).body).toEqual(
      (await as("truck-001", "GET", `/api/requests/${requestId}/response`)).body,
    );
    await deliverMessages("cloud-uploads", [{ response_id: responseId }, { response_id: responseId }]);
    expect(puts).toBe(3);
  });

  it("2.5-R6 is given up after five attempts, told once; the open circuit then spares the next one until the archive is well", async ({
    expect,
  }) => {
    archive = "down";
    const lost = await ended();
    for (let step = 0; step < RETRY_LADDER_MS.length; step++) {
      expectStep(expect, await attempt(lost.responseId), step);
      expect(await archiveState(lost.requestId)).toBe("queued");
    }
    expect(await attempt(lost.responseId)).toBeNull();
    expect(puts).toBe(5);
    expect(await archiveState(lost.requestId)).toBe("failed");
    const told = await ops.event(
      "the error",
      ({ type, data }) => type === "ErrorOccurred" && data.id === lost.responseId,
    );
    expect(told.data).toMatchObject({ code: "ARCHIVE_FAILED", kind: "response", retryable: true });
    expect(told.data.message).toContain("after 5 attempts");
    await ops.event("the outage", ({ type }) => type === "CircuitOpened");

    const next = await ended();
    const first = (await attempt(next.responseId)) ?? 0;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(HELD_AT_MOST_S);
    for (let check = 0; check < 2; check++) {
      expect(await healthCheck()).toBe(true);
      expect(await attempt(next.responseId)).toBeLessThanOrEqual(HELD_AT_MOST_S);
    }
    expect(puts).toBe(5);
    expect(await archiveState(next.requestId)).toBe("queued");

    archive = "looks healthy"; // the one probe that is let through fails: an attempt, and the circuit stays open
    await healthCheck();
    expectStep(expect, await attempt(next.responseId), 0);
    expect(puts).toBe(6);
    expect(await attempt(next.responseId)).toBeGreaterThan(0);
    expect(puts).toBe(6);
    expect(heard("CircuitClosed", "archive")).toBe(0);

    archive = "up";
    await healthCheck();
    expect(await attempt(next.responseId)).toBeNull();
    expect(await archiveState(next.requestId)).toBe("stored");
    expect(await attemptsOf(next.requestId)).toBe(2);
    await ops.event("the recovery", ({ type }) => type === "CircuitClosed");

    const after = await ended();
    expect(await attempt(after.responseId)).toBeNull();
    expect(await attemptsOf(after.requestId)).toBe(1);
    expect([heard("CircuitOpened", "archive"), heard("CircuitClosed", "archive")]).toEqual([1, 1]);
    expect(ops.events.filter(({ event }) => event.type === "ErrorOccurred")).toHaveLength(1);
    const { body: notices } = await as("manager-north", "GET", "/api/notifications");
    expect(notices.data.filter(({ title }: { title: string }) => title.includes("ARCHIVE_FAILED"))).toHaveLength(1);
  });

  it("waits through an outage of half an hour as one message: the cron makes no second one", async ({ expect }) => {
    archive = "down";
    const lost = await ended();
    for (let tries = 0; tries < 5; tries++) await attempt(lost.responseId);
    const next = await ended();
    await attempt(next.responseId);
    for (let minute = 0; minute < 30; minute += 5) {
      moveClock(5 * 60_000);
      await healthCheck();
      await attempt(next.responseId);
      await runCron();
      expect(waiting.map(({ responseId }) => responseId)).toEqual([next.responseId]);
    }
    archive = "up";
    await healthCheck();
    expect(await attempt(next.responseId)).toBeNull();
    expect(await attemptsOf(next.requestId)).toBe(1);
  });

  it("whose message was lost is sent again by the cron", async ({ expect }) => {
    const { requestId, responseId } = await ended();
    waiting = [];
    await runCron();
    expect(waiting).toEqual([]);
    moveClock(11 * 60_000);
    await runCron();
    expect(await attempt(responseId)).toBeNull();
    expect(await archiveState(requestId)).toBe("stored");
  });
});

describe("a refusal (4xx)", () => {
  const order = async (number: string) => {
    const body = { order_number: number, device_id: "truck-005", lines: [{ sku: "ECU-001", quantity: 5 }] };
    const placed = await as("manager-east", "POST", "/api/orders", body);
    return until(`order ${number} has ended`, async () => {
      const answer = await as("manager-east", "GET", `/api/orders/${placed.body.order_id}`);
      return ["Completed", "Cancelled"].includes(answer.body.status) ? answer.body : null;
    });
  };

  it("isn't tried again and doesn't open the circuit, however often it comes", async ({ expect }) => {
    await env.DB.prepare("UPDATE people SET self_approval_limit = 100000000 WHERE id = 'manager-east'").run();
    const supplier = (await order("before")).purchase_orders[0].supplier as string;
    await standInSupplier(supplier).switchOn({ refuse: true });
    const refused = await Promise.all(Array.from({ length: 6 }, (_, at) => order(`refused-${at}`)));
    for (const one of refused) {
      expect(one).toMatchObject({
        status: "Cancelled",
        error: { step: `purchase:${supplier}`, code: "SUPPLIER_REFUSED" },
      });
    }
    await standInSupplier(supplier).switchOn({});
    expect(await order("after")).toMatchObject({
      status: "Completed",
      purchase_orders: [{ supplier, status: "placed" }],
    });
    expect(heard("CircuitOpened", `supplier:${supplier}`)).toBe(0);
  });
});
