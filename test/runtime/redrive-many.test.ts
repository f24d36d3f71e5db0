/** A redrive of as many letters as one call takes: within an invocation's statements, in batches, and never twice for ever. */
import { afterEach, beforeAll, beforeEach, describe, it } from "vitest";
import { DEAD_LETTERS_AT_ONCE } from "../../src/config.ts";
import { aroundDatabase, aroundQueue } from "../support/bindings.ts";
import { figure } from "../support/figures.ts";
import { as, env, startWorld } from "../support/harness.ts";
import { wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
afterEach(() => wrapBindings({}));

const AN_INVOCATION = 1_000; // D1 statements
const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${DEAD_LETTERS_AT_ONCE})`;
const AT = "'2026-01-01T00:00:00.000Z'";
const letterColumns = `id, kind, queue, key, event_seq, event_id, subscriber, bit, command_id, type, subject, body, error,
  fingerprint, attempts, message_id, state, first_at, last_at`;

/** As many letters of a kind as a call takes, about things that are dead as the letters say. */
const MAKE = {
  event: [
    `${numbers} INSERT INTO outbox(seq, event_id, bucket, type, subject, region, event, created_at, want, dead)
     SELECT 100000 + i, 'evt_many_' || i, i % 64, 'PartUpdated', 'part/M-' || i, NULL, '{}', ${AT}, 16, 16 FROM n`,
    `${numbers} INSERT INTO dead_letters(${letterColumns})
     SELECT printf('ltr_event_%04d', i), 'event', 'events', 'event/' || i, 100000 + i, 'evt_many_' || i, 'cache-invalidation', 16,
       NULL, 'PartUpdated', 'part/M-' || i, '{}', 'ill', 'many-event', 5, 'm', 'open', ${AT}, ${AT} FROM n`,
  ],
  command: [
    `${numbers} INSERT INTO commands(id, bucket, type, data, sender, region, state, traceparent, created_at, finished_at)
     SELECT 'cmd_many_' || i, i % 64, 'UpdateInventory', '{}', 'device:warehouse-01', 'north', 'dead', '', ${AT}, ${AT} FROM n`,
    `${numbers} INSERT INTO dead_letters(${letterColumns})
     SELECT printf('ltr_command_%04d', i), 'command', 'commands', 'command/' || i, NULL, NULL, NULL, NULL, 'cmd_many_' || i,
       'UpdateInventory', 'command/' || i, '{}', 'ill', 'many-command', 5, 'm', 'open', ${AT}, ${AT} FROM n`,
  ],
  message: [
    `${numbers} INSERT INTO dead_letters(${letterColumns})
     SELECT printf('ltr_message_%04d', i), 'message', 'uploads', 'uploads/' || i, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       json_object('number', i), 'ill', 'many-message', 5, 'm', 'open', ${AT}, ${AT} FROM n`,
  ],
} as const;

/** What the call sends to queues goes nowhere; its statements and sends are counted. `refuse`: the place of a batch that fails. */
function counted(refuse = Number.POSITIVE_INFINITY) {
  const seen = { statements: 0, sends: 0, sent: [] as number[] };
  const swallow = (real: Queue) => aroundQueue(real, () => Promise.resolve());
  wrapBindings({
    DB: (real) =>
      aroundDatabase(real, (call, sql) => {
        seen.statements += sql.length;
        return call();
      }),
    EVENTS_QUEUE: swallow,
    COMMANDS_QUEUE: swallow,
    UPLOADS_QUEUE: (real) =>
      aroundQueue(real, (_, bodies) => {
        if (++seen.sends === refuse) return Promise.reject(new Error("the queue is ill"));
        seen.sent.push(...(bodies as { number: number }[]).map(({ number }) => number));
        return Promise.resolve();
      }),
    RELAY: (real) =>
      ({
        idFromName: (name: string) => real.idFromName(name),
        get: () => ({ kick: () => Promise.resolve() }),
      }) as never,
  });
  return seen;
}

const openOf = (kind: string) =>
  env.DB.prepare("SELECT COUNT(*) AS n FROM dead_letters WHERE state = 'open' AND kind = ?")
    .bind(kind)
    .first<number>("n");
const trailOf = (action: string) =>
  env.DB.prepare("SELECT COUNT(DISTINCT subject) AS n FROM audit WHERE action = ? AND actor = 'ops'")
    .bind(action)
    .first<number>("n");
const redrive = (kind: string) => as("ops", "POST", `/api/dead-letters/redrive?fingerprint=many-${kind}`);

beforeEach(async () => {
  await env.DB.batch([
    env.DB.prepare("DELETE FROM dead_letters"),
    env.DB.prepare("DELETE FROM commands WHERE id LIKE 'cmd_many_%'"),
  ]);
});

describe(`a redrive of ${DEAD_LETTERS_AT_ONCE} letters`, () => {
  it.for(["event", "command", "message"] as const)(
    "about each %s is one call, with room to spare",
    async (kind, { expect }) => {
      for (const sql of MAKE[kind]) await env.DB.prepare(sql).run();
      const before = (await trailOf("dead_letter.redriven")) ?? 0;
      const seen = counted();
      const began = Date.now();
      const { status, body } = await redrive(kind);
      expect([status, body.meta]).toEqual([200, { count: DEAD_LETTERS_AT_ONCE, remaining: 0 }]);
      figure(`a redrive of ${DEAD_LETTERS_AT_ONCE} ${kind}s`, {
        statements: seen.statements,
        sends: seen.sends,
        ms: Date.now() - began,
      });
      expect(seen.statements).toBeLessThan(AN_INVOCATION / 10);
      expect(seen.sends).toBe(kind === "message" ? DEAD_LETTERS_AT_ONCE / 100 : 0);
      expect(await openOf(kind)).toBe(0);
      expect((await trailOf("dead_letter.redriven")) ?? 0).toBe(before + DEAD_LETTERS_AT_ONCE);
      if (kind === "command") expect(await trailOf("command.redriven")).toBe(DEAD_LETTERS_AT_ONCE);
    },
  );

  it("that breaks off at the fourth hundred leaves two hundred open, and the next call sends these alone", async ({
    expect,
  }) => {
    for (const sql of MAKE.message) await env.DB.prepare(sql).run();
    const first = counted(4);
    expect((await redrive("message")).status).toBe(502);
    expect([first.sent.length, await openOf("message")]).toEqual([300, 200]);
    const second = counted();
    const { body } = await redrive("message");
    expect([body.meta.count, second.sent.length, await openOf("message")]).toEqual([200, 200, 0]);
    expect(new Set([...first.sent, ...second.sent]).size).toBe(DEAD_LETTERS_AT_ONCE);
  });
});
