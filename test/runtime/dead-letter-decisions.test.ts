/** What operations decide about dead letters: each decision has its effect once, is in the trail once, and only they may take it. */
import { afterEach, beforeAll, beforeEach, describe, it } from "vitest";
import { OUTBOX_RETENTION_MS } from "../../src/config.ts";
import { aroundHubs } from "../support/bindings.ts";
import { change, dieAbout, die, letterOf, letters, outboxRow, sickParts } from "../support/dead-letters.ts";
import { as, env, quiet, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { deliverMessages, holdRelayPoll, runRelayAlarm } from "../support/relay.ts";
import { expectProblem } from "../support/problem.ts";
import { countRows } from "../support/rows.ts";
import { openSocket } from "../support/socket.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
beforeEach(async () => {
  wrapBindings({});
  await discardAll();
  await quiet();
  await holdRelayPoll();
});
afterEach(() => wrapBindings({}));

/** Leaves no open letter of the tests before. */
async function discardAll(): Promise<void> {
  for (const { id } of await letters()) await as("ops", "POST", `/api/dead-letters/${id}/discard`, { reason: "tidy" });
}

const redrive = (what: string, who = "ops") => as(who, "POST", `/api/dead-letters/${what}`);
const JSON_TYPE = { "content-type": "application/json" };
const trailOf = async (id: string) =>
  (await as("ops", "GET", `/api/audit?subject=dead_letter/${id}`)).body.data.map(
    (one: { action: string }) => one.action,
  );

/** Two causes: HOSE-001 … HOSE-003 with one, PUMP-001 and PUMP-002 with another. `heal` ends both. */
async function twoCauses() {
  let sick = true;
  const errors: Readonly<Record<string, string>> = { HOSE: "KV namespace 12 is ill", PUMP: "KV refused 'it'" };
  const world = sickParts((sku) => (sick ? errors[sku.slice(0, 4)] : undefined));
  wrapBindings(world.wraps);
  const hoses = await dieAbout(world, ["HOSE-001", "HOSE-002", "HOSE-003"]);
  const pumps = await dieAbout(world, ["PUMP-001", "PUMP-002"]);
  return { world, hoses, pumps, heal: () => void (sick = false) };
}

describe("the list", () => {
  it("groups letters by cause: count, first and last, a sample; the largest group first", async ({ expect }) => {
    const { hoses } = await twoCauses();
    const { status, body } = await as("admin", "GET", "/api/dead-letters/groups");
    expect([status, body.meta.count]).toEqual([200, 2]);
    const newest = await letterOf(hoses.at(-1) ?? { event_id: "" });
    expect(body.data[0]).toEqual({
      fingerprint: newest.fingerprint,
      queue: "events",
      type: "InventoryUpdated",
      subscriber: "cache-invalidation",
      count: 3,
      first_died_at: (await letterOf(hoses[0] ?? { event_id: "" })).first_died_at,
      last_died_at: newest.last_died_at,
      sample: { id: newest.id, error: "KV namespace 12 is ill" },
    });
    expect(body.data[1]).toMatchObject({ count: 2, sample: { error: "KV refused 'it'" } });
  });

  it("filters by type, subscriber, fingerprint, state and age, and pages", async ({ expect }) => {
    await twoCauses();
    const [newest] = await letters();
    const counts = async (query: string) => (await letters(query)).length;
    expect(await counts(`&fingerprint=${newest.fingerprint}`)).toBe(2);
    expect(await counts("&type=InventoryUpdated&subscriber=cache-invalidation")).toBe(5);
    expect(await Promise.all([counts("&type=PartUpdated"), counts("&subscriber=notification")])).toEqual([0, 0]);
    expect(await counts("&state=discarded")).toBe((await letters("&state=any")).length - 5);
    moveClock(3_600_000);
    expect(await Promise.all([counts("&older_than_s=3000"), counts("&newer_than_s=3000")])).toEqual([5, 0]);
    const first = (await as("ops", "GET", "/api/dead-letters?limit=3")).body;
    const rest = (await as("ops", "GET", `/api/dead-letters?limit=3&cursor=${first.meta.next_cursor}`)).body;
    expect([first.data.length, rest.data.length, rest.meta.next_cursor]).toEqual([3, 2, null]);
    const ids = [...first.data, ...rest.data].map(({ id }: { id: string }) => id);
    expect(ids).toEqual(ids.toSorted().toReversed());
    expect(new Set(ids).size).toBe(5);
  });
});

describe("a redrive", () => {
  it("as a dry run tells what would happen and writes nothing", async ({ expect }) => {
    const { pumps } = await twoCauses();
    const { id, fingerprint, event_id: eventId } = await letterOf(pumps[0] ?? { event_id: "" });
    await quiet();
    const [rows, row] = [await countRows(), await outboxRow(eventId)];
    const one = await redrive(`${id}/redrive?dry_run=true`);
    expect([one.status, one.body.dry_run, one.body.meta]).toEqual([200, true, { count: 1, remaining: 0 }]);
    expect(one.body.data[0].does).toBe(`${eventId} goes to cache-invalidation again, to nobody else`);
    expect((await redrive(`redrive?fingerprint=${fingerprint}&dry_run=true`)).body.meta.count).toBe(2);
    expect((await redrive("redrive?all=true&dry_run=true")).body.meta.count).toBe(5);
    expect([await countRows(), await outboxRow(eventId), (await letters()).length]).toEqual([rows, row, 5]);
  });

  it("of one has its effect once, also when two operators ask at the same moment, ten times each", async ({
    expect,
  }) => {
    const { world, hoses, heal } = await twoCauses();
    const { id, event_id: eventId } = await letterOf(hoses[0] ?? { event_id: "" });
    heal();
    const asked = Array.from({ length: 20 }, (_, at) => redrive(`${id}/redrive`, at % 2 === 0 ? "ops" : "admin"));
    const answers = await Promise.all(asked);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const late of answers.filter(({ status }) => status !== 200)) {
      expectProblem(expect, late, 409, "CONFLICT");
      expect(late.body).toMatchObject({ state: "redriven", closed_by: expect.stringMatching(/^(ops|admin)$/) });
    }
    await until("the effect is there", async () => world.dropped.includes("parts:HOSE-001"));
    await quiet();
    expect(await outboxRow(eventId)).toEqual({ want: 17, done: 17, dead: 0 });
    expect(world.dropped.filter((key) => key === "parts:HOSE-001")).toHaveLength(1);
    expect(await trailOf(id)).toEqual(["dead_letter.opened", "dead_letter.redriven"]);
    expect(await violations(env.DB)).toEqual([]);
  });

  it("sent again under its key gets the first answer, and does nothing more", async ({ expect }) => {
    const { hoses, heal } = await twoCauses();
    const { fingerprint } = await letterOf(hoses[0] ?? { event_id: "" });
    heal();
    const again = () =>
      as("ops", "POST", `/api/dead-letters/redrive?fingerprint=${fingerprint}`, undefined, {
        "idempotency-key": "once",
      });
    const [first, second] = [await again(), await again()];
    expect([first.status, second.body]).toEqual([200, first.body]);
    expect([first.body.meta.count, second.headers.get("idempotent-replayed")]).toEqual([3, "true"]);
  });

  it("of a group takes that cause only, of all the rest; a second time nothing is left", async ({ expect }) => {
    const { world, hoses, pumps, heal } = await twoCauses();
    const { fingerprint } = await letterOf(hoses[0] ?? { event_id: "" });
    heal();
    const both = await Promise.all([1, 2].map(() => redrive(`redrive?fingerprint=${fingerprint}`)));
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    expect(new Set(both.map(({ body }) => body.meta.count))).toEqual(new Set([0, 3]));
    await until("the group's effects are there", async () => world.dropped.length === 3);
    expect(new Set((await letters()).map(({ event_id: id }) => id))).toEqual(new Set(pumps.map((one) => one.event_id)));
    expect((await redrive("redrive?all=true")).body.meta).toEqual({ count: 2, remaining: 0 });
    expect((await redrive("redrive?all=true")).body.meta).toEqual({ count: 0, remaining: 0 });
    await until("all effects are there", async () => world.dropped.length === 5);
    await quiet();
    expect(new Set(world.dropped).size).toBe(5);
    expect(await violations(env.DB)).toEqual([]);
  });

  it("of what fails again makes a new letter, with its history apart", async ({ expect }) => {
    const { world, pumps } = await twoCauses();
    const first = await letterOf(pumps[0] ?? { event_id: "" });
    expect((await redrive(`${first.id}/redrive`)).status).toBe(200);
    const again = await until("it is sent again", async () =>
      world.taken.slice(5).find((one) => one.event_id === first.event_id),
    );
    await die("events", [again]);
    const second = await letterOf(again);
    expect([second.id === first.id, second.state, second.fingerprint]).toEqual([false, "open", first.fingerprint]);
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("of an event that was done meanwhile has no second effect: done stays done", async ({ expect }) => {
    const { world, pumps, heal } = await twoCauses();
    heal();
    const { id } = await letterOf(pumps[0] ?? { event_id: "" });
    await deliverMessages("events", pumps); // a late copy: the subscriber is dead to it
    expect(world.dropped).toEqual([]);
    await redrive(`${id}/redrive`);
    await until("it is done", async () => world.dropped.length === 1);
    await deliverMessages("events", [pumps[0]]);
    expect(world.dropped).toEqual(["parts:PUMP-001"]);
  });
});

describe("a discard", () => {
  it("ends it for good: the subscriber counts as done, nothing is sent, the letter is the evidence, the row ages out", async ({
    expect,
  }) => {
    const { world, pumps, heal } = await twoCauses();
    heal();
    const { id, event_id: eventId } = await letterOf(pumps[0] ?? { event_id: "" });
    const both = await Promise.all(
      ["no longer sold", "a second thought"].map((reason) =>
        as("ops", "POST", `/api/dead-letters/${id}/discard`, { reason }),
      ),
    );
    expect(new Set(both.map(({ status }) => status))).toEqual(new Set([200, 409]));
    const [done] = both.filter(({ status }) => status === 200);
    expect((await as("ops", "GET", `/api/dead-letters/${id}`)).body).toMatchObject({
      state: "discarded",
      closed_by: "ops",
      reason: done?.body.reason,
    });
    expect(await outboxRow(eventId)).toEqual({ want: 17, done: 17, dead: 0 });
    expectProblem(expect, await redrive(`${id}/redrive`), 409, "CONFLICT");
    await deliverMessages("events", [pumps[0]]);
    expect([world.dropped, await trailOf(id)]).toEqual([[], ["dead_letter.opened", "dead_letter.discarded"]]);
    await quiet();
    expect(await violations(env.DB)).toEqual([]);

    const other = await letterOf(pumps[1] ?? { event_id: "" });
    moveClock(OUTBOX_RETENTION_MS + 60_000);
    await change("HOSE-009");
    await until("the discarded event has aged out", async () => {
      await runRelayAlarm();
      return outboxRow(eventId).then(
        () => false,
        () => true,
      );
    });
    expect(await outboxRow(other.event_id)).toMatchObject({ dead: 16 }); // what waits for a decision stays
    expect((await as("ops", "GET", `/api/dead-letters/${id}`)).body.state).toBe("discarded");
  });
});

describe("an edit", () => {
  it("is what that one subscriber gets; the others get the original, which is kept", async ({ expect }) => {
    let hubDown = true;
    const world = sickParts((sku) => (sku === "PUMP-003" ? "no such key" : undefined));
    wrapBindings({
      ...world.wraps,
      HUB: (real) => aroundHubs(real, (deliver) => (hubDown ? Promise.reject(new Error("down")) : deliver())),
    });
    const [message] = await dieAbout(world, ["PUMP-003"]);
    const { id, event_id: eventId } = await letterOf(message ?? { event_id: "" });
    const { body: before } = await as("ops", "GET", `/api/dead-letters/${id}`);
    const event = { ...before.body, data: { ...before.body.data, sku: "PUMP-004" } };
    const answer = await as("ops", "POST", `/api/dead-letters/${id}/edit`, { event });
    expect([answer.status, answer.body.edited, answer.body.state]).toEqual([200, true, "open"]);
    const { body: after } = await as("ops", "GET", `/api/dead-letters/${id}`);
    expect([after.body, after.edited_event]).toEqual([before.body, event]);
    expect((await redrive(`${id}/redrive?dry_run=true`)).body.data[0].does).toContain("as edited");
    expect(world.dropped).toEqual([]);

    await redrive(`${id}/redrive`);
    const sent = await until("it is sent again", async () => world.taken[1]);
    expect(sent.event.data.sku).toBe("PUMP-003"); // the log isn't changed, and the log is what travels
    await deliverMessages("events", [sent]);
    expect(world.dropped).toEqual(["parts:PUMP-004"]);
    const socket = await openSocket("truck-001");
    await socket.frame("welcome");
    hubDown = false;
    await runRelayAlarm();
    expect(await socket.event("the original", ({ id: heard }) => heard === eventId)).toEqual(before.body);
    expect(await trailOf(id)).toEqual(["dead_letter.opened", "dead_letter.edited", "dead_letter.redriven"]);
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
    socket.close();
  });

  it("goes on when the subscriber dies of it again, until it is edited anew", async ({ expect }) => {
    const world = sickParts((sku) => (sku.startsWith("PUMP-00") ? "no such key" : undefined));
    wrapBindings(world.wraps);
    const [message] = await dieAbout(world, ["PUMP-005"]);
    const { id } = await letterOf(message ?? { event_id: "" });
    const { body: original } = (await as("ops", "GET", `/api/dead-letters/${id}`)).body;
    const withSku = (sku: string) => ({ event: { ...original, data: { ...original.data, sku } } });
    await as("ops", "POST", `/api/dead-letters/${id}/edit`, withSku("PUMP-006"));
    await redrive(`${id}/redrive`);
    await until("it is sent again", async () => world.taken.length === 2);
    await die("events", [message]);
    const second = await letterOf(message ?? { event_id: "" });
    const shown = (await as("ops", "GET", `/api/dead-letters/${second.id}`)).body;
    expect([second.id === id, shown.body, shown.edited_event.data.sku]).toEqual([false, original, "PUMP-006"]);
    await as("ops", "POST", `/api/dead-letters/${second.id}/edit`, withSku("HOSE-010"));
    await redrive(`${second.id}/redrive`);
    await deliverMessages("events", [message]);
    expect(world.dropped).toEqual(["parts:HOSE-010"]);
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
  });

  it("of what names the event, or into what is no event, is refused and writes nothing", async ({ expect }) => {
    const { pumps } = await twoCauses();
    const { id } = await letterOf(pumps[0] ?? { event_id: "" });
    const { body: original } = (await as("ops", "GET", `/api/dead-letters/${id}`)).body;
    await quiet();
    const rows = await countRows();
    for (const [field, value] of [
      ["id", "evt_other"],
      ["type", "PartUpdated"],
      ["subject", "stock/OTHER@warehouse-01"],
      ["sequence", 99],
    ] as const) {
      const event = { ...original, [field]: value };
      const refused = await as("ops", "POST", `/api/dead-letters/${id}/edit`, { event });
      expectProblem(expect, refused, 422, "VALIDATION");
      expect(refused.body.errors).toMatchObject([{ pointer: `/event/${field}` }]);
    }
    for (const event of [{ ...original, data: { sku: 7 } }, { ...original, time: "yesterday" }, {}]) {
      expectProblem(expect, await as("ops", "POST", `/api/dead-letters/${id}/edit`, { event }), 422, "VALIDATION");
    }
    expect((await as("ops", "GET", `/api/dead-letters/${id}`)).body.edited_event).toBeNull();
    expect(await countRows()).toEqual(rows);
    await as("ops", "POST", `/api/dead-letters/${id}/discard`, { reason: "x" });
    const late = await as("ops", "POST", `/api/dead-letters/${id}/edit`, { event: original });
    expectProblem(expect, late, 409, "CONFLICT");
  });
});

describe("who may", () => {
  const calls = [
    ["GET", "/api/dead-letters", undefined],
    ["GET", "/api/dead-letters/groups", undefined],
    ["GET", "/api/dead-letters/dlt_x", undefined],
    ["POST", "/api/dead-letters/dlt_x/redrive", undefined],
    ["POST", "/api/dead-letters/redrive?all=true", undefined],
    ["POST", "/api/dead-letters/dlt_x/discard", { reason: "x" }],
    ["POST", "/api/dead-letters/dlt_x/edit", { event: {} }],
  ] as const;

  it.for(["truck-001", "tech-north", "keeper-03", "manager-north", "manager-national", "integrator"])(
    "%s may do nothing here",
    async (who, { expect }) => {
      for (const [method, path, body] of calls) {
        expectProblem(expect, await as(who, method, path, body), 403, "FORBIDDEN");
      }
    },
  );

  it("a letter that isn't there is 404, whatever is to be done with it", async ({ expect }) => {
    for (const [method, path, body] of calls.filter(([, path]) => path.includes("dlt_x"))) {
      expectProblem(expect, await as("ops", method, path, body), 404, "NOT_FOUND");
    }
  });
});

describe("bad input", () => {
  it("is refused: a redrive that doesn't say of what, or says two things; a discard without a reason", async ({
    expect,
  }) => {
    const { pumps } = await twoCauses();
    const { id } = await letterOf(pumps[0] ?? { event_id: "" });
    for (const query of [
      "",
      "?all=false",
      "?all=true&fingerprint=x",
      "?dry_run=perhaps&all=true",
      "?everything=true",
    ]) {
      expectProblem(expect, await redrive(`redrive${query}`), 422, "VALIDATION");
    }
    for (const body of [
      {},
      { reason: "" },
      { reason: "  " },
      { reason: 7 },
      { reason: "x".repeat(501) },
      { reason: "x", by: "me" },
    ]) {
      expectProblem(expect, await as("ops", "POST", `/api/dead-letters/${id}/discard`, body), 422, "VALIDATION");
    }
    for (const query of ["?state=gone", "?limit=0", "?older_than_s=-1", "?older_than_s=1.5", "?cursor=!", "?x=1"]) {
      expectProblem(expect, await as("ops", "GET", `/api/dead-letters${query}`), 422, "VALIDATION");
    }
    for (const event of ["text", 7, null, []]) {
      expectProblem(expect, await as("ops", "POST", `/api/dead-letters/${id}/edit`, { event }), 422, "VALIDATION");
    }
    expectProblem(expect, await as("ops", "POST", `/api/dead-letters/${id}/discard`, "{", JSON_TYPE), 400, "BAD_JSON");
    expect(await letters()).toHaveLength(5);
  });
});
