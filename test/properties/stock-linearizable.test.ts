import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { it } from "vitest";
import { aroundDatabase } from "../support/bindings.ts";
import { BROKEN_BUILDS, brokenBy, type BrokenBuild } from "../support/broken-stock.ts";
import { CHECKS } from "../support/invariant-checks.ts";
import { isLinearizable, type Call } from "../support/linearizable.ts";
import { proved, seed, sizeOf } from "../support/proof.ts";
import { sqliteD1 } from "../support/sqlite-d1.ts";
import { openingRows, PLACES, runHistory, withFaults, type Plan } from "../support/stock-history.ts";
import { opening, type StockState } from "../support/stock-model.ts";
import { plans } from "../support/stock-plans.ts";

const FOLDER = join(import.meta.dirname, "../../migrations");
const MIGRATIONS = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".sql"))
  .sort()
  .map((name) => readFileSync(join(FOLDER, name), "utf8"));
const HISTORIES_A_DATABASE = 250;
const SQL_TIMEOUT_MS = 600_000;

const run = (d1: D1Database, rows: readonly { sql: string; params: readonly unknown[] }[]) =>
  d1.batch(rows.map(({ sql, params }) => d1.prepare(sql).bind(...params)));

/** One database after another, so that none grows large; each is looked through before it is left. */
function databases() {
  let current: ReturnType<typeof sqliteD1> | undefined;
  let used = 0;
  const leave = async (): Promise<void> => {
    for (const { rule, sql } of current ? CHECKS.filter((check) => check.rule.startsWith("1 ")) : []) {
      const { results } = (await current?.d1.prepare(sql).all<{ what: string }>()) ?? { results: [] };
      if (results.length > 0) throw new Error(`${rule}: ${results.map(({ what }) => what).join(", ")}`);
    }
    current?.close();
    current = undefined;
  };
  const next = async (): Promise<D1Database> => {
    if (current && used++ < HISTORIES_A_DATABASE) return current.d1;
    await leave();
    current = sqliteD1(MIGRATIONS);
    used = 1;
    await run(current.d1, PLACES);
    return current.d1;
  };
  return { next, leave };
}

/** Each call of the database waits for its turn twice: to be done, and to be answered. The plan says whose turn it is. */
function inTurns(turns: Plan["turns"]) {
  const waiting: (() => void)[] = [];
  let taken = 0;
  const turn = () => new Promise<void>((go) => void waiting.push(go));
  const drive = async (clients: readonly Promise<void>[]): Promise<void> => {
    const state = { over: false };
    const all = Promise.all(clients).finally(() => (state.over = true));
    while (!state.over || waiting.length > 0) {
      await new Promise((next) => void setImmediate(next));
      const at = (turns[taken++ % turns.length] ?? 0) % Math.max(waiting.length, 1);
      waiting.splice(at, 1)[0]?.();
    }
    await all;
  };
  return { turn, drive };
}

let histories = 0;

async function history(plan: Plan, real: D1Database, build?: BrokenBuild): Promise<readonly Call<StockState>[]> {
  const name = `H-${++histories}`;
  await run(real, openingRows(name, plan.stock));
  const { turn, drive } = inTurns(plan.turns);
  const faulty = withFaults(
    plan.faults,
    (work) =>
      void turn()
        .then(work)
        .catch(() => undefined),
  );
  const around = aroundDatabase(real, (call, ...what) =>
    faulty(
      async () => {
        await turn();
        const reply = await call();
        await turn();
        return reply;
      },
      ...what,
    ),
  );
  return runHistory(name, plan, { db: build ? brokenBy(build, around) : around, drive });
}

const holds = (plan: Plan, calls: readonly Call<StockState>[]) =>
  isLinearizable(opening(plan.stock, plan.demand.length), calls, (state) => JSON.stringify(state));

it(
  "clients who change stock at once, whose lines break and who ask again, are answered as if they had come one by one",
  async ({ expect }) => {
    const numRuns = sizeOf(1_000, 10_000);
    const { next, leave } = databases();
    const sums = { calls: 0, unanswered: 0 };
    const began = performance.now();
    const property = fc.asyncProperty(plans, async (plan) => {
      const calls = await history(plan, await next());
      sums.calls += calls.length;
      sums.unanswered += calls.filter(({ ended }) => ended === Number.POSITIVE_INFINITY).length;
      return holds(plan, calls);
    });
    const found = await fc.check(property, { numRuns, seed });
    expect(found.failed, fc.defaultReportMessage(found)).toBe(false);
    await leave();
    const seconds = (performance.now() - began) / 1000;
    proved("stock on node:sqlite, linearizable per SKU", { histories: numRuns, ...sums, rejected: 0, seconds });
  },
  SQL_TIMEOUT_MS,
);

it.for(BROKEN_BUILDS)(
  "a build that $what is rejected by the same checker",
  { timeout: SQL_TIMEOUT_MS },
  async (build, { expect }) => {
    const numRuns = sizeOf(300, 1_000);
    const { d1, close } = sqliteD1(MIGRATIONS);
    await run(d1, PLACES);
    let rejected = 0;
    for (const plan of fc.sample(plans, { numRuns, seed })) {
      if (!holds(plan, await history(plan, d1, build))) rejected++;
    }
    close();
    proved(`stock, a build that ${build.what}`, { histories: numRuns, rejected });
    expect(rejected).toBeGreaterThan(0);
  },
);
