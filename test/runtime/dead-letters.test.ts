/** How a message dies: once per subscriber, in sight, with its cause, and without harm to what travels beside it. */
import { afterEach, beforeAll, beforeEach, describe, it } from "vitest";
import { aroundDatabase, aroundQueue } from "../support/bindings.ts";
import { MAX_SENDS, RESEND_AFTER_MS } from "../../src/config.ts";
import {
  change,
  die,
  dieAbout,
  letterOf,
  letters,
  outboxRow,
  sickParts,
  type EventMessage,
} from "../support/dead-letters.ts";
import { as, env, quiet, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { deliverMessages, holdRelayPoll, runRelayAlarm } from "../support/relay.ts";
import { countRows } from "../support/rows.ts";
import { openSocket } from "../support/socket.ts";
import { accepted, finished, levelOf, updateInventory } from "../support/stock.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
beforeEach(async () => {
  await quiet();
  await holdRelayPoll(); // the poll is run by hand
});
afterEach(() => wrapBindings({}));

const CACHE_BIT = 16;
const trailOf = async (subject: string) =>
  (await as("ops", "GET", `/api/audit?subject=${subject}`)).body.data.map((one: { action: string }) => one.action);

describe("through the real queues", () => {
  it("scenario 11: a poison message dies after the queue's last try, its siblings are acknowledged, the dead-letter consumer fails once, and a redrive succeeds once", async ({
    expect,
  }) => {
    let sick = true;
    const drops: string[] = [];
    let burials = 0;
    const world = sickParts((sku) => (sick && sku === "PUMP-001" ? "KV is ill" : undefined));
    wrapBindings({
      CACHE: (real) => world.wraps.CACHE(real),
      EVENTS_QUEUE: (real) =>
        aroundQueue(real, (send, bodies) => {
          drops.push(...(bodies as EventMessage[]).map(({ event }) => event.subject));
          return send();
        }),
      DB: (real) =>
        aroundDatabase(real, (call, sql) => {
          const isBurial = sql.some((text) => text.includes("INTO dead_letters"));
          if (isBurial && ++burials === 1) throw new Error("the database is gone for a moment");
          return call();
        }),
    });
    await Promise.all(["PUMP-001", "PUMP-002", "PUMP-003"].map(change));
    await until("the siblings are done", async () =>
      ["parts:PUMP-002", "parts:PUMP-003"].every((key) => world.dropped.includes(key)),
    );
    const [letter] = await until(
      "the message is dead",
      async () => ((await letters()).length > 0 ? letters() : null),
      50_000,
    );
    expect(burials).toBe(2);
    expect(letter).toMatchObject({
      kind: "event",
      queue: "events",
      type: "InventoryUpdated",
      subscriber: "cache-invalidation",
      subject: "stock/PUMP-001@warehouse-01",
      error: "KV is ill",
      attempts: 5,
      deaths: 1,
      state: "open",
    });
    expect(await letters()).toHaveLength(1);
    expect(await outboxRow(letter.event_id)).toMatchObject({ dead: CACHE_BIT });
    moveClock(RESEND_AFTER_MS * 2);
    await runRelayAlarm();
    const sends = () => drops.filter((subject) => subject === "stock/PUMP-001@warehouse-01").length;
    expect(sends()).toBe(1); // the relay sends the dead no more
    await quiet();
    expect(await violations(env.DB)).toEqual([]);

    sick = false;
    const redriven = await as("ops", "POST", `/api/dead-letters/${letter.id}/redrive`);
    expect(redriven.status).toBe(200);
    await until("its effect is there", async () => world.dropped.includes("parts:PUMP-001"));
    await quiet();
    const { want, done, dead } = await outboxRow(letter.event_id);
    expect([done, dead, sends()]).toEqual([want, 0, 2]);
    expect(await violations(env.DB)).toEqual([]);
  }, 90_000);
});

describe("an event", () => {
  it("that fails is noted with each attempt, and the others of its batch are acknowledged", async ({ expect }) => {
    const world = sickParts((sku) => (sku === "PUMP-004" ? "KV is ill" : undefined));
    wrapBindings(world.wraps);
    await change("PUMP-004");
    const [poison] = await until("it is sent", async () => (world.taken.length > 0 ? world.taken : null));
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(await deliverMessages("events", [{ seq: 999_999, event_id: "evt_gone" }, poison])).toEqual(["m-0"]);
    }
    await deliverMessages("dead-letters", [poison], "noted");
    expect(await letterOf(poison as EventMessage)).toMatchObject({ error: "KV is ill", attempts: 3 });
  });

  it("dies for the subscriber that failed: the hub has delivered it, and nobody else gets it again", async ({
    expect,
  }) => {
    const socket = await openSocket("truck-001");
    const world = sickParts((sku) => (sku === "PUMP-005" ? "KV is ill" : undefined));
    wrapBindings(world.wraps);
    const [message] = await dieAbout(world, ["PUMP-005"]);
    const { id, event_id: eventId } = await letterOf(message as EventMessage);
    await socket.event("InventoryUpdated", ({ id: heard }) => heard === eventId);
    expect(await outboxRow(eventId)).toMatchObject({ done: 1, dead: CACHE_BIT });
    const told = await socket.event("ErrorOccurred", ({ data }) => data.id === id);
    expect(told.data).toMatchObject({ code: "DEAD_LETTER", kind: "dead_letter", retryable: true });
    expect(told.data.message).not.toContain("KV is ill");
    expect(await trailOf(`dead_letter/${id}`)).toEqual(["dead_letter.opened"]);
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
    socket.close();
  });

  it("that dies again while its letter is open is counted; one death that the queue brings twice counts once", async ({
    expect,
  }) => {
    const world = sickParts((sku) => (sku === "PUMP-006" ? "KV is ill" : undefined));
    wrapBindings(world.wraps);
    const [message] = await dieAbout(world, ["PUMP-006"]);
    const rows = await countRows();
    await deliverMessages("dead-letters", [message], "second");
    await deliverMessages("dead-letters", [message], "second");
    await Promise.all([1, 2, 3].map(() => deliverMessages("dead-letters", [message], "third")));
    expect(await letterOf(message as EventMessage)).toMatchObject({ deaths: 3, state: "open" });
    expect(await countRows()).toEqual(rows);
  });

  it("that dies five times at once makes one letter", async ({ expect }) => {
    const world = sickParts((sku) => (sku === "PUMP-007" ? "KV is ill" : undefined));
    wrapBindings(world.wraps);
    await change("PUMP-007");
    const [message] = await until("it is sent", async () => (world.taken.length > 0 ? world.taken : null));
    const copies = [1, 2, 3, 4, 5].map((at) => deliverMessages("dead-letters", [message], `copy-${at}`));
    const acked = (await Promise.all(copies)).flat();
    for (const at of [1, 2, 3, 4, 5]) {
      if (!acked.includes(`copy-${at}-0`)) await deliverMessages("dead-letters", [message], `copy-${at}`);
    }
    const about = (await letters("&state=any")).filter(({ event_id: id }) => id === message?.event_id);
    expect(about).toHaveLength(1);
    expect(about[0]).toMatchObject({ deaths: 5, error: expect.stringContaining("no failure was noted") });
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("of a newer version dies in sight, and what travels beside it goes on", async ({ expect }) => {
    await env.DB.prepare(
      `INSERT INTO outbox(event_id, bucket, type, subject, region, event, created_at, want)
       VALUES ('evt_newer', 0, 'PartTeleported', 'part/X', 'north', '{"id":"evt_newer","type":"PartTeleported","subject":"part/X","sequence":1}', ?, 24)`,
    )
      .bind(new Date().toISOString())
      .run();
    const seq = await env.DB.prepare("SELECT seq FROM outbox WHERE event_id = 'evt_newer'").first<number>("seq");
    const message = { seq, event_id: "evt_newer" };
    await die("events", [message]);
    const about = (await letters()).filter(({ event_id: id }) => id === "evt_newer");
    expect(new Set(about.map(({ subscriber }) => subscriber))).toEqual(new Set(["cache-invalidation", "notification"]));
    expect(about[0].error).toContain("not an event of this version");
    expect(await outboxRow("evt_newer")).toEqual({ want: 24, done: 0, dead: 24 });
    await change("HOSE-001");
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("that says that something went wrong makes a letter and no further such event", async ({ expect }) => {
    await env.DB.prepare(
      `INSERT INTO outbox(event_id, bucket, type, subject, region, event, created_at, want)
       VALUES ('evt_error', 0, 'ErrorOccurred', 'event/x', 'north', '{"id":"evt_error"}', ?, 8)`,
    )
      .bind(new Date().toISOString())
      .run();
    const seq = await env.DB.prepare("SELECT seq FROM outbox WHERE event_id = 'evt_error'").first<number>("seq");
    const errors = () =>
      env.DB.prepare("SELECT COUNT(*) AS n FROM outbox WHERE type = 'ErrorOccurred'").first<number>("n");
    const before = await errors();
    await die("events", [{ seq, event_id: "evt_error" }]);
    expect(await letterOf({ event_id: "evt_error" })).toMatchObject({ subscriber: "notification", state: "open" });
    expect(await errors()).toBe(before);
  });
});

describe("a command", () => {
  /** The database without the table of movements: no stock command can be applied. */
  const brokenLedger = (isBroken: () => boolean) => ({
    DB: (real: D1Database) =>
      aroundDatabase(real, (call, sql) => {
        if (isBroken() && sql.some((text) => text.includes("INTO stock_movements")))
          throw new Error("the ledger is ill");
        return call();
      }),
  });

  it("that fails each time is dead, its sender hears of it, and a redrive applies it once", async ({ expect }) => {
    const socket = await openSocket("warehouse-01", { hello: { device_type: "warehouse" } });
    const before = await levelOf("HOSE-002", "warehouse-01");
    let broken = true;
    wrapBindings({
      ...brokenLedger(() => broken),
      COMMANDS_QUEUE: (real) => aroundQueue(real, (send) => (broken ? Promise.resolve() : send())),
    });
    const location = await accepted("warehouse-01", updateInventory("warehouse-01", "HOSE-002", 7, "Bin-D-01"));
    const id = location.split("/").at(-1);
    await die("commands", [{ command_id: id }]);
    expect(await finished("warehouse-01", location)).toMatchObject({ state: "dead", reason: expect.any(String) });
    const [letter] = (await letters()).filter(({ command_id: about }) => about === id);
    expect(letter).toMatchObject({
      kind: "command",
      type: "UpdateInventory",
      error: expect.stringContaining("the ledger is ill"),
      attempts: 1,
    });
    const told = await socket.event("ErrorOccurred", ({ data }) => data.id === id);
    expect(told.data).toMatchObject({ kind: "command", device_id: "warehouse-01" });
    await quiet();
    expect(await violations(env.DB)).toEqual([]);

    broken = false;
    const twice = await Promise.all([1, 2].map(() => as("ops", "POST", `/api/dead-letters/${letter.id}/redrive`)));
    expect(new Set(twice.map(({ status }) => status))).toEqual(new Set([200, 409]));
    expect(await finished("warehouse-01", location)).toMatchObject({ state: "applied", reason: null });
    await deliverMessages("commands", [{ command_id: id }]);
    await quiet();
    expect((await levelOf("HOSE-002", "warehouse-01")).on_hand).toBe(before.on_hand + 7);
    expect(await trailOf(`command/${id}`)).toEqual(expect.arrayContaining(["command.dead", "command.redriven"]));
    expect(await trailOf(`dead_letter/${letter.id}`)).toEqual(["dead_letter.opened", "dead_letter.redriven"]);
    expect(await violations(env.DB)).toEqual([]);
    socket.close();
  });

  it("that the queue loses each time is given up in sight after four sends, not in silence", async ({ expect }) => {
    let sends = 0;
    let lost = true;
    wrapBindings({
      COMMANDS_QUEUE: (real) => aroundQueue(real, async (send) => (lost ? void sends++ : send())),
    });
    const location = await accepted("warehouse-01", updateInventory("warehouse-01", "HOSE-003", 1, "Bin-D-01"));
    await until("it is sent", async () => sends === 1);
    for (let more = 2; more <= MAX_SENDS + 2; more++) {
      moveClock(RESEND_AFTER_MS + 1);
      await runRelayAlarm();
    }
    expect(sends).toBe(MAX_SENDS);
    expect(await finished("warehouse-01", location)).toMatchObject({ state: "dead" });
    const id = location.split("/").at(-1);
    const [letter] = (await letters()).filter(({ command_id: about }) => about === id);
    expect(letter).toMatchObject({ error: `sent ${MAX_SENDS} times, never finished by its consumer` });
    lost = false;
    expect((await as("ops", "POST", `/api/dead-letters/${letter.id}/redrive`)).status).toBe(200);
    expect(await finished("warehouse-01", location)).toMatchObject({ state: "applied" });
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("that was applied meanwhile isn't dead, whatever died of it", async ({ expect }) => {
    const location = await accepted("warehouse-01", updateInventory("warehouse-01", "HOSE-004", 1, "Bin-D-01"));
    expect(await finished("warehouse-01", location)).toMatchObject({ state: "applied" });
    const rows = await countRows();
    await quiet();
    await deliverMessages("dead-letters", [{ command_id: location.split("/").at(-1) }], "late");
    expect(await countRows()).toEqual(rows);
    expect(await finished("warehouse-01", location)).toMatchObject({ state: "applied" });
  });
});

describe("any other message", () => {
  it.for([
    ["events", { event: "no id" }],
    ["commands", "garbage"],
    ["uploads", { action: "PutObject" }],
    ["cloud-uploads", null],
  ] as const)(
    "that the queue %s can't read is a dead letter at once, and acknowledged",
    async ([queue, body], { expect }) => {
      const acked = await deliverMessages(queue, [body], `unread-${queue}`);
      expect(acked).toHaveLength(1);
      const [letter] = (await letters()).filter((one) => one.queue === queue && one.kind === "message");
      expect(letter).toMatchObject({ kind: "message", type: null, subscriber: null, deaths: 1, attempts: 1 });
      const detail = (await as("ops", "GET", `/api/dead-letters/${letter.id}`)).body;
      expect(detail.body).toEqual(body);
      await deliverMessages(queue, [body], `unread-again-${queue}`);
      expect((await letters()).filter((one) => one.queue === queue && one.kind === "message")).toMatchObject([
        { deaths: 2 },
      ]);
    },
  );

  it("is sent again to the queue that its shape tells; a crash between the sending and the closing loses nothing", async ({
    expect,
  }) => {
    const body = {
      action: "PutObject",
      bucket: "waybill-files",
      object: { key: "uploads/nobody", size: 1, eTag: "x" },
      eventTime: new Date().toISOString(),
    };
    await deliverMessages("dead-letters", [body], "raw");
    const [letter] = (await letters()).filter((one) => one.queue === "uploads" && one.attempts === 5);
    let [sends, crash] = [0, true];
    wrapBindings({
      UPLOADS_QUEUE: (real) => aroundQueue(real, (send) => (sends++, send())),
      DB: (real) =>
        aroundDatabase(real, (call, sql) => {
          if (crash && sql.some((text) => text.includes("UPDATE dead_letters"))) throw new Error("crashed");
          return call();
        }),
    });
    expect((await as("ops", "POST", `/api/dead-letters/${letter.id}/redrive`)).status).toBe(500);
    expect([sends, (await as("ops", "GET", `/api/dead-letters/${letter.id}`)).body.state]).toEqual([1, "open"]);
    crash = false;
    expect((await as("ops", "POST", `/api/dead-letters/${letter.id}/redrive`)).status).toBe(200);
    expect((await as("ops", "POST", `/api/dead-letters/${letter.id}/redrive`)).status).toBe(409);
    expect(sends).toBe(2);
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("of which nobody knows where from is kept, can't be sent, and can be discarded", async ({ expect }) => {
    await deliverMessages("dead-letters", [{ strange: true }], "strange");
    const [letter] = (await letters()).filter((one) => one.queue === "unknown");
    const refused = await as("ops", "POST", `/api/dead-letters/${letter.id}/redrive`);
    expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining("discard it")]);
    const discarded = await as("ops", "POST", `/api/dead-letters/${letter.id}/discard`, { reason: "not ours" });
    expect([discarded.status, discarded.body.state]).toEqual([200, "discarded"]);
  });
});
