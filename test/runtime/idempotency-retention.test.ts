/** What stored answers cost, and how long they are kept: 14 days, and only those of REST writes. */
import { beforeAll, it } from "vitest";
import { ANSWER_RETENTION_MS } from "../../src/config.ts";
import { aroundDatabase } from "../support/bindings.ts";
import { figure } from "../support/figures.ts";
import { env, quiet, startWorld, until } from "../support/harness.ts";
import { keyedPost, storedUnder } from "../support/keyed.ts";
import { holdRelayPoll, runRelayAlarm } from "../support/relay.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";

interface Cost {
  readonly sql: string;
  readonly written: number;
  readonly read: number;
}

const costs: Cost[] = [];

beforeAll(async () => {
  await startWorld();
  await holdRelayPoll();
  const watch = async <T>(work: () => Promise<T>, sql: readonly string[]): Promise<T> => {
    const result = await work();
    for (const [at, one] of [result].flat().entries()) {
      const { meta } = one as Partial<D1Result>;
      if (meta) costs.push({ sql: sql[at] ?? "", written: meta.rows_written, read: meta.rows_read });
    }
    return result;
  };
  wrapBindings({ DB: (real) => aroundDatabase(real, watch) });
});

/** What the statements that begin so have cost since the last look. */
function costOf(start: string): { written: number; read: number } {
  const found = costs.splice(0).filter(({ sql }) => sql.startsWith(start));
  if (found.length === 0) throw new Error(`no ${start}`);
  const sum = (of: (one: Cost) => number) => found.reduce((total, one) => total + of(one), 0);
  return { written: sum(({ written }) => written), read: sum(({ read }) => read) };
}

const isSweep = ({ sql }: Cost) => sql.startsWith("DELETE FROM inbox");

async function sweep(): Promise<{ written: number; read: number }> {
  costs.length = 0;
  await runRelayAlarm();
  return costOf("DELETE FROM inbox");
}

const request = (number: string) => ({
  request_number: number,
  device_id: "truck-001",
  lines: [{ sku: "PUMP-001", quantity: 1 }],
});

const countOf = (where: string) => env.DB.prepare(`SELECT COUNT(*) AS n FROM inbox WHERE ${where}`).first<number>("n");

it("an answer costs two rows with its effect; looking for old ones reads as little however much is kept", async ({
  expect,
}) => {
  costs.length = 0;
  await keyedPost("tech-north", "/api/requests", "costs", request("costs-1"));
  const kept = costOf("INSERT INTO inbox");
  expect(kept.written).toBe(2);
  const few = await sweep();
  await env.DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
     INSERT INTO inbox(scope, id, body_hash, result, at)
     SELECT CASE i % 2 WHEN 0 THEN 'saga' ELSE 'POST /api/requests person:many' END, i, 'h', '{}', ? FROM n`,
  )
    .bind(new Date(testClock.now()).toISOString())
    .run();
  const many = await sweep();
  figure("idempotency rows", { written: kept.written, sweep_read: few.read, sweep_read_among_20000: many.read });
  expect([many, few.written]).toEqual([few, 0]);
  expect(few.read).toBeLessThan(5);
});

it("after 14 days a key is free, at one row each; what sagas and imports need stays, and the number still refuses", async ({
  expect,
}) => {
  await keyedPost("tech-north", "/api/requests", "aged", request("aged-1"));
  await keyedPost("admin", "/api/imports/regions", "aged", "region_id,name\naged,Aged\n");
  await quiet();
  const others = await countOf("scope NOT LIKE 'POST %'");
  moveClock(ANSWER_RETENTION_MS - 60_000);
  await runRelayAlarm();
  expect(await storedUnder("aged")).toHaveLength(2);
  const answers = await countOf("scope LIKE 'POST %'");
  expect([answers, others]).toEqual([10_003, 10_001]);
  costs.length = 0;
  moveClock(120_000);
  await until("they are gone", async () => {
    await runRelayAlarm();
    return (await countOf("scope LIKE 'POST %'")) === 0;
  });
  expect(Math.max(...costs.filter(isSweep).map(({ written }) => written))).toBe(500);
  expect(costOf("DELETE FROM inbox").written).toBe(answers);
  expect([await countOf("scope NOT LIKE 'POST %'"), await storedUnder("aged")]).toEqual([others, []]);
  const again = await keyedPost("tech-north", "/api/requests", "aged", request("aged-1"));
  expect([again.status, again.replayed, JSON.parse(again.text).code]).toEqual([409, false, "DUPLICATE"]);
});
