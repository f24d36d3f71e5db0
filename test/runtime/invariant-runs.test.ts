/** The nightly check over many crons: bounded in each, resumed after a crash, counted once; and told of when none becomes complete. */
import { afterEach, beforeAll, describe, it } from "vitest";
import { INVARIANT_BUDGET_STATEMENTS, INVARIANT_KEYS, NIGHTLY_CRON } from "../../src/config.ts";
import { INVARIANT_STEPS } from "../../src/services/invariants.ts";
import { seal, writeTrail } from "../support/audit.ts";
import { aroundDatabase } from "../support/bindings.ts";
import { as, env, startWorld, until } from "../support/harness.ts";
import { holdRelayPoll, runCron } from "../support/relay.ts";
import { settled } from "../support/saga-world.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";

const HOUR_MS = 60 * 60 * 1000;

beforeAll(async () => {
  await startWorld();
  await writeTrail(1);
});
afterEach(() => wrapBindings({}));

/** What is due has taken effect, and what is old is sealed: nothing of the tests themselves is found broken. */
async function quiet(): Promise<void> {
  await settled();
  await seal();
}

const night = () => runCron({ cron: NIGHTLY_CRON, scheduledTime: new Date(testClock.now()) });
const reports = async () => (await as("ops", "GET", "/api/ops/invariants/reports")).body.data;
const run = (...texts: readonly string[]) => env.DB.batch(texts.map((text) => env.DB.prepare(text)));
const told = async (code: string) => {
  const { results } = await env.DB.prepare(
    "SELECT event ->> '$.data.message' AS message FROM outbox WHERE event ->> '$.data.code' = ? ORDER BY seq",
  )
    .bind(code)
    .all<{ message: string }>();
  return results.map(({ message }) => message);
};

/** Notes each statement; one that has this text in it fails. */
function watchStatements(failing?: string): string[] {
  const seen: string[] = [];
  wrapBindings({
    DB: (real) =>
      aroundDatabase(real, (query, texts) => {
        seen.push(...texts);
        if (failing !== undefined && texts.some((text) => text.includes(failing)))
          throw new Error("the database is away");
        return query();
      }),
  });
  return seen;
}

describe("that no check becomes complete", () => {
  const unchecked = () => told("INVARIANTS_UNCHECKED");

  it("is no trouble of a deployment that is younger than two days, and is told once a day from then on", async ({
    expect,
  }) => {
    await runCron();
    moveClock(47 * HOUR_MS);
    await runCron();
    expect(await unchecked()).toEqual([]);
    moveClock(2 * HOUR_MS);
    await runCron();
    await Promise.all([runCron(), runCron()]);
    moveClock(20 * HOUR_MS);
    await runCron();
    expect(await unchecked()).toEqual(["no check of the invariants was ever complete, and none is under way"]);
    moveClock(4 * HOUR_MS);
    await runCron();
    expect((await unchecked()).length).toBe(2);
    await until("operations are notified", async () => {
      const { body } = await as("ops", "GET", "/api/notifications");
      return body.data.find(({ title }: { title: string }) => title.startsWith("INVARIANTS_UNCHECKED"));
    });
  });

  it("is over with a complete one, and begins two days after it, also while one is under way", async ({ expect }) => {
    await quiet();
    await night();
    expect((await reports())[0]).toMatchObject({ state: "complete", progress: null });
    moveClock(47 * HOUR_MS);
    await runCron();
    expect((await unchecked()).length).toBe(2);
    watchStatements("5 a lease ends");
    await night().catch(() => {});
    moveClock(2 * HOUR_MS);
    await runCron().catch(() => {});
    expect((await unchecked()).slice(2)).toEqual([
      expect.stringMatching(
        /^no check of the invariants was complete since .*, and the one begun at .* stands at \{"step":"waiting","after":null\}$/,
      ),
    ]);
    wrapBindings({});
    await quiet();
    await runCron();
    expect((await reports())[0]).toMatchObject({ state: "complete" });
    await runCron();
    expect((await unchecked()).length).toBe(3);
  });
});

describe("a check that is broken off", () => {
  const SHELF = "sku = 'PUMP-001' AND location = 'warehouse-03'";
  const WRONG = [
    `UPDATE stock_levels SET reserved = reserved + 1 WHERE ${SHELF}`,
    `INSERT INTO commands(id, bucket, type, data, sender, region, state, traceparent, created_at)
     VALUES ('cmd_run', 0, 'UpdatePart', '{}', 'person:ops', 'north', 'awaiting_approval', 'x', '')`,
  ];
  const RIGHT = [
    `UPDATE stock_levels SET reserved = reserved - 1 WHERE ${SHELF}`,
    "DELETE FROM commands WHERE id = 'cmd_run'",
  ];
  const FOUND = [
    "1 reserved is the sum of its open reservations",
    "5 a command that waits for approval has someone to wait for",
  ];
  const rulesOf = (report: { rows: { rule: string }[] }) => report.rows.map(({ rule }) => rule);

  it("stands where it was, goes on there, and counts and tells each thing once though crons come together", async ({
    expect,
  }) => {
    await quiet();
    await run(...WRONG);
    const before = (await reports()).length;
    watchStatements("2 an order has one live purchase order per supplier");
    await night().catch(() => {});
    await runCron().catch(() => {});
    moveClock(24 * HOUR_MS);
    await quiet();
    await night().catch(() => {}); // the next night begins none beside it
    const [broken, ...older] = await reports();
    expect(older.length).toBe(before);
    expect(broken).toMatchObject({
      state: "running",
      progress: { step: "orders", after: null, steps_done: 3, steps: INVARIANT_STEPS.length },
      broken: 1,
    });
    expect(rulesOf(broken)).toEqual(FOUND.slice(0, 1));
    expect(await told("INVARIANT_BROKEN")).toEqual([]);
    const seen = watchStatements();
    await Promise.all([runCron(), runCron(), runCron()]);
    await run(...RIGHT);
    const [whole] = await reports();
    expect(whole).toMatchObject({ id: broken.id, state: "complete", progress: null, broken: 2 });
    expect(rulesOf(whole)).toEqual(FOUND);
    expect(await told("INVARIANT_BROKEN")).toEqual([expect.stringMatching(/^2 broken by 2 rules, first: 1 reserved/)]);
    const times = (rule: string) => seen.filter((text) => text.includes(rule)).length;
    expect(times("1 what was shipped is in a transfer, or came back")).toBe(0); // checked before it was broken off
    expect(times("5 a lease ends")).toBe(1); // the others stopped at the first place that wasn't theirs
  });

  it("at a place that this version doesn't know is begun anew", async ({ expect }) => {
    await quiet();
    watchStatements("2 an order has one live purchase order per supplier");
    await night().catch(() => {});
    wrapBindings({});
    await run(
      'UPDATE invariant_reports SET place = \'{"step":"tea","after":null}\', broken = 7 WHERE place IS NOT NULL',
    );
    expect((await reports())[0]).toMatchObject({ state: "running", progress: { step: "recount", steps_done: 0 } });
    await runCron();
    expect((await reports())[0]).toMatchObject({ state: "complete", broken: 0, rows: [] });
  });
});

it("many rows are checked over several minutes, each with no more statements than an invocation may make", async ({
  expect,
}) => {
  await quiet();
  const ranges = 80;
  await env.DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
     INSERT INTO commands(id, bucket, type, data, sender, region, state, traceparent, created_at, finished_at)
     SELECT printf('cmd_many_%08d', i), 0, 'UpdatePart', '{}', 'person:ops', 'north', 'applied', 'x', '', '' FROM n`,
  )
    .bind(ranges * INVARIANT_KEYS)
    .run();
  await holdRelayPoll();
  const seen = watchStatements();
  const made: number[] = [];
  const stands: unknown[] = [];
  for (let state = "running"; state === "running";) {
    seen.length = 0;
    await (made.length === 0 ? night() : runCron());
    made.push(seen.length);
    const [newest] = await reports();
    state = newest.state;
    stands.push(newest.progress);
  }
  const call = await as("ops", "GET", "/api/ops/invariants");
  wrapBindings({});
  await run("DELETE FROM commands WHERE id LIKE 'cmd_many_%'");
  expect(made.length).toBeGreaterThan(2);
  expect(Math.max(...made)).toBeLessThan(INVARIANT_BUDGET_STATEMENTS + 50); // the cron has other work too
  expect(stands[0]).toMatchObject({ step: "commands", after: expect.stringMatching(/^cmd_many_/) });
  expect((await reports())[0]).toMatchObject({ state: "complete", broken: 0, rows: [] });
  expect(call.body.meta).toMatchObject({ complete: false, next: expect.any(String) });
});
