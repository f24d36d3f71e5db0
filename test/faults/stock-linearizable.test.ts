import fc from "fast-check";
import { beforeAll, it } from "vitest";
import { aroundDatabase } from "../support/bindings.ts";
import { env, startWorld } from "../support/harness.ts";
import { isLinearizable } from "../support/linearizable.ts";
import { proved, seed, sizeOf } from "../support/proof.ts";
import { openingRows, runHistory, withFaults, type Plan } from "../support/stock-history.ts";
import { opening } from "../support/stock-model.ts";
import { plans } from "../support/stock-plans.ts";

beforeAll(startWorld);

let histories = 0;

/** All clients run at once against the real database; what one of them gave up comes to it a little later. */
async function holds(plan: Plan): Promise<boolean> {
  const name = `D1-${++histories}`;
  await env.DB.batch(openingRows(name, plan.stock).map(({ sql, params }) => env.DB.prepare(sql).bind(...params)));
  const late: Promise<unknown>[] = [];
  const later = (work: () => Promise<unknown>) =>
    void late.push(
      scheduler
        .wait(1)
        .then(work)
        .catch(() => undefined),
    );
  const db = aroundDatabase(env.DB, withFaults(plan.faults, later));
  const drive = async (clients: readonly Promise<void>[]): Promise<void> => {
    await Promise.all(clients);
    await Promise.all(late);
  };
  const calls = await runHistory(name, plan, { db, drive });
  return isLinearizable(opening(plan.stock, plan.demand.length), calls, (state) => JSON.stringify(state));
}

it("through the real D1 too, clients at once are answered as if they had come one by one", async ({ expect }) => {
  const numRuns = sizeOf(60, 200);
  const began = performance.now();
  const found = await fc.check(fc.asyncProperty(plans, holds), { numRuns, seed });
  expect(found.failed, fc.defaultReportMessage(found)).toBe(false);
  proved("stock on D1, linearizable per SKU", {
    histories: numRuns,
    rejected: 0,
    seconds: (performance.now() - began) / 1000,
  });
}, 300_000);
