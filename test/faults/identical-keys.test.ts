/** 100 identical POSTs under one key, all at once, round after round: each round has one effect, and one answer. */
import { beforeAll, it } from "vitest";
import { env, quiet, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { keyedPost, type KeyedAnswer } from "../support/keyed.ts";
import { isFull, proved, sizeOf } from "../support/proof.ts";
import { levelOf, updateInventory } from "../support/stock.ts";

const ASKS = 100;
const ROUNDS = sizeOf(20, 1_000);
/** Everything that the rounds have left behind is done: a busy machine may have to send some of it a second time. */
const QUIET_WITHIN_MS = sizeOf(60_000, 600_000);

beforeAll(startWorld);

/** Rounds take turns: stock that is one more, a request that is there, a supplier that is there. */
const TURNS = [
  {
    who: "warehouse-01",
    path: "/api/commands",
    body: () => updateInventory("warehouse-01", "BRKP-001", 1, "Bin-B-03"),
    effects: async () => (await levelOf("BRKP-001", "warehouse-01")).on_hand,
  },
  {
    who: "tech-north",
    path: "/api/requests",
    body: (key: string) => ({
      request_number: key,
      device_id: "truck-001",
      lines: [{ sku: "PUMP-001", quantity: 1 }],
    }),
    effects: () => count("SELECT COUNT(*) AS n FROM requests"),
  },
  {
    who: "admin",
    path: "/api/imports/suppliers",
    body: (key: string) =>
      `supplier_id,name,account_number,credit_rating,preferred,active\n${key},Supplier ${key},,1,false,true\n`,
    effects: () => count("SELECT COUNT(*) AS n FROM suppliers"),
  },
] as const;

async function count(sql: string): Promise<number> {
  return (await env.DB.prepare(sql).first<number>("n")) ?? 0;
}

let askedAgain = 0;

/** A machine that is too busy answers 504: then the same again under the same key, as the advice on that says. */
async function ask(who: string, path: string, key: string, body: unknown): Promise<KeyedAnswer> {
  const answer = await keyedPost(who, path, key, body);
  if (answer.status !== 504) return answer;
  askedAgain++;
  return ask(who, path, key, body);
}

const effects = () => Promise.all(TURNS.map((turn) => turn.effects()));

it(
  `${ASKS} identical asks at once, ${ROUNDS} rounds: one effect a round, and every asker gets the same bytes`,
  async ({ expect }) => {
    const [began, before] = [performance.now(), await effects()];
    let replayed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const turn = TURNS[round % TURNS.length] ?? TURNS[0];
      const key = `round-${round}`;
      const answers = await Promise.all(
        Array.from({ length: ASKS }, () => ask(turn.who, turn.path, key, turn.body(key))),
      );
      const different = new Set(answers.map(({ status, location, text }) => `${status} ${location} ${text}`));
      expect([...different], key).toEqual([expect.stringMatching(/^20[02] /)]);
      replayed += answers.filter((answer) => answer.replayed).length;
    }
    await quiet(QUIET_WITHIN_MS);
    const after = await effects();
    const had = after.map((n, turn) => n - (before[turn] ?? 0));
    expect(had).toEqual(TURNS.map((_, turn) => Math.ceil((ROUNDS - turn) / TURNS.length)));
    // Whoever did it may have been told 504, and is then a replay too.
    expect(replayed).toBeGreaterThanOrEqual(ROUNDS * (ASKS - 1));
    expect(replayed - ROUNDS * (ASKS - 1)).toBeLessThanOrEqual(askedAgain);
    expect(await violations(env.DB, { allowUnfinished: true })).toEqual([]);
    proved("identical keys", {
      rounds: ROUNDS,
      asks: ROUNDS * ASKS,
      effects: had.reduce((sum, n) => sum + n, 0),
      replayed,
      asked_again: askedAgain,
      seconds: (performance.now() - began) / 1000,
    });
  },
  isFull ? 3_600_000 : 300_000,
);
